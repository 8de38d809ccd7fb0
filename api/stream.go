package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/node"
)

const (
	// frameBuffer is how many bytes of events are written at once.
	frameBuffer = 32 << 10
	// extendEvery is how old the deadline of a stream's writes may get before
	// it is moved on; moving it with every write would cost more than the
	// writes of a busy stream should.
	extendEvery = 10 * time.Second
	// headTimeout bounds one question for the leader's head.
	headTimeout = 5 * time.Second
	// headPause is between two such questions. A follower can have applied,
	// and told, an event that the leader is about to apply, so one answer is
	// not enough to call an offset foreign.
	headPause = 250 * time.Millisecond
)

// Values of headers, shared by all responses and never written to.
var (
	streamType  = []string{"text/event-stream"}
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"}
)

// stream is one open event stream: a cursor on the log, and nothing that
// would grow with what its client has not read yet.
type stream struct {
	server *Server
	rw     *response
	ctl    *http.ResponseController
	log    *event.Log
	filter event.Filter
	cursor *event.Cursor

	written  time.Time // when something was last written
	extended time.Time // when the write deadline was last moved on

	progress bool      // hello, caught_up and progress are asked for
	reported time.Time // when progress was last told
	catching bool      // caught_up is still to be told
	target   uint64    // the head to reach for it
}

// stream serves /v1/stream, and /v1/events under its old parameter names.
func (s *Server) stream(rw *response, r *http.Request) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	prefixName := "key_prefix"
	if r.URL.Path == "/v1/events" {
		prefixName = "prefix"
	}
	filter, err := s.parseFilter(q, prefixName)
	if err != nil {
		return err
	}
	start, err := parseStart(r, q)
	if err != nil {
		return err
	}
	progress, err := parseProgress(q)
	if err != nil {
		return err
	}
	level, err := s.readLevel(r, q)
	if err != nil {
		return err
	}
	if err := s.awaitStream(r, level); err != nil {
		return err
	}
	st := &stream{server: s, rw: rw, ctl: http.NewResponseController(rw.ResponseWriter),
		log: s.node.Events(), filter: filter, progress: progress}
	return st.serve(r, start)
}

// awaitStream waits until this node is as fresh as the stream must start.
func (s *Server) awaitStream(r *http.Request, level node.Read) error {
	if s.streams.Err() != nil {
		return fault.New(fault.Overloaded, "this node is shutting down")
	}
	if level == (node.Read{}) {
		return nil
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	if level.Linearizable {
		if _, err := s.node.LeaderHead(ctx); err != nil {
			return err
		}
	}
	log := s.node.Events()
	if level.MinOffset <= log.Head() {
		return nil
	}
	ctx, cancelWait := context.WithTimeout(ctx, level.Wait)
	defer cancelWait()
	if _, err := log.Cursor(level.MinOffset-1).Next(ctx, 1); err != nil {
		head := log.Head()
		return fault.New(fault.StaleRead, "this node has applied offset %d, asked for %d", head, level.MinOffset).At(head)
	}
	return nil
}

// serve sends the header at once, and then events until the client goes or
// the server must.
func (st *stream) serve(r *http.Request, from start) error {
	st.rw.streaming = true
	st.rw.in, st.rw.out = nil, nil // what earlier requests left is not needed for as long as a stream lasts
	st.rw.setReadDeadline(time.Time{})
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(st.server.streams, func() {
		cancel()
		st.setWriteDeadline(time.Now().Add(time.Second)) // one that blocks must end too
	})()
	st.server.metrics.sseClients.Inc()
	defer st.server.metrics.sseClients.Dec()

	header := st.rw.Header()
	header["Content-Type"] = streamType
	header["Cache-Control"] = noCache
	header["X-Accel-Buffering"] = noBuffering
	st.rw.setOffset(st.log.Head())
	st.rw.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	st.written, st.reported = time.Now(), time.Now()
	if err := st.open(ctx, from); err != nil {
		return st.end(err)
	}
	return st.end(st.run(ctx))
}

// end tells a stream that is over from one that broke.
func (st *stream) end(err error) error {
	if errors.Is(err, event.ErrCorrupt) {
		return err
	}
	st.server.log.Debug("stream ended", "request_id", st.rw.id, "cause", err)
	return nil
}

// open flushes the header and places the cursor.
func (st *stream) open(ctx context.Context, from start) error {
	switch {
	case from.now:
		from.after = st.log.Head()
	case from.oldest:
		from.after = st.log.Oldest() - 1
	}
	if err := st.flush(st.appendHello(nil)); err != nil {
		return err
	}
	after, err := st.locate(ctx, from.after)
	if err != nil {
		return err
	}
	st.cursor = st.log.Cursor(after)
	if st.progress {
		st.catching, st.target = true, st.log.Head()
		return st.caughtUp()
	}
	return nil
}

// locate returns the offset to start after. One that this node has not
// reached may be known to the leader; then the cursor waits for it. One that
// the leader does not know either is of another history: what is retained of
// this one follows, after a gap that says so.
func (st *stream) locate(ctx context.Context, after uint64) (uint64, error) {
	for foreign := 0; after > st.log.Head(); {
		head, err := st.leaderHead(ctx)
		if err == nil && head < after {
			foreign++
		}
		if foreign == 2 {
			oldest := st.log.Oldest()
			gap := event.Gap{From: 1, To: oldest - 1}
			st.server.metrics.gaps.Inc()
			return gap.To, st.flush(gap.SSE())
		}
		if err := st.rest(ctx, headPause); err != nil {
			return 0, err
		}
	}
	return after, nil
}

func (st *stream) leaderHead(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	return st.server.node.LeaderHead(ctx)
}

// rest waits, and keeps the stream alive meanwhile.
func (st *stream) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	if st.untilSilent() > 0 {
		return nil
	}
	return st.keepalive()
}

// run sends what the cursor finds, for ever.
func (st *stream) run(ctx context.Context) error {
	for {
		wait, cancel := context.WithTimeout(ctx, st.untilDue())
		err := st.deliver(wait)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if err := st.idle(); err != nil {
			return err
		}
	}
}

// deliver sends batches until ctx ends.
func (st *stream) deliver(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err // a cursor that always has more never asks
		}
		batch, err := st.cursor.Next(ctx, 0)
		if err != nil {
			return err
		}
		if err := st.send(batch); err != nil {
			return err
		}
		if err := st.caughtUp(); err != nil {
			return err
		}
	}
}

// send writes the events of a batch that the filter lets through, and flushes
// once: a batch never ends inside a transaction.
func (st *stream) send(batch event.Batch) error {
	pooled := st.server.frames.Get().(*[]byte)
	defer st.server.frames.Put(pooled)
	buf := (*pooled)[:0]
	if batch.Gap != nil {
		st.server.metrics.gaps.Inc()
		buf = append(buf, batch.Gap.SSE()...)
	}
	sent := len(buf) > 0
	for _, e := range batch.Events {
		if !st.filter.Match(e) {
			continue
		}
		frame := e.SSE()
		if len(buf)+len(frame) > cap(buf) {
			if err := st.write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		sent = true
		if len(frame) > cap(buf) {
			if err := st.write(frame); err != nil {
				return err
			}
			continue
		}
		buf = append(buf, frame...)
	}
	if !sent {
		return nil
	}
	return st.flush(buf)
}

// write writes b under a deadline, so that a client that is gone without a
// word does not keep its stream.
func (st *stream) write(b []byte) error {
	if now := time.Now(); now.Sub(st.extended) > extendEvery {
		st.extended = now
		st.setWriteDeadline(now.Add(extendEvery + st.server.cfg.StreamWriteTimeout))
		if err := st.server.streams.Err(); err != nil {
			return err // or this deadline would replace the one of the drain
		}
	}
	if len(b) == 0 {
		return nil
	}
	_, err := st.rw.Write(b)
	return err
}

// flush writes b and hands everything to the network.
func (st *stream) flush(b []byte) error {
	if err := st.write(b); err != nil {
		return err
	}
	st.written = time.Now()
	return st.ctl.Flush()
}

// setWriteDeadline may be called beside a write.
func (st *stream) setWriteDeadline(t time.Time) {
	if err := st.ctl.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		st.server.log.Debug("write deadline", "error", err)
	}
}

// untilSilent returns how long until the stream has been silent too long.
func (st *stream) untilSilent() time.Duration {
	return st.server.cfg.Keepalive - time.Since(st.written)
}

// untilDue returns how long until there is something to say without events.
func (st *stream) untilDue() time.Duration {
	due := st.untilSilent()
	if st.progress {
		due = min(due, st.server.cfg.Keepalive-time.Since(st.reported))
	}
	return max(due, time.Millisecond)
}

// idle says what is due without events.
func (st *stream) idle() error {
	if st.progress && time.Since(st.reported) >= st.server.cfg.Keepalive {
		st.reported = time.Now()
		return st.flush(appendProgress(nil, st.cursor.Position()))
	}
	if st.untilSilent() > 0 {
		return nil // events came meanwhile
	}
	return st.keepalive()
}

func (st *stream) keepalive() error { return st.flush([]byte(": keepalive\n\n")) }
