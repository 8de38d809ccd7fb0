package replication

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// TestRoundsNeverJoinARunningRound: a caller's answer always comes from a run
// that began after the call, however many callers share it.
func TestRoundsNeverJoinARunningRound(t *testing.T) {
	var clock, runs atomic.Uint64
	s := rounds{run: func() (position, error) {
		runs.Add(1)
		return position{index: clock.Add(1)}, nil // when the run began
	}}
	const callers, each = 16, 200
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				before := clock.Add(1)
				at, err := s.do(context.Background())
				if err != nil || at.index <= before {
					t.Errorf("the run began at %d, before the call at %d (%v)", at.index, before, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n > callers*each {
		t.Fatalf("%d runs for %d calls", n, callers*each)
	}
}

func TestRoundsShare(t *testing.T) {
	var runs atomic.Int32
	release := make(chan struct{})
	started := make(chan struct{}, 8)
	s := rounds{run: func() (position, error) {
		runs.Add(1)
		started <- struct{}{}
		<-release
		return position{}, nil
	}}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = s.do(context.Background()) })
	<-started // the first round is under way: everybody below waits for the second
	const waiting = 20
	var joined sync.WaitGroup
	for range waiting {
		joined.Add(1)
		wg.Go(func() {
			joined.Done()
			_, _ = s.do(context.Background())
		})
	}
	joined.Wait()
	close(release)
	wg.Wait()
	if n := runs.Load(); n > 1+waiting || n < 2 {
		t.Fatalf("%d runs", n)
	}
}

func TestRoundsCallerMayLeave(t *testing.T) {
	release, started := make(chan struct{}), make(chan struct{}, 2)
	s := rounds{run: func() (position, error) {
		started <- struct{}{}
		<-release
		return position{}, nil
	}}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = s.do(context.Background()) })
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.do(ctx); err == nil {
		t.Fatal("a caller whose context has ended waited for the next round")
	}
	close(release)
	wg.Wait()
}
