package replication

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/kissvdb/kissvdb/fault"
)

// callClass separates calls that must not wait behind each other: every class
// has a connection of its own to a peer.
type callClass uint8

const (
	classControl callClass = iota // small questions that are waited for
	classBulk                     // batches of writes
)

// Calls fail in two ways that must never be confused.
var (
	// errNotSent: the peer cannot have seen the request.
	errNotSent = errors.New("the request was not sent")
	// errMaybeSent: the request was written, or begun, and no answer came.
	errMaybeSent = errors.New("the peer did not answer")
)

var (
	errStalled = errors.New("the peer gave no sign of life")
	errBacklog = errors.New("too many requests wait for the peer")
)

// Bounds of what may wait on one connection, on the calling side.
const (
	maxPendingCalls = 4096
	maxQueuedBytes  = 64 << 20
)

// How a reply ended: its frame code.
const (
	replyOK    = 0
	replyFault = 1
)

// call sends req to the peer at addr, which must be node wantID ("" =
// whoever is there), and returns its reply. An answer that is an error is a
// *fault.Error; every other failure wraps errNotSent or errMaybeSent. ctx's
// deadline travels with the request. req must not be changed afterwards, even
// if call returned an error.
func (p *peers) call(ctx context.Context, addr, wantID string, class callClass, method byte, req []byte) ([]byte, error) {
	c, err := p.connect(ctx, endpoint{addr: addr, id: wantID, class: class})
	if err != nil {
		return nil, fmt.Errorf("call %s: %w: %w", addr, errNotSent, err)
	}
	reply, err := c.call(ctx, method, req)
	var refusal *fault.Error
	if err != nil && !errors.As(err, &refusal) {
		err = fmt.Errorf("call %s: %w", addr, err)
	}
	return reply, err
}

// clientConn is the calling side of an rpc connection. Its reader finishes the
// calls; its writer sends them; the first failure of either fails them all.
type clientConn struct {
	conn  net.Conn
	out   *outbox
	stall time.Duration // without a sign of life for so long a busy peer is down

	mu      sync.Mutex // guards what follows
	pending map[uint64]*pendingCall
	lastSeq uint64
	busy    time.Time // since when there is always something pending
	err     error     // why the connection ended

	silent int // looks in a row that found a silent peer; the reader's own
}

// pendingCall is a request whose answer has not come.
type pendingCall struct {
	outgoing
	done   chan struct{} // closed after the fields below are set
	status byte          // the reply's code
	reply  []byte
	err    error
}

func newClientConn(conn net.Conn, stall time.Duration) *clientConn {
	return &clientConn{
		conn: conn, stall: stall, out: newOutbox(),
		pending: map[uint64]*pendingCall{},
	}
}

// run serves the connection until it ends; all its calls have then failed.
func (c *clientConn) run() error {
	var wg sync.WaitGroup
	wg.Go(func() {
		w := &writer{out: c.out, conn: c.conn}
		c.fail(w.run())
	})
	c.fail(c.read())
	wg.Wait()
	return c.failure()
}

func (c *clientConn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// call sends one request and waits for its reply or for ctx.
func (c *clientConn) call(ctx context.Context, method byte, req []byte) ([]byte, error) {
	x := &pendingCall{done: make(chan struct{})}
	x.code, x.payload = method, req
	x.budget = budgetOf(ctx)
	if err := c.start(x); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	select {
	case <-x.done:
		return x.result()
	case <-ctx.Done():
	}
	if !c.forget(x) { // it ended at this very moment
		<-x.done
		return x.result()
	}
	return nil, lost(x, context.Cause(ctx))
}

// budgetOf tells how long the caller will wait, for the server to know.
func budgetOf(ctx context.Context) uint32 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	ms := (time.Until(deadline) + time.Millisecond - 1).Milliseconds()
	return uint32(min(max(ms, 1), math.MaxUint32))
}

// lost is the error of a call without an answer: if its frame can still be
// taken back from the writer, it was not sent.
func lost(x *pendingCall, cause error) error {
	kind := errMaybeSent
	if x.claim() {
		kind = errNotSent
	}
	return fmt.Errorf("%w: %w", kind, cause)
}

func (x *pendingCall) result() ([]byte, error) {
	switch {
	case x.err != nil:
		return nil, x.err
	case x.status == replyOK:
		return x.reply, nil
	}
	return nil, decodeFault(x.reply)
}

func (c *clientConn) start(x *pendingCall) error {
	if len(x.payload) > maxFrameBytes {
		return errFrameTooBig
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case len(c.pending) >= maxPendingCalls:
		return errBacklog
	}
	if len(c.pending) == 0 {
		c.busy = time.Now()
	}
	c.lastSeq++
	x.seq = c.lastSeq
	if !c.out.put(&x.outgoing, maxQueuedBytes) {
		return errBacklog
	}
	c.pending[x.seq] = x
	return nil
}

// forget gives up a call; false when it is not pending any more.
func (c *clientConn) forget(x *pendingCall) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.pending[x.seq]
	delete(c.pending, x.seq)
	return ok
}

// fail ends the connection and all its calls. Only the first error counts.
func (c *clientConn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	calls := c.pending
	c.pending = map[uint64]*pendingCall{}
	err = c.err
	c.mu.Unlock()
	c.out.close()
	_ = c.conn.Close() // the error that counts is known
	for _, x := range calls {
		x.err = lost(x, err)
		close(x.done)
	}
}

// read finishes calls until the connection ends.
func (c *clientConn) read() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.lookPause())); err != nil {
		return err
	}
	r := bufio.NewReaderSize(c, 64<<10)
	for {
		f, err := readFrameHead(r)
		if err != nil {
			return err
		}
		payload, err := f.readPayload(r)
		if err != nil {
			return err
		}
		if f.seq == 0 {
			continue
		}
		c.mu.Lock()
		x := c.pending[f.seq] // nil when the caller has left
		delete(c.pending, f.seq)
		c.mu.Unlock()
		if x != nil {
			x.status, x.reply = f.code, payload
			close(x.done)
		}
	}
}

// silentLooks is how many looks in a row must find a busy peer silent. They
// are counted, not timed: when this process itself was stopped, what the peer
// has sent meanwhile waits to be read behind the first look.
const silentLooks = 3

func (c *clientConn) lookPause() time.Duration { return c.stall / silentLooks }

// Read implements io.Reader for the reader's buffer. The read deadline is no
// error in itself: it is when to look whether the peer is still alive.
func (c *clientConn) Read(b []byte) (int, error) {
	for {
		n, err := c.conn.Read(b)
		if n > 0 {
			c.silent = 0
			return n, nil // an error will come again
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		now := time.Now()
		if c.silent++; !c.owed(now) {
			c.silent = 0
		}
		if c.silent == silentLooks {
			return 0, errStalled
		}
		if err := c.conn.SetReadDeadline(now.Add(c.lookPause())); err != nil {
			return 0, err
		}
	}
}

// owed reports whether the peer should have given a sign of life since the
// last look: it does while it works.
func (c *clientConn) owed(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending) > 0 && now.Sub(c.busy) >= c.lookPause()
}

// An error reply: code, flags, operation u32, offset u64, leader (u16 length
// and bytes), message to the end.
const (
	faultHasOffset    = 1
	faultHasOperation = 2
	faultHeadLen      = 1 + 1 + 4 + 8 + 2
)

// encodeFault writes err as it will be seen by the caller: a *fault.Error as
// it is, anything else as Internal.
func encodeFault(err error) []byte {
	var f *fault.Error
	if !errors.As(err, &f) {
		f = fault.New(fault.Internal, "%s", err)
	}
	leader := f.Leader
	if len(leader) > math.MaxUint16 {
		leader = ""
	}
	var flags byte
	if f.HasOffset {
		flags |= faultHasOffset
	}
	if f.HasOperation {
		flags |= faultHasOperation
	}
	b := make([]byte, 0, faultHeadLen+len(leader)+len(f.Message))
	b = append(b, byte(f.Code), flags)
	b = binary.BigEndian.AppendUint32(b, uint32(f.Operation))
	b = binary.BigEndian.AppendUint64(b, f.Offset)
	b = binary.BigEndian.AppendUint16(b, uint16(len(leader)))
	return append(append(b, leader...), f.Message...)
}

func decodeFault(b []byte) error {
	if len(b) < faultHeadLen {
		return fault.New(fault.Internal, "a malformed error from a peer")
	}
	f := &fault.Error{
		Code:         fault.Code(b[0]),
		HasOffset:    b[1]&faultHasOffset != 0,
		HasOperation: b[1]&faultHasOperation != 0,
		Operation:    int(binary.BigEndian.Uint32(b[2:])),
		Offset:       binary.BigEndian.Uint64(b[6:]),
	}
	n := int(binary.BigEndian.Uint16(b[14:]))
	rest := b[faultHeadLen:]
	if n > len(rest) {
		return fault.New(fault.Internal, "a malformed error from a peer")
	}
	f.Leader, f.Message = string(rest[:n]), string(rest[n:])
	return f
}
