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

// AppendUint appends a varint to dst.
func AppendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendBytes appends a byte string, its length first, to dst.
func AppendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// Reader takes fields off the front of a buffer, for the formats that stand on
// this one too. The first failure sticks: later reads return zero values, so
// that a decoder checks for it once, in Done. The name passed to each read
// says in the error what was being read.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a Reader of b, which it never changes.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Len returns how many bytes are left; none after a failure.
func (r *Reader) Len() int { return len(r.b) }

func (r *Reader) fail(what string) {
	if r.err == nil {
		r.err = corrupt(what)
	}
	r.b = nil
}

// Byte reads one byte.
func (r *Reader) Byte(what string) byte {
	if len(r.b) == 0 {
		r.fail(what)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// Uint reads a varint.
func (r *Reader) Uint(what string) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 { // short, too large, or longer than it need be
		r.fail(what)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Bytes reads a byte string: a slice of the input, not a copy.
func (r *Reader) Bytes(what string) []byte {
	n := r.Uint(what)
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail(what)
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// Count reads a number of items that each take at least one byte, so that a
// forged count cannot make a decoder allocate more than the input's size.
func (r *Reader) Count(what string) int {
	n := r.Uint(what)
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail(what)
		return 0
	}
	return int(n)
}

// Time reads a Unix time in ms.
func (r *Reader) Time(what string) int64 {
	v := r.Uint(what)
	if v > MaxTime {
		r.fail(what)
		return 0
	}
	return int64(v)
}

// flags reads a byte of which only the known bits may be set.
func (r *Reader) flags(known byte, what string) byte {
	f := r.Byte(what)
	if f&^known != 0 {
		r.fail(what)
		return 0
	}
	return f
}

func (r *Reader) optional(flags, bit byte, what string) Optional {
	if flags&bit == 0 {
		return Optional{}
	}
	return Some(r.Uint(what))
}

// Failed reports whether a read failed, for a decoder that loops.
func (r *Reader) Failed() bool { return r.err != nil }

// Done returns the sticky error, or one when bytes are left over.
func (r *Reader) Done(what string) error {
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
