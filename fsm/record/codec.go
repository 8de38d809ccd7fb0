// Package record is the versioned wire format of everything that is written
// down: entries (what one Raft log entry holds), the records in them (one
// write each, as the client meant it), results (what applying a record
// answered) and events (what it changed). Golden files in testdata freeze
// every version; a layout never changes once released, a new one gets a new
// version byte or kind.
//
// All integers are unsigned varints (LEB128, as encoding/binary) unless said
// otherwise; byte strings are a varint length and the bytes. Every value has
// exactly one encoding: a longer varint, an unknown flag or trailing bytes do
// not decode, so that equal bytes and equal meaning are the same thing.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt is wrapped by every decoding error of this package.
var ErrCorrupt = errors.New("record: corrupt")

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

func appendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// reader takes fields off the front of a buffer. The first failure sticks:
// later reads return zero values, so a decoder checks err once, in done.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = corrupt(what)
	}
	r.b = nil
}

func (r *reader) byte(what string) byte {
	if len(r.b) == 0 {
		r.fail(what)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint(what string) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 { // short, too large, or longer than it need be
		r.fail(what)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes returns a slice of the input, not a copy.
func (r *reader) bytes(what string) []byte {
	n := r.uint(what)
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail(what)
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// count reads a number of items that each take at least one byte, so that a
// forged count cannot make a decoder allocate more than the input's size.
func (r *reader) count(what string) int {
	n := r.uint(what)
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail(what)
		return 0
	}
	return int(n)
}

// time reads a Unix time in ms.
func (r *reader) time(what string) int64 {
	v := r.uint(what)
	if v > MaxTime {
		r.fail(what)
		return 0
	}
	return int64(v)
}

// flags reads a byte of which only the known bits may be set.
func (r *reader) flags(known byte, what string) byte {
	f := r.byte(what)
	if f&^known != 0 {
		r.fail(what)
		return 0
	}
	return f
}

func (r *reader) optional(flags, bit byte, what string) Optional {
	if flags&bit == 0 {
		return Optional{}
	}
	return Some(r.uint(what))
}

// done returns the sticky error, or one when bytes are left over.
func (r *reader) done(what string) error {
	if r.err == nil && len(r.b) != 0 {
		return corrupt(what + ": trailing bytes")
	}
	return r.err
}

// MaxTime is the last Unix ms that can be written down, in the year 287396:
// the largest whole number that a client's JSON parser reads exactly.
const MaxTime = 1<<53 - 1

// Optional is an unsigned number that may be absent.
type Optional struct {
	Set   bool
	Value uint64
}

// Some returns a present Optional.
func Some(v uint64) Optional { return Optional{Set: true, Value: v} }
