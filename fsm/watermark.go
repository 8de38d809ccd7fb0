package fsm

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"sync/atomic"
)

// watermark is the applied offset, and those who wait for it to rise. A rise
// that nobody waits for costs two atomic operations; another one wakes those
// that are due and touches no others.
type watermark struct {
	offset atomic.Uint64
	// lowest is the smallest offset waited for. Both sides first store their
	// number and then load the other's, so one of them sees the other.
	lowest atomic.Uint64

	mu      sync.Mutex // guards what follows
	waiters waiters
	closed  bool
}

func newWatermark() *watermark {
	w := &watermark{}
	w.lowest.Store(math.MaxUint64)
	return w
}

func (w *watermark) load() uint64 { return w.offset.Load() }

// set raises the offset, or, after a restore, moves it anywhere.
func (w *watermark) set(offset uint64) {
	w.offset.Store(offset)
	if w.lowest.Load() > offset {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake(offset)
}

// wake ends the waits up to offset. It is called with mu held.
func (w *watermark) wake(offset uint64) {
	for len(w.waiters) > 0 && w.waiters[0].offset <= offset {
		close(heap.Pop(&w.waiters).(*waiter).done)
	}
	w.aim()
}

// aim stores the smallest offset waited for. It is called with mu held.
func (w *watermark) aim() {
	if len(w.waiters) == 0 {
		w.lowest.Store(math.MaxUint64)
	} else {
		w.lowest.Store(w.waiters[0].offset)
	}
}

func (w *watermark) wait(ctx context.Context, offset uint64) error {
	if w.offset.Load() >= offset {
		return nil
	}
	me := &waiter{offset: offset, done: make(chan struct{})}
	if !w.add(me) {
		return ErrClosed
	}
	select {
	case <-me.done:
		return w.result(offset)
	case <-ctx.Done():
		w.remove(me)
		return ctx.Err()
	}
}

// add registers a waiter and looks at the offset once more: it may have risen
// before the waiter could be seen. It returns false after close.
func (w *watermark) add(me *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	heap.Push(&w.waiters, me)
	w.aim()
	w.wake(w.offset.Load())
	return true
}

func (w *watermark) remove(me *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if me.place >= 0 {
		heap.Remove(&w.waiters, me.place)
		w.aim()
	}
}

// result tells a wait that ended for its offset from one that close ended.
func (w *watermark) result(offset uint64) error {
	if w.offset.Load() >= offset {
		return nil
	}
	return ErrClosed
}

// close ends all waits, and those to come.
func (w *watermark) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake(math.MaxUint64)
}

type waiter struct {
	offset uint64
	done   chan struct{}
	place  int // in the heap; -1 once out of it
}

// waiters is a heap with the smallest offset first.
type waiters []*waiter

func (h waiters) Len() int           { return len(h) }
func (h waiters) Less(i, j int) bool { return h[i].offset < h[j].offset }
func (h waiters) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *waiters) Push(x any) {
	me := x.(*waiter)
	me.place = len(*h)
	*h = append(*h, me)
}

// Pop implements heap.Interface.
func (h *waiters) Pop() any {
	last := len(*h) - 1
	me := (*h)[last]
	me.place = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return me
}
