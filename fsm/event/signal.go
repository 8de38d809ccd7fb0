package event

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// wakeCost is about what one woken stream costs before it waits again: a
	// read, a write to its socket, two switches.
	wakeCost = 20 * time.Microsecond
	// shortRest is the rest that is not worth a timer.
	shortRest = time.Millisecond
	// longRest bounds what a crowd of streams adds to the latency of each.
	longRest = 50 * time.Millisecond
)

// signal tells waiting cursors that the view was replaced. raise costs the
// writer the same whether one cursor waits or thousands: run, on its own
// goroutine, wakes them. It rests after a crowd for as long as the crowd needs
// to get its events out, so that they meet several at the next turn instead of
// one each, and writers keep their share of the machine.
type signal struct {
	poke chan struct{} // one place: raised, not yet woken

	waiting atomic.Int64 // how many wait calls since the last wake

	mu sync.Mutex // guards ch
	ch chan struct{}
}

func newSignal() *signal {
	return &signal{poke: make(chan struct{}, 1), ch: make(chan struct{})}
}

// wait returns a channel that is closed after the next raise. The caller must
// look at the view once more before it blocks on it.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.Add(1)
	return s.ch
}

// raise never blocks. It is called after the view was replaced.
func (s *signal) raise() {
	if s.waiting.Load() == 0 {
		return
	}
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

func (s *signal) run(ctx context.Context) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			s.wake()
			return
		case <-s.poke:
		}
		d := min(time.Duration(s.wake())*wakeCost, longRest)
		if d < shortRest {
			continue
		}
		rest.Reset(d)
		select {
		case <-ctx.Done():
			s.wake()
			return
		case <-rest.C:
		}
	}
}

// wake closes the channel of all that wait and returns how many they were.
func (s *signal) wake() int64 {
	s.mu.Lock()
	n, ch := s.waiting.Swap(0), s.ch
	s.ch = make(chan struct{})
	s.mu.Unlock()
	close(ch)
	return n
}
