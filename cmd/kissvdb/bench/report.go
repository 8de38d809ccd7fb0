package bench

import (
	"fmt"
	"io"
	"time"
)

// Print writes the report for people: one line, and one more for what failed.
func (r *Report) Print(w io.Writer) error {
	seconds := r.Elapsed.Seconds()
	what := "requests"
	if r.Op == OpStream {
		what = "events"
		fmt.Fprintf(w, "%d streams, %.0f writes/s\n", r.Streams, float64(r.Writes)/seconds)
	}
	fmt.Fprintf(w, "%s: %.0f %s/s in %s, p50 %s, p90 %s, p99 %s, max %s, %d failed", r.Op, float64(r.Done)/seconds, what,
		r.Elapsed.Round(time.Millisecond), short(r.P50), short(r.P90), short(r.P99), short(r.Max), r.Failed)
	switch r.Op {
	case OpStream:
		fmt.Fprintf(w, ", %d missing, %d doubled", r.Missing, r.Doubled)
	case OpGet, OpMixed:
		fmt.Fprintf(w, ", %d not found", r.Missed)
	}
	_, err := fmt.Fprintln(w)
	if r.Failure != "" {
		_, err = fmt.Fprintf(w, "first failure: %s\n", r.Failure)
	}
	return err
}

// short rounds a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
