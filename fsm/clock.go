package fsm

import (
	"sync"
	"time"

	"github.com/kissvdb/kissvdb/fsm/record"
)

const (
	// maxSlew is the share by which the leader's clock runs faster or slower
	// than its monotonic one while it makes up for a difference: a tenth.
	maxSlew = 10
	// stepAhead is how far the time of day must be ahead of the store's for a
	// new leader to step forward instead of slewing for a long time: as after
	// the whole cluster was down. Wall is vouched for by a majority.
	stepAhead = 2 * time.Second
)

// clock is the store's clock. The store's time itself advances only with
// applied entries; clock is what a leader stamps them with, and every node's
// running estimate of it.
//
// A node that follows takes the store's time at the newest entry and adds its
// own monotonic time since then. A node that begins to lead goes on from that
// estimate, at its own monotonic rate, slewing towards Wall. So a node whose
// time of day is wrong neither makes keys expire early nor stops time, and no
// stamp is ever below one that was applied.
type clock struct {
	wall func() time.Time
	mono func() time.Duration

	mu     sync.Mutex // guards what follows
	term   uint64     // the term in which this node leads; 0 while it follows
	read   int64      // the newest reading, Unix us; 0 before the first of all
	readAt time.Duration
	credit int64 // us that went by since the last slew
	floor  int64 // the newest stamp or applied time, Unix ms
}

func newClock(wall func() time.Time, mono func() time.Duration) *clock {
	return &clock{wall: wall, mono: mono}
}

// stamp returns the time for an entry of the leader of term, Unix ms.
func (c *clock) stamp(term uint64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.term != term {
		c.lead(term)
	}
	c.slew()
	c.floor = c.ms()
	return c.floor
}

// now returns what stamp would return, without committing to it.
func (c *clock) now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.term != 0:
		c.slew()
	case c.read == 0:
		return c.wallTime()
	default:
		c.run()
	}
	return c.ms()
}

// applied tells the clock that an entry was applied which the leader of term
// wrote, and what the store's time is after it.
func (c *clock) applied(term uint64, ms int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if term > c.term {
		c.term = 0 // another node leads, and its time counts
	}
	if c.term == 0 {
		c.anchor(ms)
	} else if c.run(); c.read < ms*1000 {
		// An entry of an earlier leader whose clock was ahead of the estimate.
		c.anchor(ms)
	}
	c.floor = max(c.floor, ms)
}

// restored sets the clock to the store's time of a snapshot.
func (c *clock) restored(ms int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.term, c.floor = 0, ms
	c.anchor(ms)
}

// lead begins a term of this node's.
func (c *clock) lead(term uint64) {
	c.term = term
	c.run()
	c.credit = 0
	wall := c.wallTime()
	if c.floor == 0 || wall*1000-c.read > stepAhead.Microseconds() {
		c.anchor(wall)
	}
}

// wallTime returns the time of day, Unix ms, in the bounds of a stamp.
func (c *clock) wallTime() int64 { return min(max(c.wall().UnixMilli(), 1), record.MaxTime) }

func (c *clock) anchor(ms int64) { c.read, c.readAt, c.credit = ms*1000, c.mono(), 0 }

// run advances the reading at the monotonic rate, by whole microseconds: the
// rest is left for the next time.
func (c *clock) run() {
	elapsed := max((c.mono() - c.readAt).Microseconds(), 0)
	c.readAt += time.Duration(elapsed) * time.Microsecond
	c.read += elapsed
	c.credit += elapsed
}

// slew advances the reading and brings it nearer to the time of day, by at
// most a share of what has elapsed since it last did.
func (c *clock) slew() {
	c.run()
	most := c.credit / maxSlew
	c.credit %= maxSlew
	c.read += min(max(c.wallTime()*1000-c.read, -most), most)
}

// ms returns the reading in the bounds of a stamp.
func (c *clock) ms() int64 { return min(max(c.read/1000, c.floor, 1), record.MaxTime) }
