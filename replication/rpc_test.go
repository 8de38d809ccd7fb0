package replication

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fault"
)

// echo answers who asked what.
func echo(_ context.Context, from string, req []byte) ([]byte, error) {
	return append([]byte(from+":"), req...), nil
}

func TestCallsShareOneConnectionPerClass(t *testing.T) {
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: echo})
	b := startPeer(t, "b", nil, nil)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			class := callClass(g % 2)
			for i := range 50 {
				req := fmt.Appendf(nil, "%d/%d", g, i)
				got, err := b.call(context.Background(), a.address(), "a", class, 1, req)
				if err != nil || string(got) != "b:"+string(req) {
					t.Errorf("call %s = %q, %v", req, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if _, n := a.connCount(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestPayloadSizes(t *testing.T) {
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: func(_ context.Context, _ string, req []byte) ([]byte, error) {
		return req, nil
	}, 2: func(context.Context, string, []byte) ([]byte, error) {
		return make([]byte, maxFrameBytes+1), nil
	}})
	b := startPeer(t, "b", nil, nil)
	for _, size := range []int{0, 1, 64 << 10, payloadStep, payloadStep + 1, 5*payloadStep + 3} {
		req := bytes.Repeat([]byte{byte(size), 2, 3}, size/3+1)[:size]
		got, err := b.call(context.Background(), a.address(), "a", classBulk, 1, req)
		if err != nil || !bytes.Equal(got, req) {
			t.Fatalf("size %d: %d bytes, %v", size, len(got), err)
		}
	}
	if _, err := b.call(context.Background(), a.address(), "a", classBulk, 1, make([]byte, maxFrameBytes+1)); !errors.Is(err, errNotSent) {
		t.Errorf("too big a request: %v", err)
	}
	if _, err := b.call(context.Background(), a.address(), "a", classBulk, 2, nil); !fault.Is(err, fault.Internal) {
		t.Errorf("too big a reply: %v", err)
	}
}

func TestErrorsTravel(t *testing.T) {
	tests := []error{
		fault.New(fault.NoLeader, "not me"),
		&fault.Error{Code: fault.RevisionMismatch, Message: "revision is 3", Leader: "http://n1", Offset: 9, HasOffset: true, Operation: 2, HasOperation: true},
		fmt.Errorf("wrapped: %w", fault.New(fault.Overloaded, "full")),
		errors.New("plain"),
	}
	var current error
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: func(context.Context, string, []byte) ([]byte, error) { return nil, current }})
	b := startPeer(t, "b", nil, nil)
	for _, want := range tests {
		current = want
		_, err := b.call(context.Background(), a.address(), "a", classControl, 1, nil)
		var got, f *fault.Error
		if !errors.As(err, &got) || errors.Is(err, errNotSent) || errors.Is(err, errMaybeSent) {
			t.Fatalf("%v came as %v", want, err)
		}
		if !errors.As(want, &f) {
			f = fault.New(fault.Internal, "plain")
		}
		if !reflect.DeepEqual(got, f) {
			t.Errorf("%+v came as %+v", f, got)
		}
	}
	if _, err := b.call(context.Background(), a.address(), "a", classControl, 77, nil); !fault.Is(err, fault.NotEnabled) {
		t.Errorf("unknown method: %v", err)
	}
}

func TestDeadlineTravels(t *testing.T) {
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		d, ok := ctx.Deadline()
		if !ok {
			return []byte("none"), nil
		}
		return []byte(time.Until(d).String()), nil
	}})
	b := startPeer(t, "b", nil, nil)
	got, err := b.call(context.Background(), a.address(), "a", classControl, 1, nil)
	if err != nil || string(got) != "none" {
		t.Errorf("without a deadline: %s %v", got, err)
	}
	got, err = b.call(within(t, 20*time.Second), a.address(), "a", classControl, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := time.ParseDuration(string(got)); err != nil || d > 20*time.Second || d < 10*time.Second {
		t.Errorf("the handler had %s, %v", got, err)
	}
}

func TestCallGivesUpInTime(t *testing.T) {
	ended, left := make(chan error, 1), make(chan struct{})
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: echo, 2: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		<-left // else its answer may still be in time
		return nil, nil
	}})
	b := startPeer(t, "b", nil, nil)
	if _, err := b.call(context.Background(), a.address(), "a", classControl, 1, nil); err != nil {
		t.Fatal(err)
	}
	_, err := b.call(within(t, 30*time.Millisecond), a.address(), "a", classControl, 2, nil)
	if !errors.Is(err, errMaybeSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	close(left)
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the handler ended with %v", err)
	}
	if _, err := b.call(context.Background(), a.address(), "a", classControl, 1, nil); err != nil {
		t.Errorf("the connection is gone: %v", err)
	}
}

func TestNotSentWhenNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	b := startPeer(t, "b", nil, nil)
	began := time.Now()
	for range 50 {
		if _, err := b.call(context.Background(), addr, "a", classBulk, 1, nil); !errors.Is(err, errNotSent) {
			t.Fatalf("err = %v", err)
		}
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("50 refused calls took %s", d)
	}
}

// TestMaybeSentWhenTheConnectionBreaks has a server that takes the request
// and closes: the caller must not believe that nothing happened.
func TestMaybeSentWhenTheConnectionBreaks(t *testing.T) {
	var dead atomic.Pointer[peers]
	got := make(chan struct{}, 1)
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: func(context.Context, string, []byte) ([]byte, error) {
		got <- struct{}{}
		go dead.Load().closePeer("b")
		return nil, nil
	}, 2: echo})
	dead.Store(a)
	b := startPeer(t, "b", nil, nil)
	for range 20 {
		_, err := b.call(context.Background(), a.address(), "a", classBulk, 1, nil)
		<-got
		if err != nil && !errors.Is(err, errMaybeSent) {
			t.Fatalf("err = %v", err)
		}
		eventually(t, "a new connection serves", func() bool {
			_, err := b.call(context.Background(), a.address(), "a", classBulk, 2, nil)
			return err == nil
		})
	}
}

// TestSilentPeerFailsCalls has a peer that shakes hands and then does nothing,
// like a stopped process: calls fail within the stall time, and those that
// never left say so.
func TestSilentPeerFailsCalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, _, err := readPreface(c); err == nil {
				_ = reply(c, statusOK, preface{node: "a", cluster: clusterID{1}})
			}
		}
	}()
	b := startPeer(t, "b", func(c *peersConfig) { c.stall = 300 * time.Millisecond }, nil)
	_, err = b.call(within(t, 10*time.Second), l.Addr().String(), "a", classControl, 1, nil)
	if !errors.Is(err, errMaybeSent) || !errors.Is(err, errStalled) {
		t.Fatalf("err = %v", err)
	}
}

// TestNotSentWhileTheWriterIsStuck fills the pipe of a peer that does not
// read: a request that is still queued when its caller leaves was not sent.
func TestNotSentWhileTheWriterIsStuck(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newClientConn(near, time.Minute)
	done := make(chan error, 1)
	go func() { done <- c.run() }()
	first := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, err := c.call(ctx, 1, make([]byte, 1<<20))
		first <- err
	}()
	if _, err := far.Read(make([]byte, 1)); err != nil { // the writer is at it
		t.Fatal(err)
	}
	_, err := c.call(within(t, 20*time.Millisecond), 1, nil)
	if !errors.Is(err, errNotSent) {
		t.Errorf("queued: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, errMaybeSent) {
		t.Errorf("half written: %v", err)
	}
	_ = near.Close()
	<-done
}

// TestSlowHandlersPushBack: with the window full the server stops reading;
// nothing is lost, other classes go on, and no one is taken for dead.
func TestSlowHandlersPushBack(t *testing.T) {
	release := make(chan struct{})
	var working, most atomic.Int64
	a := startPeer(t, "a", func(c *peersConfig) { c.stall = 500 * time.Millisecond }, map[byte]rpcHandler{1: echo, 2: func(context.Context, string, []byte) ([]byte, error) {
		n := working.Add(1)
		defer working.Add(-1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-release
		return nil, nil
	}})
	b := startPeer(t, "b", func(c *peersConfig) { c.stall = 500 * time.Millisecond }, nil)
	const calls = windowCalls + 100
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range calls {
		wg.Go(func() {
			if _, err := b.call(context.Background(), a.address(), "a", classBulk, 2, []byte("slow")); err != nil {
				failed.Add(1)
			}
		})
	}
	eventually(t, "the window is full", func() bool { return working.Load() == windowCalls })
	if _, err := b.call(within(t, 5*time.Second), a.address(), "a", classControl, 1, nil); err != nil {
		t.Errorf("control call beside it: %v", err)
	}
	// Longer than the stall time: only the signs of life keep the connection.
	<-within(t, 1200*time.Millisecond).Done()
	close(release)
	wg.Wait()
	if failed.Load() != 0 || most.Load() != windowCalls {
		t.Errorf("%d calls failed, at most %d at once", failed.Load(), most.Load())
	}
}

func TestTooManyPendingCalls(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newClientConn(near, time.Minute)
	done := make(chan error, 1)
	go func() { done <- c.run() }()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range maxPendingCalls {
		wg.Go(func() { _, _ = c.call(ctx, 1, nil) })
	}
	eventually(t, "all wait", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.pending) == maxPendingCalls
	})
	if _, err := c.call(ctx, 1, nil); !errors.Is(err, errNotSent) || !errors.Is(err, errBacklog) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	wg.Wait()
	_ = near.Close()
	<-done
}

// TestDamagedFrameEndsTheConnection: a reply with a flipped bit is no reply.
func TestDamagedFrameEndsTheConnection(t *testing.T) {
	near, far := net.Pipe()
	c := newClientConn(near, time.Minute)
	done := make(chan error, 1)
	go func() { done <- c.run() }()
	go func() {
		r := bufio.NewReader(far)
		f, err := readFrameHead(r)
		if err != nil {
			return
		}
		if _, err := f.readPayload(r); err != nil {
			return
		}
		var head [frameHeadLen]byte
		putFrameHead(&head, f.seq, 0, replyOK, []byte("fine"))
		_, _ = far.Write(append(head[:], "fINE"...))
	}()
	if _, err := c.call(within(t, 5*time.Second), 1, nil); !errors.Is(err, errMaybeSent) || !errors.Is(err, errFrameSum) {
		t.Errorf("err = %v", err)
	}
	if err := <-done; !errors.Is(err, errFrameSum) {
		t.Errorf("the connection ended with %v", err)
	}
}

func BenchmarkCallSmall(b *testing.B) {
	a := startPeer(b, "a", nil, map[byte]rpcHandler{1: echo})
	c := startPeer(b, "b", nil, nil)
	req := []byte("0123456789abcdef")
	for b.Loop() {
		if _, err := c.call(context.Background(), a.address(), "a", classControl, 1, req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallBatches is 64 callers, each with a batch of 64 writes of 300 bytes.
func BenchmarkCallBatches(b *testing.B) {
	a := startPeer(b, "a", nil, map[byte]rpcHandler{1: func(_ context.Context, _ string, req []byte) ([]byte, error) {
		return req[:64*20], nil
	}})
	c := startPeer(b, "b", nil, nil)
	req := make([]byte, 64*300)
	b.SetBytes(int64(len(req)))
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.call(context.Background(), a.address(), "a", classBulk, 1, req); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
