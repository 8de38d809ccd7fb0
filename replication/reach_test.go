package replication

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// noticed bounds how long after its return a peer may still be waited for.
const noticed = 500 * time.Millisecond

// TestWaitReachableSeesAReturn waits for a port where nobody listens yet.
func TestWaitReachableSeesAReturn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	var dials atomic.Int64
	b := startPeer(t, "b", func(c *peersConfig) {
		d := &net.Dialer{}
		c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return d.DialContext(ctx, network, addr)
		}
	}, nil)
	const waiters = 10
	back := make(chan time.Time, waiters)
	var wg sync.WaitGroup
	for range waiters {
		wg.Go(func() {
			if err := b.waitReachable(within(t, 10*time.Second), addr, "a"); err != nil {
				t.Error(err)
			}
			back <- time.Now()
		})
	}
	eventually(t, "some attempts have failed", func() bool { return dials.Load() >= 3 })
	up := time.Now()
	startPeer(t, "a", func(c *peersConfig) { c.bind = addr }, nil)
	wg.Wait()
	for range waiters {
		if d := (<-back).Sub(up); d > noticed {
			t.Errorf("noticed after %s", d)
		}
	}
	if n := dials.Load(); n > 20 {
		t.Errorf("%d dials: the waiters do not share a prober", n)
	}
	if len(b.reach.probers) != 0 {
		t.Error("a prober is left")
	}
}

// pausable accepts connections and answers nothing while it is paused, like a
// process that is stopped.
type pausable struct {
	net.Listener
	gate atomic.Pointer[chan struct{}] // closed = running
}

func (l *pausable) pause() (resume func()) {
	gate := make(chan struct{})
	l.gate.Store(&gate)
	return func() { close(gate) }
}

func (l *pausable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if gate := l.gate.Load(); gate != nil {
		<-*gate
	}
	return c, err
}

func TestWaitReachableSeesThroughAStoppedProcess(t *testing.T) {
	var l pausable
	a := startPeer(t, "a", func(c *peersConfig) {
		c.listen = func(network, addr string) (_ net.Listener, err error) {
			l.Listener, err = net.Listen(network, addr)
			return &l, err
		}
	}, nil)
	resume := l.pause()
	b := startPeer(t, "b", nil, nil)
	err := b.waitReachable(within(t, 700*time.Millisecond), a.address(), "a")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a stopped process answered: %v", err)
	}
	back := make(chan error, 1)
	go func() { back <- b.waitReachable(within(t, 10*time.Second), a.address(), "a") }()
	eventually(t, "it is waited for", func() bool {
		b.reach.mu.Lock()
		defer b.reach.mu.Unlock()
		return len(b.reach.probers) == 1
	})
	resume()
	up := time.Now()
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	if d := time.Since(up); d > noticed {
		t.Errorf("noticed after %s", d)
	}
}

// TestInboundWakesAProber: the peer itself calls, so the next probe and the
// next call do not wait for their turn.
func TestInboundWakesAProber(t *testing.T) {
	var cut atomic.Bool
	cut.Store(true)
	failed := make(chan struct{}, 1000)
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: echo})
	b := startPeer(t, "b", func(c *peersConfig) {
		d := &net.Dialer{}
		c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if cut.Load() {
				failed <- struct{}{}
				return nil, errors.New("cut")
			}
			return d.DialContext(ctx, network, addr)
		}
	}, nil)
	for range 10 { // the pause between attempts grows to its longest
		_, _ = b.call(within(t, time.Second), a.address(), "a", classControl, 1, nil)
		r := b.remotes[endpoint{a.address(), "a", classControl}]
		r.mu.Lock()
		r.retryAt, r.pause = time.Time{}, 4*longestRedial
		r.mu.Unlock()
	}
	_, _ = b.call(within(t, time.Second), a.address(), "a", classControl, 1, nil)
	for len(failed) > 0 {
		<-failed
	}
	back := make(chan error, 1)
	go func() { back <- b.waitReachable(within(t, 10*time.Second), a.address(), "a") }()
	<-failed
	cut.Store(false)
	if _, err := a.probe(within(t, time.Second), b.address(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	eventually(t, "calls try again at once", func() bool {
		_, err := b.call(within(t, time.Second), a.address(), "a", classControl, 1, nil)
		return err == nil
	})
}

func TestWaitReachableEndsWithItsPort(t *testing.T) {
	b := startPeer(t, "b", func(c *peersConfig) {
		c.dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("cut") }
	}, nil)
	result := make(chan error, 1)
	go func() { result <- b.waitReachable(context.Background(), "nowhere:1", "a") }()
	eventually(t, "it waits", func() bool {
		b.reach.mu.Lock()
		defer b.reach.mu.Unlock()
		return len(b.reach.probers) == 1
	})
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, errPeersClosed) {
		t.Errorf("err = %v", err)
	}
	if err := b.waitReachable(context.Background(), "nowhere:1", "a"); !errors.Is(err, errPeersClosed) {
		t.Errorf("after close: %v", err)
	}
}
