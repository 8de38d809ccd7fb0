package replication

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/kissvdb/kissvdb/fault"
)

// rpcHandler answers requests of one method. ctx ends with the caller's
// deadline, with the connection and with the node. from is the caller's node
// id; req and the reply belong to the handler and to the connection.
type rpcHandler func(ctx context.Context, from string, req []byte) ([]byte, error)

// The window of one connection: what may be in work, or waiting to be written
// back. When it is full the reader stops, and so the peer. Every request
// takes at least a share of it, so that it bounds their number too.
const (
	windowBytes   = 64 << 20
	windowCalls   = 256
	minCallWeight = windowBytes / windowCalls
)

// beatsPerStall is how many signs of life a busy server gives within the time
// after which its silence counts as its end.
const beatsPerStall = 4

// replyTimeout bounds a write to a peer that does not read its replies.
const replyTimeout = 30 * time.Second

// serverConn is the answering side of an rpc connection.
type serverConn struct {
	conn     net.Conn
	from     string
	handlers *[256]rpcHandler
	window   *semaphore.Weighted
	working  atomic.Int64 // requests in the window
	out      *outbox
}

// serveRPC answers the requests of conn until it or ctx ends.
func serveRPC(ctx context.Context, conn net.Conn, from string, handlers *[256]rpcHandler, beat time.Duration) {
	s := &serverConn{
		conn: conn, from: from, handlers: handlers,
		window: semaphore.NewWeighted(windowBytes), out: newOutbox(),
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		w := &writer{
			out: s.out, conn: conn, timeout: replyTimeout, written: s.release,
			beat: func() bool { return s.working.Load() > 0 }, interval: beat,
		}
		_ = w.run() // however it ended, the connection is over
		cancel()
		_ = conn.Close()
	})
	s.read(ctx, &wg)
	cancel()
	s.out.close()
	_ = conn.Close()
	wg.Wait()
}

// read starts a goroutine for every request, as far as the window allows. It
// returns when the connection ends or sends what it must not.
func (s *serverConn) read(ctx context.Context, wg *sync.WaitGroup) {
	r := bufio.NewReaderSize(s.conn, 64<<10)
	for {
		f, err := readFrameHead(r)
		if err != nil {
			return
		}
		weight := int64(max(f.length, minCallWeight))
		if s.window.Acquire(ctx, weight) != nil {
			return
		}
		s.working.Add(1)
		payload, err := f.readPayload(r)
		if err != nil {
			return
		}
		wg.Go(func() { s.answer(ctx, f, weight, payload) })
	}
}

// answer runs the handler and queues its reply; the window is held until the
// reply was written.
func (s *serverConn) answer(ctx context.Context, f frame, weight int64, payload []byte) {
	if f.budget > 0 {
		bounded, cancel := context.WithTimeout(ctx, time.Duration(f.budget)*time.Millisecond)
		defer cancel()
		ctx = bounded
	}
	reply := &outgoing{seq: f.seq, code: replyOK, weight: weight}
	var err error
	if h := s.handlers[f.code]; h != nil {
		reply.payload, err = h(ctx, s.from, payload)
	} else {
		err = fault.New(fault.NotEnabled, "this node does not know method %d", f.code)
	}
	if err == nil && len(reply.payload) > maxFrameBytes {
		err = errFrameTooBig
	}
	if err != nil {
		reply.code, reply.payload = replyFault, encodeFault(err)
	}
	s.out.put(reply, 0)
}

func (s *serverConn) release(f *outgoing) {
	if f.weight > 0 {
		s.working.Add(-1)
		s.window.Release(f.weight)
	}
}
