package record

import "strings"

// EventType is what an event says happened. The numbers are frozen.
type EventType uint8

// The types of events.
const (
	StateUpdated EventType = 1
	StateDeleted EventType = 2
)

var eventNames = map[EventType]string{
	StateUpdated: "state_updated",
	StateDeleted: "state_deleted",
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
// outside a transaction), then per type:
// StateUpdated: key, value, revision, expires at (0 = never);
// StateDeleted: key, reason byte.
type Event struct {
	Offset          uint64
	Time            int64 // the store's time, Unix ms
	Type            EventType
	TxFirst, TxLast uint64

	Key       []byte
	Value     []byte // compact JSON
	Revision  uint64
	ExpiresAt uint64 // Unix ms; 0 = never
	Reason    Reason
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
	}
	return dst
}

// DecodeEvent parses an event. Key and Value are slices of b.
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
	e.Key = r.Bytes("event key")
	switch e.Type {
	case StateUpdated:
		e.Value = r.Bytes("event value")
		e.Revision = r.Uint("event revision")
		e.ExpiresAt = r.Uint("event expiry")
	case StateDeleted:
		e.Reason = Reason(r.Byte("event reason"))
		if e.Reason != Explicit && e.Reason != TTL {
			r.fail("event reason")
		}
	default:
		if r.err == nil {
			return Event{}, corrupt("unknown event type")
		}
	}
	if err := r.Done("event"); err != nil {
		return Event{}, err
	}
	return e, nil
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
