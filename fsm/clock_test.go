package fsm

import (
	"math"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// machine is a node's two clocks, moved by hand.
type machine struct {
	wall  time.Time
	mono  time.Duration
	clock *clock
}

func newMachine(wallMS int64) *machine {
	m := &machine{wall: time.UnixMilli(wallMS)}
	m.clock = newClock(func() time.Time { return m.wall }, func() time.Duration { return m.mono })
	return m
}

// pass lets d go by.
func (m *machine) pass(d time.Duration) {
	m.mono += d
	m.wall = m.wall.Add(d)
}

// lead lets d go by and stamps and applies an entry every step.
func (m *machine) lead(t *testing.T, term uint64, d, step time.Duration) (ms int64) {
	t.Helper()
	for ; d > 0; d -= step {
		m.pass(min(step, d))
		before := m.clock.now()
		ms = m.clock.stamp(term)
		if ms < before {
			t.Fatalf("stamp %d is below %d", ms, before)
		}
		m.clock.applied(term, ms)
	}
	return ms
}

func near(t *testing.T, what string, got, want, within int64) {
	t.Helper()
	if got < want-within || got > want+within {
		t.Fatalf("%s: %d, want %d within %d", what, got, want, within)
	}
}

const day = int64(1767225600000) // a time of day, Unix ms

func TestClockStartsAtTheTimeOfDay(t *testing.T) {
	m := newMachine(day)
	near(t, "now", m.clock.now(), day, 0)
	near(t, "first stamp", m.clock.stamp(1), day, 0)
	for name, wall := range map[string]int64{"before 1970": -5, "far beyond": math.MaxInt64 / 4} {
		if ms := newMachine(wall).clock.stamp(1); ms < 1 || ms > record.MaxTime {
			t.Errorf("%s: stamp %d", name, ms)
		}
	}
}

// TestClockRunsAtTheMonotonicRate: stamps far denser than a slew's granularity
// lose nothing, at any rate.
func TestClockRunsAtTheMonotonicRate(t *testing.T) {
	for _, step := range []time.Duration{700 * time.Nanosecond, 3 * time.Microsecond, 90 * time.Microsecond, 7 * time.Millisecond} {
		m := newMachine(day)
		m.clock.stamp(1)
		near(t, step.String(), m.lead(t, 1, 100*time.Millisecond, step), day+100, 1)
	}
}

// TestClockSlews: a difference to the time of day is made up for at a tenth
// of the time that passes, in either direction, and never by a jump.
func TestClockSlews(t *testing.T) {
	for _, tc := range []struct {
		name string
		off  int64 // how far the time of day jumps while leading
		pass time.Duration
		want int64 // since the start, ms
	}{
		{"ahead", 3600_000, 100 * time.Second, 110_000},
		{"behind", -3600_000, 100 * time.Second, 90_000},
		{"a little ahead, caught up", 5_000, 100 * time.Second, 105_000},
		{"a little behind, caught up", -5_000, 100 * time.Second, 95_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(day)
			m.clock.stamp(1)
			m.wall = m.wall.Add(time.Duration(tc.off) * time.Millisecond)
			near(t, "stamp", m.lead(t, 1, tc.pass, 13*time.Millisecond), day+tc.want, 5)
		})
	}
}

// TestClockOverLeaderChanges passes the lead around nodes that agree on the
// time of day: the store's time never goes back, stays true, and all nodes
// know it.
func TestClockOverLeaderChanges(t *testing.T) {
	nodes := []*machine{newMachine(day), newMachine(day), newMachine(day)}
	var store, passed int64
	for term := uint64(1); term <= 12; term++ {
		leader := nodes[term%3]
		for range 100 {
			for _, n := range nodes {
				n.pass(10 * time.Millisecond)
			}
			passed += 10
			ms := leader.clock.stamp(term)
			if ms < store {
				t.Fatalf("term %d: stamp %d after %d", term, ms, store)
			}
			store = ms
			for _, n := range nodes {
				n.clock.applied(term, store)
			}
		}
		near(t, "store time", store, day+passed, 20)
		for _, n := range nodes {
			near(t, "estimate", n.clock.now(), store, 0)
		}
	}
}

// TestClockGoesOnFromTheEstimate: a new leader whose own time of day is
// behind goes on from the old leader's time, plus what has passed since.
func TestClockGoesOnFromTheEstimate(t *testing.T) {
	m := newMachine(day - 3600_000)
	m.clock.applied(1, day)
	m.pass(4 * time.Second)
	near(t, "estimate", m.clock.now(), day+4000, 0)
	near(t, "first stamp", m.clock.stamp(2), day+4000, 1)
	near(t, "slewing back", m.lead(t, 2, 10*time.Second, time.Millisecond), day+4000+9000, 2)
}

// TestClockStepsForwardOnce: only at the start of a term, only forward, only
// over more than two seconds.
func TestClockStepsForwardOnce(t *testing.T) {
	for _, tc := range []struct {
		name        string
		ahead, want int64
	}{
		{"after a night", 8 * 3600_000, 8 * 3600_000},
		{"just over", 2_100, 2_100},
		{"just under", 1_900, 0},
		{"behind", -8 * 3600_000, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(day + tc.ahead)
			m.clock.restored(day)
			near(t, "first stamp", m.clock.stamp(7), day+tc.want, 0)
			m.wall = m.wall.Add(time.Hour)
			near(t, "later in the term", m.lead(t, 7, time.Second, time.Millisecond), day+tc.want+1000, 101)
		})
	}
}

// TestClockNeverBelowApplied: entries of an earlier leader that are applied
// only after the term began raise the clock, which then runs on from there.
func TestClockNeverBelowApplied(t *testing.T) {
	m := newMachine(day)
	m.clock.stamp(5)
	m.clock.applied(4, day+60_000)
	near(t, "now", m.clock.now(), day+60_000, 0)
	near(t, "stamp", m.clock.stamp(5), day+60_000, 0)
	near(t, "running on", m.lead(t, 5, 10*time.Second, time.Millisecond), day+69_000, 2)
	m.clock.applied(6, day+70_000) // deposed
	m.pass(time.Second)
	near(t, "following", m.clock.now(), day+71_000, 0)
	if ms := m.clock.stamp(7); ms < day+71_000 {
		t.Fatalf("stamp %d", ms)
	}
}

// TestClockOwnEntriesDoNotHoldItBack: applying what it stamped a while ago
// does not set a leader's clock back.
func TestClockOwnEntriesDoNotHoldItBack(t *testing.T) {
	m := newMachine(day)
	for range 1000 {
		ms := m.clock.stamp(1)
		m.pass(5 * time.Millisecond) // until it is committed
		m.clock.applied(1, ms)
	}
	near(t, "now", m.clock.now(), day+5000, 1)
}
