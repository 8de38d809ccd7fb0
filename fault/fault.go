// Package fault has the one error type that crosses packages and nodes: a
// Code for programs and a Message for people. The api package turns a Code
// into an HTTP status in one table; nothing else decides statuses.
package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of refusal an error is. The numbers are written in
// results that cross nodes, so they are frozen: add at the end, never reorder.
type Code uint8

// The codes of the wire contract, section 2.
const (
	Internal             Code = iota // a bug or a broken machine; the message is not shown to clients
	InvalidArgument                  // a value that can never be accepted
	DimMismatch                      // a vector of the wrong length
	SQLite                           // the SQL engine refused
	Unauthorized                     // no key, or a wrong one
	NotFound                         // nothing has that name
	NotEnabled                       // the feature is switched off
	MethodNotAllowed                 // the route exists, the method does not
	RequestTimeout                   // the request body did not arrive in time
	RevisionMismatch                 // a compare-and-set lost
	AlreadyExists                    // the name is taken
	PayloadTooLarge                  // one value, or the whole body
	UnsupportedMediaType             // not JSON
	Unprocessable                    // valid JSON of the wrong shape
	IdempotencyMismatch              // the key was used for another request
	IdempotencyExpired               // the key may have been forgotten
	NoLeader                         // nothing was written: no leader could be reached
	StaleRead                        // this node has not applied the asked offset yet
	Overloaded                       // nothing was written: too much is waiting
	Timeout                          // the outcome of a write is unknown
	InsufficientStorage              // nothing was written: the disk is full
	numCodes
)

var names = [numCodes]string{
	Internal:             "internal",
	InvalidArgument:      "invalid_argument",
	DimMismatch:          "dim_mismatch",
	SQLite:               "sqlite_error",
	Unauthorized:         "unauthorized",
	NotFound:             "not_found",
	NotEnabled:           "not_enabled",
	MethodNotAllowed:     "method_not_allowed",
	RequestTimeout:       "request_timeout",
	RevisionMismatch:     "revision_mismatch",
	AlreadyExists:        "already_exists",
	PayloadTooLarge:      "payload_too_large",
	UnsupportedMediaType: "unsupported_media_type",
	Unprocessable:        "unprocessable",
	IdempotencyMismatch:  "idempotency_mismatch",
	IdempotencyExpired:   "idempotency_expired",
	NoLeader:             "no_leader",
	StaleRead:            "stale_read",
	Overloaded:           "overloaded",
	Timeout:              "timeout",
	InsufficientStorage:  "insufficient_storage",
}

// Codes returns every code, in order.
func Codes() []Code {
	all := make([]Code, numCodes)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// String returns the code as clients see it, such as "not_found".
func (c Code) String() string {
	if c < numCodes {
		return names[c]
	}
	return names[Internal]
}

// Retryable tells whether the same request may succeed later. A Timeout is
// retryable only with the same Idempotency-Key: its outcome is unknown.
func (c Code) Retryable() bool {
	switch c {
	case NoLeader, StaleRead, Overloaded, Timeout, InsufficientStorage, RequestTimeout:
		return true
	}
	return false
}

// Error is a refusal with a code. The zero Code is Internal.
type Error struct {
	Code    Code
	Message string

	// Leader is the public URL of the leader, where it helps the client; else empty.
	Leader string
	// Offset is what the answer reflects; it has a meaning when HasOffset is set.
	Offset    uint64
	HasOffset bool
	// Operation is the index from 0 of the failing operation of an atomic
	// batch or a transaction, when HasOperation is set.
	Operation    int
	HasOperation bool
}

// New returns an Error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error: "not_found: key not found".
func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// At returns a copy of e that reflects offset.
func (e *Error) At(offset uint64) *Error {
	c := *e
	c.Offset, c.HasOffset = offset, true
	return &c
}

// CodeOf returns the code of the first Error in err's chain, else Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries the given code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
