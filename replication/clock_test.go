package replication

import (
	"testing"
	"time"
)

// TestClockMedian: one clock that is an hour off, ours included, moves nothing.
func TestClockMedian(t *testing.T) {
	three := []Member{{ID: "n1"}, {ID: "n2"}, {ID: "n3"}}
	for _, c := range []struct {
		name    string
		offsets map[string]time.Duration
		want    time.Duration
	}{
		{"nobody known", nil, 0},
		{"equal clocks", map[string]time.Duration{"n2": 0, "n3": 0}, 0},
		{"n2 an hour ahead", map[string]time.Duration{"n2": time.Hour, "n3": 0}, 0},
		{"n2 an hour behind", map[string]time.Duration{"n2": -time.Hour, "n3": 0}, 0},
		{"we are an hour ahead", map[string]time.Duration{"n2": -time.Hour, "n3": -time.Hour}, -time.Hour},
		{"we are an hour behind", map[string]time.Duration{"n2": time.Hour, "n3": time.Hour}, time.Hour},
		{"only one answers, ahead: ours counts", map[string]time.Duration{"n2": time.Hour}, 0},
		{"only one answers, behind: theirs counts", map[string]time.Duration{"n2": -time.Hour}, -time.Hour},
		{"strangers do not count", map[string]time.Duration{"n2": 0, "n3": 0, "x": time.Hour, "y": time.Hour}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clocks
			for id, d := range c.offsets {
				k.set(id, d)
			}
			if got := k.median(three, "n1"); got != c.want {
				t.Fatalf("median = %v, want %v", got, c.want)
			}
		})
	}
}
