package bench

import (
	"fmt"
	"io"
	"time"
)

// opLoad names the report of what is written before searches.
const opLoad = "load"

// Print writes the report for people: a line of the requests, and lines of
// what else is known.
func (r *Report) Print(w io.Writer) error {
	if r.Search != nil {
		if err := r.Search.write(w); err != nil {
			return err
		}
	}
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
	case OpIngest, opLoad:
		fmt.Fprintf(w, ", %.0f vectors/s", float64(r.Vectors)/seconds)
	}
	_, err := fmt.Fprintln(w)
	if r.Server+r.Client > 0 {
		err = r.printUsage(w, what)
	}
	if r.Failure != "" {
		_, err = fmt.Fprintf(w, "first failure: %s\n", r.Failure)
	}
	return err
}

// printUsage writes the processor time, and what was done for a second of it.
func (r *Report) printUsage(w io.Writer, what string) error {
	done := r.Done
	if r.Vectors > 0 {
		done, what = r.Vectors, "vectors"
	}
	seconds := r.Elapsed.Seconds()
	_, err := fmt.Fprintf(w, "%s: server %.2f CPU seconds, %.2f cores, %.0f %s per CPU second; client %.2f cores\n", r.Op, r.Server.Seconds(),
		r.Server.Seconds()/seconds, float64(done)/max(r.Server.Seconds(), tick.Seconds()), what, r.Client.Seconds()/seconds)
	return err
}

func (s *Searched) write(w io.Writer) error {
	if s.Load != nil {
		if err := s.Load.Print(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d vectors, %d in no graph after %s", s.Count, s.Unindexed, short(s.Settled))
	if s.Queries > 0 {
		_, err = fmt.Fprintf(w, ", recall@%d %.4f of %d queries", s.K, s.Recall, s.Queries)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
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
