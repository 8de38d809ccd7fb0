package fsm

import "sync/atomic"

// deadline is when the next key falls due, for the goroutine that proposes
// its expiry. The applying goroutine sets it.
type deadline struct {
	at      atomic.Int64 // Unix ms; 0 = never
	changed chan struct{}
}

func newDeadline() *deadline { return &deadline{changed: make(chan struct{}, 1)} }

func (d *deadline) next() (ms int64, ok bool) {
	ms = d.at.Load()
	return ms, ms != 0
}

func (d *deadline) set(ms int64, ok bool) {
	if !ok {
		ms = 0
	}
	before := d.at.Load()
	if ms == before {
		return
	}
	d.at.Store(ms)
	if ms == 0 || before != 0 && before < ms {
		return // the sleeper wakes too early, and sees
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}
