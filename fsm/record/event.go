package record

import "strings"

// EventType is what an event says happened. The numbers are frozen.
type EventType uint8

// The types of events.
const (
	StateUpdated            EventType = 1
	StateDeleted            EventType = 2
	VectorCollectionCreated EventType = 3
	VectorCollectionDeleted EventType = 4
	VectorAdded             EventType = 5
	VectorUpserted          EventType = 6
	VectorUpdated           EventType = 7
	VectorDeleted           EventType = 8
)

var eventNames = map[EventType]string{
	StateUpdated:            "state_updated",
	StateDeleted:            "state_deleted",
	VectorCollectionCreated: "vector_collection_created",
	VectorCollectionDeleted: "vector_collection_deleted",
	VectorAdded:             "vector_added",
	VectorUpserted:          "vector_upserted",
	VectorUpdated:           "vector_updated",
	VectorDeleted:           "vector_deleted",
}

// String returns the type as clients see it, such as "state_updated".
func (t EventType) String() string { return eventNames[t] }

// ParseEventType returns the type that clients call name.
func ParseEventType(name string) (EventType, bool) {
	for t, n := range eventNames {
		if n == name {
			return t, true
		}
	}
	return 0, false
}

// Reason says why a key went away. The numbers are frozen.
type Reason uint8

// The reasons of a StateDeleted event.
const (
	Explicit Reason = 1 // a client deleted it
	TTL      Reason = 2 // it expired
)

// String returns the reason as clients see it.
func (r Reason) String() string {
	if r == TTL {
		return "ttl"
	}
	return "explicit"
}

// Event is one change. Its binary form is what the segments hold and the
// hash chain runs over; its JSON form is a pure function of it.
//
// Layout: version byte, type, offset, time (ms), tx first, tx last (both 0
// outside a transaction), key, then per type:
// StateUpdated: value, revision, expires at (0 = never);
// StateDeleted: reason byte;
// VectorCollectionCreated: collection, dim, metric byte;
// VectorCollectionDeleted: collection;
// VectorAdded, VectorUpserted, VectorUpdated: collection, id, meta, vector;
// VectorDeleted: collection, id.
// Only the events of the state have a key; it is empty in the others.
type Event struct {
	Offset          uint64
	Time            int64 // the store's time, Unix ms
	Type            EventType
	TxFirst, TxLast uint64

	// Of the state.
	Key       []byte
	Value     []byte // compact JSON
	Revision  uint64
	ExpiresAt uint64 // Unix ms; 0 = never
	Reason    Reason

	// Of vectors.
	Collection []byte
	ID         []byte
	Meta       []byte // compact JSON; empty = null
	Vector     []byte // float32, little endian
	Dim        uint64
	Metric     Metric
}

const eventVersion = 1

// Append appends the encoded event to dst.
func (e *Event) Append(dst []byte) []byte {
	dst = append(dst, eventVersion, byte(e.Type))
	dst = AppendUint(dst, e.Offset)
	dst = AppendUint(dst, uint64(e.Time))
	dst = AppendUint(dst, e.TxFirst)
	dst = AppendUint(dst, e.TxLast)
	dst = AppendBytes(dst, e.Key)
	switch e.Type {
	case StateUpdated:
		dst = AppendBytes(dst, e.Value)
		dst = AppendUint(dst, e.Revision)
		dst = AppendUint(dst, e.ExpiresAt)
	case StateDeleted:
		dst = append(dst, byte(e.Reason))
	case VectorCollectionCreated:
		dst = AppendBytes(dst, e.Collection)
		dst = AppendUint(dst, e.Dim)
		dst = append(dst, byte(e.Metric))
	case VectorCollectionDeleted:
		dst = AppendBytes(dst, e.Collection)
	case VectorAdded, VectorUpserted, VectorUpdated:
		dst = AppendBytes(dst, e.Collection)
		dst = AppendBytes(dst, e.ID)
		dst = appendMeta(dst, e.Meta)
		dst = AppendBytes(dst, e.Vector)
	case VectorDeleted:
		dst = AppendBytes(dst, e.Collection)
		dst = AppendBytes(dst, e.ID)
	}
	return dst
}

// DecodeEvent parses an event. Its byte slices are slices of b.
func DecodeEvent(b []byte) (Event, error) {
	r := Reader{b: b}
	if v := r.Byte("event version"); r.err == nil && v != eventVersion {
		return Event{}, corrupt("unknown event version")
	}
	e := Event{Type: EventType(r.Byte("event type"))}
	e.Offset = r.Uint("event offset")
	e.Time = r.Time("event time")
	e.TxFirst = r.Uint("event tx")
	e.TxLast = r.Uint("event tx")
	key := r.Bytes("event key")
	switch e.Type {
	case StateUpdated, StateDeleted:
		e.Key = key
		e.decodeState(&r)
	case VectorCollectionCreated, VectorCollectionDeleted, VectorAdded, VectorUpserted, VectorUpdated, VectorDeleted:
		if len(key) > 0 {
			r.fail("event key")
		}
		e.decodeVector(&r)
	default:
		r.fail("unknown event type")
	}
	if err := r.Done("event"); err != nil {
		return Event{}, err
	}
	return e, nil
}

// decodeState reads what follows the key of a change of the state.
func (e *Event) decodeState(r *Reader) {
	if e.Type == StateUpdated {
		e.Value = r.Bytes("event value")
		e.Revision = r.Uint("event revision")
		e.ExpiresAt = r.Uint("event expiry")
		return
	}
	e.Reason = Reason(r.Byte("event reason"))
	if e.Reason != Explicit && e.Reason != TTL {
		r.fail("event reason")
	}
}

// decodeVector reads what follows the key of a change of vectors.
func (e *Event) decodeVector(r *Reader) {
	e.Collection = r.collection("event collection")
	switch e.Type {
	case VectorCollectionCreated:
		e.Dim = r.dim("event dim")
		e.Metric = r.metric("event metric")
	case VectorAdded, VectorUpserted, VectorUpdated:
		e.ID = r.Bytes("event id")
		e.Meta = r.meta("event meta")
		e.Vector = r.vector("event vector")
	case VectorDeleted:
		e.ID = r.Bytes("event id")
	}
}

// Document returns the collection and id when the event's key is that of a
// document, doc:{collection}:{id}. A collection name holds no colon, so the
// first one ends it; the id may hold any.
func (e *Event) Document() (collection, id string, ok bool) {
	rest, isDoc := strings.CutPrefix(string(e.Key), "doc:")
	if !isDoc {
		return "", "", false
	}
	collection, id, ok = strings.Cut(rest, ":")
	if !ok || id == "" || !CollectionName(collection) {
		return "", "", false
	}
	return collection, id, true
}

// CollectionName reports whether s may name a collection: [A-Za-z0-9_.-]+
// without a leading dot. Such a name is safe as a folder's.
func CollectionName[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}
