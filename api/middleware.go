package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/kissvdb/kissvdb/fault"
)

// response is one answer in the making, and what belongs to its request. It
// is the http.ResponseWriter that handlers get, and is used again for later
// requests: nothing may keep it, or its buffers, once the handler is back.
type response struct {
	http.ResponseWriter
	server *Server
	route  *route // nil until the router has found it
	status int    // 0 until the header is written
	id     string // of the request
	in     []byte // the body of the request
	out    []byte // the body of the answer

	vectors vectors // of the body of the request

	streaming bool // the answer has no end, and so no duration
}

// ServeHTTP is the one middleware. It is a single function because a local
// read costs little more than the layers around it would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rw := s.pool.Get().(*response)
	rw.ResponseWriter, rw.status, rw.route, rw.streaming = w, 0, nil, false
	rw.id = s.ids.next(r.Header["X-Request-Id"])
	defer s.finish(rw, r, start)

	header := w.Header()
	header["X-Request-Id"] = []string{rw.id}
	header["Kiss-Node"] = s.nodeID
	if id := s.cluster.get(s.node.ClusterID); id != nil {
		header["Kiss-Cluster"] = id
	}
	s.cors.apply(header, r)
	if r.Method == http.MethodOptions {
		s.cors.preflight(rw)
		return
	}
	if err := s.admit(rw, r); err != nil {
		rw.fail(r, err)
		return
	}
	s.mux.ServeHTTP(rw, r)
}

// admit decides whether a request gets as far as the router.
func (s *Server) admit(rw *response, r *http.Request) error {
	if err := rw.expectBody(r); err != nil {
		return err
	}
	if err := s.auth.check(r); err != nil {
		return err
	}
	if !cleanPath(r.URL.EscapedPath()) {
		return fault.New(fault.NotFound, "no such route")
	}
	return nil
}

// finish ends every request: it answers for a handler that panicked, counts,
// and gives the response back.
func (s *Server) finish(rw *response, r *http.Request, start time.Time) {
	if cause := recover(); cause != nil {
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		s.log.Error("handler panicked", "request_id", rw.id, "panic", cause, "stack", string(debug.Stack()))
		rw.fail(r, fmt.Errorf("panic: %v", cause))
	}
	s.metrics.observe(rw, time.Since(start))
	rw.ResponseWriter, rw.route, rw.id = nil, nil, ""
	if cap(rw.in) > maxPooled {
		rw.in = nil
	}
	if cap(rw.out) > maxPooled {
		rw.out = nil
	}
	rw.vectors.shrink()
	s.pool.Put(rw)
}

// deadline returns the context of a request that may have to wait, which
// ends with the request timeout.
func (s *Server) deadline(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), s.cfg.RequestTimeout)
}

// WriteHeader implements http.ResponseWriter.
func (rw *response) WriteHeader(status int) {
	if rw.status == 0 {
		rw.status = status
	}
	rw.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (rw *response) Write(b []byte) (int, error) {
	if rw.status == 0 {
		rw.status = http.StatusOK
	}
	return rw.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (rw *response) Unwrap() http.ResponseWriter { return rw.ResponseWriter }

// setOffset says which offset the answer reflects.
func (rw *response) setOffset(offset uint64) {
	rw.Header()["Kiss-Offset"] = []string{strconv.FormatUint(offset, 10)}
}

// Values of Content-Type, shared by all responses and never written to.
var (
	jsonType = []string{"application/json"}
	textType = []string{"text/plain; charset=utf-8"}
	yamlType = []string{"text/yaml; charset=utf-8"}
)

// smallBody is the size up to which net/http finds out the length of a body
// by itself, without a header of ours.
const smallBody = 2048

// sendJSON answers with rw.out.
func (rw *response) sendJSON(status int) { rw.send(status, jsonType, rw.out) }

// send answers with body. That the client is gone by then is not an error.
func (rw *response) send(status int, contentType []string, body []byte) {
	header := rw.Header()
	header["Content-Type"] = contentType
	if len(body) > smallBody {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	rw.WriteHeader(status)
	if _, err := rw.Write(body); err != nil {
		rw.server.log.Debug("write answer", "request_id", rw.id, "error", err)
	}
}

// pieceBytes is how much of a long answer is rendered before it is written, so
// that a thousand large values never stand in memory twice.
const pieceBytes = 64 << 10

// spill writes what rw.out holds of a long answer, once that is a piece of it.
// The answer ends with endJSON.
func (rw *response) spill() error {
	if len(rw.out) < pieceBytes {
		return nil
	}
	rw.Header()["Content-Type"] = jsonType
	_, err := rw.Write(rw.out)
	rw.out = rw.out[:0]
	return err
}

// endJSON answers with what of rw.out was not spilled.
func (rw *response) endJSON() error {
	if rw.status == 0 {
		rw.sendJSON(http.StatusOK)
		return nil
	}
	_, err := rw.Write(rw.out)
	return err
}

// headerCache keeps the value of a header that is not known from the start
// but never changes once it is.
type headerCache struct{ values atomic.Pointer[[]string] }

func (c *headerCache) get(find func() string) []string {
	if values := c.values.Load(); values != nil {
		return *values
	}
	text := find()
	if text == "" {
		return nil
	}
	values := []string{text}
	c.values.Store(&values)
	return values
}

// requestIDs names requests: a random part for this process and a count.
type requestIDs struct {
	prefix string
	count  *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var random [6]byte
	rand.Read(random[:]) // never fails
	return requestIDs{prefix: hex.EncodeToString(random[:]) + "-", count: new(atomic.Uint64)}
}

// next returns the id the client gave, if it is a sane one, else a new one.
func (ids *requestIDs) next(given []string) string {
	if len(given) == 1 && saneID(given[0]) {
		return given[0]
	}
	var buf [32]byte
	return string(strconv.AppendUint(append(buf[:0], ids.prefix...), ids.count.Add(1), 36))
}

// saneID reports whether a client's id may go into logs and headers.
func saneID(id string) bool {
	if len(id) == 0 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}
