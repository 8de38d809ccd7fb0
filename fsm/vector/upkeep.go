package vector

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// upkeep is the maintenance of one collection.
type upkeep struct {
	// job is held by what replaces a collection's data or graphs.
	job sync.Mutex

	written atomic.Int64 // Unix ns of the newest write
	dropped atomic.Bool

	mu       sync.Mutex // guards what follows
	builds   uint64
	building time.Duration
	stop     context.CancelFunc // ends the build that runs; nil when none does
	wanted   uint64             // vacuums asked for
	done     uint64             // of them
	last     vacuumed           // what came of the last one
	failed   time.Time          // when one failed last
	changed  chan struct{}      // closed when done or dropped changes
}

type vacuumed struct {
	reclaimed int64
	err       error
}

func (u *upkeep) init() { u.changed = make(chan struct{}) }

// wrote notes an entry that changed the collection. Of the writer.
func (u *upkeep) wrote() { u.written.Store(time.Now().UnixNano()) }

// idle reports whether nothing was written for a while.
func (u *upkeep) idle() bool {
	return time.Now().UnixNano()-u.written.Load() >= idleAfter.Nanoseconds()
}

// built returns how many graphs were built, and the seconds it took.
func (u *upkeep) built() (builds uint64, seconds float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.builds, u.building.Seconds()
}

// began notes how a build that begins can be stopped.
func (u *upkeep) began(stop context.CancelFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stop = stop
	if u.wanted > u.done {
		stop() // a vacuum does not wait for a build
	}
}

// ended notes the end of a build.
func (u *upkeep) ended(took time.Duration, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stop = nil
	u.building += took
	if err == nil {
		u.builds++
	}
}

// want asks for a vacuum, and returns its number.
func (u *upkeep) want() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wanted++
	if u.stop != nil {
		u.stop()
	}
	return u.wanted
}

// pending returns the number of the newest vacuum asked for, unless it is done.
func (u *upkeep) pending() (number uint64, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wanted, u.wanted > u.done
}

// finished notes what came of the vacuums up to number.
func (u *upkeep) finished(number uint64, v vacuumed) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done, u.last = max(u.done, number), v
	if v.err != nil {
		u.failed = time.Now()
	}
	u.notify()
}

// failing reports whether a vacuum has failed lately, so that one that nobody
// asked for is not tried again at once.
func (u *upkeep) failing() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Since(u.failed) < time.Minute
}

// drop ends the maintenance of the collection.
func (u *upkeep) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropped.Store(true)
	if u.stop != nil {
		u.stop()
	}
	u.notify()
}

// notify wakes who waits. It is called with mu held.
func (u *upkeep) notify() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// newest returns the number of the newest vacuum asked for.
func (u *upkeep) newest() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wanted
}

// wait returns what came of a vacuum once it is done.
func (u *upkeep) wait(ctx context.Context, number uint64) (reclaimed int64, err error) {
	for {
		u.mu.Lock()
		v, done, changed := u.last, u.done >= number, u.changed
		u.mu.Unlock()
		switch {
		case done:
			return v.reclaimed, v.err
		case u.dropped.Load():
			return 0, collectionNotFound()
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-changed:
		}
	}
}
