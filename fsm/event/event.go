// Package event is the ordered stream of every change: a log of events on
// disk, the newest of them in memory, and cursors that read it from any
// offset. One goroutine writes (the one that applies entries); any number of
// cursors read. No cursor waits for the writer and the writer waits for no
// cursor: readers work on an immutable view that the writer replaces.
//
// The log holds events with dense offsets, from 1. Nothing is fsynced per
// event: what is lost with the machine is written again by the replicated
// log, so a log that is cut short is a state like any other.
package event

import (
	"errors"
	"sync/atomic"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// ErrClosed is what a cursor returns once its log is closed.
var ErrClosed = errors.New("event: log is closed")

// ErrCorrupt is wrapped by every error about bytes on disk, or in a snapshot,
// that are not what was written.
var ErrCorrupt = errors.New("event: corrupt")

// Event is one change as the log holds it. It is immutable and shared by all
// cursors that read it from memory; its byte slices must not be modified.
type Event struct {
	record.Event

	chain uint64 // hash chain up to and with this event; only of events in the ring
	frame atomic.Pointer[[]byte]
}

// payload returns how many bytes the slices of an event hold.
func payload(e *record.Event) int {
	return len(e.Key) + len(e.Value) + len(e.Collection) + len(e.ID) + len(e.Meta) + len(e.Vector)
}

// SSE returns the event as it goes out on a stream, with its closing blank
// line. It is rendered by the first caller and shared by the others, who must
// not modify it.
func (e *Event) SSE() []byte {
	if f := e.frame.Load(); f != nil {
		return *f
	}
	f := e.appendSSE(nil)
	// Two cursors may render at once; the bytes are equal, one copy is kept.
	e.frame.CompareAndSwap(nil, &f)
	return *e.frame.Load()
}

// endsGroup reports whether a batch may end after e: everywhere but inside a
// transaction.
func (e *Event) endsGroup() bool { return e.Offset >= e.TxLast }

// Batch is what one call of Cursor.Next delivers: either a gap, or events
// with dense offsets that never end inside a transaction.
type Batch struct {
	Gap    *Gap
	Events []*Event
	// Last is the cursor's new position, whether or not a filter lets its
	// event through: the offset to report for a stream that is quiet.
	Last uint64
}

// Gap says that the events From..To are no longer retained here.
type Gap struct {
	From, To uint64
}

// Dropped returns how many events the gap swallowed.
func (g *Gap) Dropped() uint64 { return g.To - g.From + 1 }
