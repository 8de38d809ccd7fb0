package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/node"
)

// pathParam returns a decoded segment of the path. The router works on the
// escaped path when that holds more than the decoded one, such as %2F.
func pathParam(r *http.Request, name string) (string, error) {
	param := chi.URLParam(r, name)
	if r.URL.RawPath != "" {
		decoded, err := url.PathUnescape(param)
		if err != nil {
			return "", fault.New(fault.InvalidArgument, "%s is not percent-encoded properly", name)
		}
		param = decoded
	}
	if !utf8.ValidString(param) {
		return "", fault.New(fault.InvalidArgument, "%s is not valid UTF-8", name)
	}
	return param, nil
}

// query is the decoded query of a request: each parameter once, valid UTF-8.
type query struct{ values url.Values }

// parseQuery decodes the query. A parameter nobody asks for is ignored, but
// what cannot be decoded, or is said twice, is refused rather than guessed.
func parseQuery(r *http.Request) (query, error) {
	if r.URL.RawQuery == "" {
		return query{}, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, fault.New(fault.InvalidArgument, "the query string is not encoded properly")
	}
	for name, given := range values {
		if !utf8.ValidString(name) || !utf8.ValidString(given[0]) {
			return query{}, fault.New(fault.InvalidArgument, "the query string is not valid UTF-8")
		}
		if len(given) > 1 {
			return query{}, fault.New(fault.InvalidArgument, "parameter %s is given %d times", clip([]byte(name)), len(given))
		}
	}
	return query{values}, nil
}

// get returns a parameter and whether it was given at all.
func (q query) get(name string) (string, bool) {
	given, ok := q.values[name]
	if !ok {
		return "", false
	}
	return given[0], true
}

// list returns a parameter as the values given for it.
func (q query) list(name string) []string { return q.values[name] }

// uint returns a parameter that is a number, or unset when it is not given.
func (q query) uint(name string, unset uint64) (uint64, error) {
	text, ok := q.get(name)
	if !ok {
		return unset, nil
	}
	return parseUint(name, text)
}

func parseUint(name, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.InvalidArgument, "%s must be a whole number from 0 to 2^64-1, not %q", name, clip([]byte(text)))
	}
	return n, nil
}

// defaultWait is how long a read waits for its minimum offset.
const defaultWait = 5 * time.Second

// readLevel returns how fresh an answer must be: Kiss-Min-Offset or
// min_offset (the greater, if both), wait_ms, consistency.
func (s *Server) readLevel(r *http.Request, q query) (node.Read, error) {
	header := r.Header["Kiss-Min-Offset"]
	if header == nil && q.values == nil {
		return node.Read{}, nil
	}
	minOffset, err := q.uint("min_offset", 0)
	if err != nil {
		return node.Read{}, err
	}
	for _, text := range header {
		n, err := parseUint("Kiss-Min-Offset", text)
		if err != nil {
			return node.Read{}, err
		}
		minOffset = max(minOffset, n)
	}
	level := node.Read{MinOffset: minOffset}
	if level.Wait, err = s.wait(q); err != nil {
		return node.Read{}, err
	}
	switch consistency, ok := q.get("consistency"); {
	case !ok, consistency == "local":
	case consistency == "linearizable":
		level.Linearizable = true
	default:
		return node.Read{}, fault.New(fault.InvalidArgument, "consistency must be local or linearizable, not %q", clip([]byte(consistency)))
	}
	return level, nil
}

// readQuery returns the query of a read, and how fresh its answer must be.
func (s *Server) readQuery(r *http.Request) (query, node.Read, error) {
	q, err := parseQuery(r)
	if err != nil {
		return query{}, node.Read{}, err
	}
	level, err := s.readLevel(r, q)
	return q, level, err
}

// readDeadline returns the context of a read, which ends with the request
// timeout if it has to wait for something.
func (s *Server) readDeadline(r *http.Request, level node.Read) (context.Context, context.CancelFunc) {
	if level == (node.Read{}) {
		return r.Context(), func() {}
	}
	return s.deadline(r)
}

// wait returns wait_ms, at most the request timeout. Not to wait at all is
// the shortest wait there is: 0 would stand for the node's own default.
func (s *Server) wait(q query) (time.Duration, error) {
	most := s.cfg.RequestTimeout
	ms, err := q.uint("wait_ms", uint64(defaultWait.Milliseconds()))
	if err != nil {
		return 0, err
	}
	if ms > uint64(most.Milliseconds()) {
		return most, nil
	}
	return max(time.Duration(ms)*time.Millisecond, time.Nanosecond), nil
}

// maxIdempotencyKey is the length of an Idempotency-Key, in bytes.
const maxIdempotencyKey = 255

// checkWrite refuses a write whose headers or parameters say something that
// cannot be. A minimum offset and a consistency are true of every write: it
// is applied after all that was answered before.
func (s *Server) checkWrite(r *http.Request, q query) error {
	if _, err := s.readLevel(r, q); err != nil {
		return err
	}
	keys, given := r.Header["Idempotency-Key"]
	if given && (len(keys) != 1 || len(keys[0]) == 0 || len(keys[0]) > maxIdempotencyKey) {
		return fault.New(fault.InvalidArgument, "Idempotency-Key must be one value of 1 to %d bytes", maxIdempotencyKey)
	}
	return nil
}

// writeQuery returns the query of a write, once its headers are in order.
func (s *Server) writeQuery(r *http.Request) (query, error) {
	q, err := parseQuery(r)
	if err != nil {
		return query{}, err
	}
	return q, s.checkWrite(r, q)
}
