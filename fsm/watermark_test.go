package fsm

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// TestWatermarkWakesThoseThatAreDue runs many waits beside a rising offset.
func TestWatermarkWakesThoseThatAreDue(t *testing.T) {
	w := newWatermark()
	const top = 500
	var wg sync.WaitGroup
	for i := range uint64(top + 1) {
		for range 2 {
			wg.Go(func() {
				if err := w.wait(t.Context(), i); err != nil {
					t.Errorf("wait(%d): %v", i, err)
				}
				if got := w.load(); got < i {
					t.Errorf("wait(%d) ended at %d", i, got)
				}
			})
		}
	}
	for i := range uint64(top + 1) {
		w.set(i)
	}
	wg.Wait()
	if len(w.waiters) != 0 {
		t.Fatalf("%d waiters are left", len(w.waiters))
	}
}

// TestWatermarkSeenByALateWaiter: the offset rose after the waiter looked at
// it and before it was registered.
func TestWatermarkSeenByALateWaiter(t *testing.T) {
	w := newWatermark()
	w.set(5)
	me := &waiter{offset: 5, done: make(chan struct{})}
	w.add(me)
	select {
	case <-me.done:
	default:
		t.Fatal("the waiter sleeps on")
	}
}

func TestWatermarkWaitEnds(t *testing.T) {
	w := newWatermark()
	w.set(5)
	ctx, cancel := context.WithCancel(t.Context())
	canceled := make(chan error)
	go func() { canceled <- w.wait(ctx, 7) }()
	closed := make(chan error)
	go func() { closed <- w.wait(t.Context(), 9) }()
	waitFor(t, func() bool { return w.waiting() == 2 })
	cancel()
	if err := <-canceled; !errors.Is(err, context.Canceled) {
		t.Fatalf("canceled wait: %v", err)
	}
	if got := w.lowest.Load(); got != 9 {
		t.Fatalf("lowest is %d after a wait was given up", got)
	}
	w.set(8)
	w.close()
	if err := <-closed; !errors.Is(err, ErrClosed) {
		t.Fatalf("closed wait: %v", err)
	}
	if err := w.wait(t.Context(), 9); !errors.Is(err, ErrClosed) {
		t.Fatalf("wait after close: %v", err)
	}
	if err := w.wait(t.Context(), 8); err != nil {
		t.Fatalf("wait for what is there, after close: %v", err)
	}
}

func (w *watermark) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiters)
}

func TestDeadlineSignalsOnlyWhatIsEarlier(t *testing.T) {
	d := newDeadline()
	for _, tc := range []struct {
		name   string
		ms     int64
		ok     bool
		signal bool
	}{
		{"none yet", 0, false, false},
		{"the first", 100, true, true},
		{"the same", 100, true, false},
		{"later", 200, true, false},
		{"earlier", 150, true, true},
		{"gone", 0, false, false},
		{"again", 300, true, true},
	} {
		d.set(tc.ms, tc.ok)
		if ms, ok := d.next(); ms != tc.ms || ok != tc.ok {
			t.Errorf("%s: next = %d, %v", tc.name, ms, ok)
		}
		select {
		case <-d.changed:
			if !tc.signal {
				t.Errorf("%s: signalled", tc.name)
			}
		default:
			if tc.signal {
				t.Errorf("%s: not signalled", tc.name)
			}
		}
	}
}
