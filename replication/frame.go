package replication

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// After the preface an rpc connection carries frames: requests one way,
// replies the other way, in any order.
//
//	checksum u32  CRC-32C of all that follows
//	length   u32  of the payload
//	seq      u64  of the request, from 1; 0 in a reply is a sign of life
//	budget   u32  request: ms left for the answer, 0 = no bound
//	code     u8   request: method; reply: how it ended
//	payload

const (
	frameHeadLen  = 4 + 4 + 8 + 4 + 1
	maxFrameBytes = 40 << 20 // of payload

	// payloadStep is how much memory a header alone can claim: a larger
	// payload's buffer grows as the bytes come in.
	payloadStep = 1 << 20
)

var (
	castagnoli     = crc32.MakeTable(crc32.Castagnoli)
	errFrameTooBig = fmt.Errorf("a message of more than %d bytes", maxFrameBytes)
	errFrameSum    = errors.New("a message was damaged on its way")
)

// frame is a message as it was read, its payload still to come or read.
type frame struct {
	sum    uint32 // of the whole, as announced
	head   uint32 // computed over the header
	length int
	seq    uint64
	budget uint32
	code   byte
}

// putFrameHead fills head for a message.
func putFrameHead(head *[frameHeadLen]byte, seq uint64, budget uint32, code byte, payload []byte) {
	binary.BigEndian.PutUint32(head[4:], uint32(len(payload)))
	binary.BigEndian.PutUint64(head[8:], seq)
	binary.BigEndian.PutUint32(head[16:], budget)
	head[20] = code
	sum := crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, payload)
	binary.BigEndian.PutUint32(head[:], sum)
}

// readFrameHead reads a header. An error without any byte read is io.EOF.
func readFrameHead(r *bufio.Reader) (f frame, err error) {
	head, err := r.Peek(frameHeadLen)
	if err != nil {
		if len(head) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return f, err
	}
	f.sum = binary.BigEndian.Uint32(head)
	f.head = crc32.Checksum(head[4:], castagnoli)
	length := binary.BigEndian.Uint32(head[4:])
	f.seq = binary.BigEndian.Uint64(head[8:])
	f.budget = binary.BigEndian.Uint32(head[16:])
	f.code = head[20]
	if length > maxFrameBytes {
		return f, errFrameTooBig
	}
	f.length = int(length)
	_, err = r.Discard(frameHeadLen)
	return f, err
}

// readPayload reads what follows f's header and checks the sum of both.
func (f frame) readPayload(r io.Reader) ([]byte, error) {
	payload := make([]byte, min(f.length, payloadStep))
	for read := 0; ; {
		n, err := io.ReadFull(r, payload[read:])
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if read += n; read == f.length {
			break
		}
		grown := make([]byte, min(f.length, 4*len(payload)))
		copy(grown, payload)
		payload = grown
	}
	if crc32.Update(f.head, castagnoli, payload) != f.sum {
		return nil, errFrameSum
	}
	return payload, nil
}

// outgoing is a frame that waits to be written. Whoever wins the claim, its
// writer or the one who gives it up, decides whether it was sent.
type outgoing struct {
	seq     uint64
	code    byte
	budget  uint32
	payload []byte
	weight  int64 // of the request in the server's window
	claimed atomic.Bool
}

func (f *outgoing) claim() bool { return f.claimed.CompareAndSwap(false, true) }

// outbox holds the frames that wait for a connection's writer.
type outbox struct {
	wake chan struct{} // holds a token when there may be something new

	mu     sync.Mutex // guards what follows
	queue  []*outgoing
	bytes  int // of payload in queue
	closed bool
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put queues f; false when the outbox is closed or already holds limit bytes
// (0 = no limit).
func (o *outbox) put(f *outgoing, limit int) bool {
	o.mu.Lock()
	ok := !o.closed && (limit == 0 || o.bytes == 0 || o.bytes+len(f.payload) <= limit)
	if ok {
		o.queue = append(o.queue, f)
		o.bytes += len(f.payload)
	}
	o.mu.Unlock()
	if ok {
		o.signal()
	}
	return ok
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns all that waits and leaves spare's memory for what comes.
func (o *outbox) take(spare []*outgoing) (batch []*outgoing, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch, o.queue, o.bytes = o.queue, spare[:0], 0
	return batch, o.closed
}

// close makes the writer end after what it is writing.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.signal()
}

// writer is the goroutine that writes an outbox to a connection: all that
// waits at once, so that many small messages share one system call.
type writer struct {
	out  *outbox
	conn net.Conn
	// timeout bounds one write; 0 = none.
	timeout time.Duration
	// written, if set, is told of every frame that has left the outbox.
	written func(*outgoing)
	// beat, if set, asks every interval whether to send a sign of life.
	beat     func() bool
	interval time.Duration
}

// run returns when the outbox is closed or a write has failed.
func (w *writer) run() error {
	var tick <-chan time.Time
	if w.beat != nil {
		t := time.NewTicker(w.interval)
		defer t.Stop()
		tick = t.C
	}
	buf := bufio.NewWriterSize(w, 64<<10)
	var spare []*outgoing
	for {
		batch, closed := w.out.take(spare)
		if closed {
			return net.ErrClosed
		}
		spare = batch // the two slices take turns
		if len(batch) > 0 {
			if err := w.writeAll(buf, batch); err != nil {
				return err
			}
			clear(batch)
			continue
		}
		if err := buf.Flush(); err != nil {
			return err
		}
		select {
		case <-w.out.wake:
		case <-tick:
			if w.beat() {
				w.out.put(&outgoing{}, 0)
			}
		}
	}
}

func (w *writer) writeAll(buf *bufio.Writer, batch []*outgoing) error {
	var head [frameHeadLen]byte
	for _, f := range batch {
		if f.claim() {
			putFrameHead(&head, f.seq, f.budget, f.code, f.payload)
			if _, err := buf.Write(head[:]); err != nil {
				return err
			}
			if _, err := buf.Write(f.payload); err != nil {
				return err
			}
		}
		if w.written != nil {
			w.written(f)
		}
	}
	return nil
}

// Write implements io.Writer for the buffer: one bounded write.
func (w *writer) Write(b []byte) (int, error) {
	if w.timeout > 0 {
		if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
			return 0, err
		}
	}
	return w.conn.Write(b)
}
