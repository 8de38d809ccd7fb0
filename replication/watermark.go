package replication

import (
	"context"
	"sync"
	"sync/atomic"
)

// position is a place in the log.
type position struct{ index, term uint64 }

// watermark is how far the log was applied; many goroutines may wait for it.
type watermark struct {
	mu      sync.Mutex
	at      position
	changed chan struct{} // closed at the next advance; nil while nobody waits
}

func (w *watermark) position() position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// advance is called on the apply goroutine. It never goes back.
func (w *watermark) advance(to position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if to.index <= w.at.index {
		return
	}
	w.at = to
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// wait returns once index is applied, or with the cause of ctx's end.
func (w *watermark) wait(ctx context.Context, index uint64) error {
	for {
		w.mu.Lock()
		if w.at.index >= index {
			w.mu.Unlock()
			return nil
		}
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// counter is a number that grows until it is reset.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(d uint64)  { c.n.Add(d) }
func (c *counter) reset()        { c.n.Store(0) }
func (c *counter) value() uint64 { return c.n.Load() }
