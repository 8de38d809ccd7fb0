package record

// Change gathers the events of one entry while the stores apply its records,
// and hands out their offsets. One goroutine uses it, the one that applies.
type Change struct {
	Time   int64  // the store's time at this entry, Unix ms
	Offset uint64 // of the newest event, those of earlier entries included
	Events []Event
}

// maxEventsKept is how many events keep their memory for the next entry, so
// that one huge batch does not hold its own for ever.
const maxEventsKept = 4096

// Reset begins the next entry, after the events up to offset.
func (c *Change) Reset(timeMS int64, offset uint64) {
	if cap(c.Events) > maxEventsKept {
		c.Events = nil
	}
	clear(c.Events) // they hold slices of the last entry
	*c = Change{Time: timeMS, Offset: offset, Events: c.Events[:0]}
}

// Emit adds an event with the next offset and returns it to be filled in. The
// pointer is good until the next Emit.
func (c *Change) Emit(t EventType) *Event {
	c.Offset++
	c.Events = append(c.Events, Event{Type: t, Offset: c.Offset, Time: c.Time})
	return &c.Events[len(c.Events)-1]
}

// Undo takes back every event after the first n.
func (c *Change) Undo(n int) {
	c.Offset -= uint64(len(c.Events) - n)
	clear(c.Events[n:])
	c.Events = c.Events[:n]
}
