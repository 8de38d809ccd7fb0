package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/kissvdb/kissvdb/fault"
)

// statuses gives every code its HTTP status. It is the only place that does.
var statuses = [...]int{
	fault.Internal:             http.StatusInternalServerError,
	fault.InvalidArgument:      http.StatusBadRequest,
	fault.DimMismatch:          http.StatusBadRequest,
	fault.SQLite:               http.StatusBadRequest,
	fault.Unauthorized:         http.StatusUnauthorized,
	fault.NotFound:             http.StatusNotFound,
	fault.NotEnabled:           http.StatusNotFound,
	fault.MethodNotAllowed:     http.StatusMethodNotAllowed,
	fault.RequestTimeout:       http.StatusRequestTimeout,
	fault.RevisionMismatch:     http.StatusConflict,
	fault.AlreadyExists:        http.StatusConflict,
	fault.PayloadTooLarge:      http.StatusRequestEntityTooLarge,
	fault.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	fault.Unprocessable:        http.StatusUnprocessableEntity,
	fault.IdempotencyMismatch:  http.StatusUnprocessableEntity,
	fault.IdempotencyExpired:   http.StatusUnprocessableEntity,
	fault.NoLeader:             http.StatusServiceUnavailable,
	fault.StaleRead:            http.StatusServiceUnavailable,
	fault.Overloaded:           http.StatusServiceUnavailable,
	fault.Timeout:              http.StatusGatewayTimeout,
	fault.InsufficientStorage:  http.StatusInsufficientStorage,
}

// statusOf returns the status of a code, 500 for one that has none.
func statusOf(code fault.Code) int {
	if int(code) < len(statuses) && statuses[code] != 0 {
		return statuses[code]
	}
	return http.StatusInternalServerError
}

// hiddenMessage is all a client learns of a fault of ours.
const hiddenMessage = "internal error"

// fail is the one exit for errors: it writes the status and the JSON body
// of err. What is not a fault, or an internal one, is logged in full and
// shown as "internal error". Once an answer has begun nothing can be said
// any more, and the connection is cut instead.
func (rw *response) fail(r *http.Request, err error) {
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Code: fault.Internal, Message: err.Error()}
	}
	if f.Code == fault.Internal {
		if !errors.Is(r.Context().Err(), context.Canceled) {
			rw.server.log.Error("request failed", "request_id", rw.id, "method", r.Method, "path", r.URL.Path, "error", err)
		}
		hidden := *f
		hidden.Message = hiddenMessage
		f = &hidden
	}
	if rw.status != 0 {
		panic(http.ErrAbortHandler)
	}
	header := rw.Header()
	status := statusOf(f.Code)
	switch status {
	case http.StatusServiceUnavailable:
		header["Retry-After"] = []string{"1"}
	case http.StatusUnauthorized:
		header["Www-Authenticate"] = []string{"Bearer"}
	}
	if f.HasOffset {
		rw.setOffset(f.Offset)
	}
	rw.out = appendError(rw.out[:0], f, rw.id)
	rw.sendJSON(status)
}

// appendError appends the body of an error answer.
func appendError(dst []byte, f *fault.Error, requestID string) []byte {
	dst = appendErrorPair(dst, f)
	dst = dst[:len(dst)-1]
	if requestID != "" {
		dst = appendString(append(dst, `,"request_id":`...), requestID)
	}
	if f.Code.Retryable() {
		dst = append(dst, `,"retryable":true`...)
	}
	if f.Leader != "" {
		dst = appendString(append(dst, `,"leader":`...), f.Leader)
	}
	if f.HasOffset {
		dst = strconv.AppendUint(append(dst, `,"offset":`...), f.Offset, 10)
	}
	if f.HasOperation {
		dst = strconv.AppendInt(append(dst, `,"operation":`...), int64(f.Operation), 10)
	}
	return append(dst, '}')
}

// appendErrorPair appends the two members that every error has, as an object.
func appendErrorPair(dst []byte, f *fault.Error) []byte {
	dst = appendString(append(dst, `{"error":`...), f.Code.String())
	dst = appendString(append(dst, `,"message":`...), f.Message)
	return append(dst, '}')
}

// notFound answers what no route matches: 405 when only the method is wrong.
func (s *Server) notFound(rw *response, r *http.Request) error {
	allowed := s.allowedMethods(r)
	if allowed == "" {
		return fault.New(fault.NotFound, "no such route")
	}
	rw.Header()["Allow"] = []string{allowed}
	return fault.New(fault.MethodNotAllowed, "method %s is not allowed here, use %s", r.Method, allowed)
}
