package event

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kissvdb/kissvdb/fsm/record"
)

const (
	renderOverhead = 192 // about what a frame has beside what the event holds
	renderedFloat  = 13  // about what a number of a vector takes with its comma
)

// frameSize returns about what the event takes as a stream frame.
func (e *Event) frameSize() int {
	// A document's collection and id are in its key, and come again.
	return renderOverhead + 2*len(e.Key) + len(e.Value) +
		len(e.Collection) + len(e.ID) + len(e.Meta) + len(e.Vector)/4*renderedFloat
}

// appendSSE appends the event as a stream frame. The bytes are a function of
// the record alone, so they are the same on every node.
func (e *Event) appendSSE(dst []byte) []byte {
	if dst == nil {
		dst = make([]byte, 0, e.frameSize())
	}
	dst = append(dst, "event: "...)
	dst = append(dst, e.Type.String()...)
	dst = append(dst, "\nid: "...)
	dst = strconv.AppendUint(dst, e.Offset, 10)
	dst = append(dst, "\ndata: "...)
	dst = e.appendJSON(dst)
	return append(dst, "\n\n"...)
}

func (e *Event) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"offset":`...)
	dst = strconv.AppendUint(dst, e.Offset, 10)
	if e.TxFirst != 0 {
		dst = append(dst, `,"tx":[`...)
		dst = strconv.AppendUint(dst, e.TxFirst, 10)
		dst = append(dst, ',')
		dst = strconv.AppendUint(dst, e.TxLast, 10)
		dst = append(dst, ']')
	}
	dst = append(dst, `,"ts_ms":`...)
	dst = strconv.AppendInt(dst, e.Time, 10)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, e.Type.String()...)
	dst = append(dst, `","data":{`...)
	switch e.Type {
	case record.StateUpdated:
		dst = e.appendUpdated(dst)
	case record.StateDeleted:
		dst = e.appendDeleted(dst)
	case record.VectorCollectionCreated:
		dst = e.appendCreated(dst)
	case record.VectorCollectionDeleted:
		dst = appendMember(dst, "collection", e.Collection)
	case record.VectorAdded, record.VectorUpserted, record.VectorUpdated:
		dst = e.appendPoint(dst)
	case record.VectorDeleted:
		dst = appendMember(dst, "collection", e.Collection)
		dst = append(dst, ',')
		dst = appendMember(dst, "id", e.ID)
	}
	return append(dst, "}}"...)
}

// appendUpdated appends the members of data in byte order of their names. The
// value is compact JSON and is copied as it is: it cannot hold a line break.
func (e *Event) appendUpdated(dst []byte) []byte {
	collection, id, document := e.Document()
	if document {
		dst = appendMember(dst, "collection", collection)
		dst = append(dst, ',')
	}
	dst = append(dst, `"expires_at_ms":`...)
	if e.ExpiresAt == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendUint(dst, e.ExpiresAt, 10)
	}
	dst = append(dst, ',')
	if document {
		dst = appendMember(dst, "id", id)
		dst = append(dst, ',')
	}
	dst = appendMember(dst, "key", e.Key)
	dst = append(dst, `,"revision":`...)
	dst = strconv.AppendUint(dst, e.Revision, 10)
	dst = append(dst, `,"value":`...)
	return append(dst, e.Value...)
}

func (e *Event) appendDeleted(dst []byte) []byte {
	if collection, id, document := e.Document(); document {
		dst = appendMember(dst, "collection", collection)
		dst = append(dst, ',')
		dst = appendMember(dst, "id", id)
		dst = append(dst, ',')
	}
	dst = appendMember(dst, "key", e.Key)
	dst = append(dst, ',')
	return appendMember(dst, "reason", e.Reason.String())
}

func (e *Event) appendCreated(dst []byte) []byte {
	dst = appendMember(dst, "collection", e.Collection)
	dst = append(dst, `,"dim":`...)
	dst = strconv.AppendUint(dst, e.Dim, 10)
	dst = append(dst, ',')
	return appendMember(dst, "metric", e.Metric.String())
}

// appendPoint appends a point. Its meta data is compact JSON, as a value is.
func (e *Event) appendPoint(dst []byte) []byte {
	dst = appendMember(dst, "collection", e.Collection)
	dst = append(dst, ',')
	dst = appendMember(dst, "id", e.ID)
	dst = append(dst, `,"meta":`...)
	if len(e.Meta) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, e.Meta...)
	}
	dst = append(dst, `,"vector":[`...)
	for i := 0; i < len(e.Vector); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = record.AppendFloat32(dst, math.Float32frombits(binary.LittleEndian.Uint32(e.Vector[i:])))
	}
	return append(dst, ']')
}

// appendMember appends "name":"value" with the fewest escapes JSON allows.
// Bytes that are not UTF-8 become U+FFFD: keys are checked before the log, so
// that only guards the stream against a broken line.
func appendMember[T ~string | ~[]byte](dst []byte, name string, value T) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	dst, _ = jsontext.AppendQuote(dst, value)
	return dst
}

// SSE returns the gap as it goes out on a stream. Its id is the last lost
// offset, so that a client that resumes from it goes on with what is retained.
func (g *Gap) SSE() []byte {
	dst := append([]byte(nil), "event: gap\nid: "...)
	dst = strconv.AppendUint(dst, g.To, 10)
	dst = append(dst, "\ndata: {\"from_offset\":"...)
	dst = strconv.AppendUint(dst, g.From, 10)
	dst = append(dst, `,"to_offset":`...)
	dst = strconv.AppendUint(dst, g.To, 10)
	dst = append(dst, `,"dropped":`...)
	dst = strconv.AppendUint(dst, g.Dropped(), 10)
	return append(dst, ",\"reason\":\"history_gone\"}\n\n"...)
}
