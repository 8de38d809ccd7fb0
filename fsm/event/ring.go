package event

import "sync/atomic"

// ring holds the newest events. One goroutine adds, any number read without a
// lock: an event says its own offset, so a reader that finds another one in a
// place, or none, knows that its event was overwritten.
type ring struct {
	slots []atomic.Pointer[Event]

	// Of the writer alone.
	low   uint64 // oldest offset held; high+1 when empty
	high  uint64 // newest offset held
	base  uint64 // hash chain before low
	bytes int64
	limit int64 // of bytes; 0 = none
}

// newRing returns an empty ring of events above offset, where the hash chain
// is chain.
func newRing(size int, limit int64, offset, chain uint64) *ring {
	return &ring{
		slots: make([]atomic.Pointer[Event], max(size, 1)), limit: limit,
		low: offset + 1, high: offset, base: chain,
	}
}

// eventOverhead is about what an event takes in memory beside its payload.
const eventOverhead = 288

// cost is about what an event holds in memory, its frame included.
func (e *Event) cost() int64 {
	return int64(payload(&e.Event) + e.frameSize() + eventOverhead)
}

// add appends the event at high+1. Old ones leave by whole transactions, so
// that what is held never starts inside one.
func (r *ring) add(e *Event) {
	for r.low <= r.high && (r.high-r.low+1 >= uint64(len(r.slots)) || r.limit > 0 && r.bytes+e.cost() > r.limit) {
		r.evict()
	}
	r.high = e.Offset
	if e.TxFirst != 0 && e.TxFirst < r.low {
		// The transaction's start did not fit, so its end is not held either.
		r.low, r.base = e.Offset+1, e.chain
		return
	}
	r.bytes += e.cost()
	r.slot(e.Offset).Store(e)
}

func (r *ring) evict() {
	for group := true; group && r.low <= r.high; r.low++ {
		e := r.slot(r.low).Swap(nil)
		r.bytes -= e.cost()
		r.base = e.chain
		group = !e.endsGroup()
	}
}

// events returns all that is held, in order.
func (r *ring) events() []*Event {
	events := make([]*Event, 0, r.high+1-r.low)
	for offset := r.low; offset <= r.high; offset++ {
		events = append(events, r.slot(offset).Load())
	}
	return events
}

// cut returns another ring with the events up to offset. Cursors may go on
// reading r.
func (r *ring) cut(offset, chain uint64) *ring {
	if offset+1 < r.low || offset > r.high {
		return newRing(len(r.slots), r.limit, offset, chain)
	}
	c := newRing(len(r.slots), r.limit, r.low-1, r.base)
	for _, e := range r.events() {
		if e.Offset <= offset {
			c.add(e)
		}
	}
	return c
}

func (r *ring) slot(offset uint64) *atomic.Pointer[Event] {
	return &r.slots[offset%uint64(len(r.slots))]
}

// get returns the event at offset, nil when it is not held. Any goroutine.
func (r *ring) get(offset uint64) *Event {
	if e := r.slot(offset).Load(); e != nil && e.Offset == offset {
		return e
	}
	return nil
}
