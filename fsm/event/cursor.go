package event

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

const (
	defaultBatch = 512
	batchBytes   = 256 << 10 // of events, about; what a batch may hold beside a transaction's end
)

// Cursor reads the log forward from a position of its own. It holds no place
// in any queue and no open file between two calls. One goroutine at a time.
type Cursor struct {
	log   *Log
	pos   uint64 // the last offset delivered, or skipped by a gap
	place reader // where files were last read
}

// Cursor returns a cursor behind offset after: the first event it delivers is
// the next one. An offset above Head is held until the log has passed it.
func (l *Log) Cursor(after uint64) *Cursor { return &Cursor{log: l, pos: after} }

// Position returns the offset behind which Next goes on.
func (c *Cursor) Position() uint64 { return c.pos }

// Next returns what follows the position, up to limit events (512 if limit
// is not positive) but never part of a transaction, and waits while there is
// nothing. It fails with ctx's error, ErrClosed, or ErrCorrupt (wrapped) when
// the next event's bytes on disk are damaged; the position is then unchanged.
func (c *Cursor) Next(ctx context.Context, limit int) (Batch, error) {
	if limit <= 0 {
		limit = defaultBatch
	}
	for {
		v := c.log.view.Load()
		if v.closed {
			return Batch{}, ErrClosed
		}
		b, err := c.read(ctx, v, limit)
		if err != nil || b.Last != 0 {
			return b, err
		}
		changed := c.log.changed.wait()
		if c.log.view.Load() != v {
			continue
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-changed:
		}
	}
}

// read returns what v has for the cursor, an empty batch for nothing.
func (c *Cursor) read(ctx context.Context, v *view, limit int) (Batch, error) {
	if c.pos >= v.head {
		return Batch{}, nil
	}
	if oldest := v.oldest(); c.pos+1 < oldest {
		gap := &Gap{From: c.pos + 1, To: oldest - 1}
		c.pos = gap.To
		return Batch{Gap: gap, Last: c.pos}, nil
	}
	if events := readRing(v, c.pos+1, limit); len(events) > 0 {
		c.log.counts.fromRing.Add(uint64(len(events)))
		return c.deliver(events), nil
	}
	if len(v.segs) == 0 {
		// Memory mode: the event was overwritten after v was made, and the
		// view that says so is about to come.
		return Batch{}, nil
	}
	events, err := c.readFiles(ctx, v, limit)
	if err != nil || len(events) == 0 {
		return Batch{}, err
	}
	c.log.counts.fromFiles.Add(uint64(len(events)))
	return c.deliver(events), nil
}

func (c *Cursor) deliver(events []*Event) Batch {
	c.pos = events[len(events)-1].Offset
	return Batch{Events: events, Last: c.pos}
}

// readRing returns the events from..head that the ring holds, nil when it does
// not hold from, up to limit and the end of a transaction.
func readRing(v *view, from uint64, limit int) []*Event {
	e := v.ring.get(from)
	if e == nil {
		return nil
	}
	events := make([]*Event, 0, min(uint64(limit), v.head-from+1))
	bytes := 0
	for offset := from; e != nil; e = v.ring.get(offset) {
		events = append(events, e)
		bytes += payload(&e.Event)
		if offset++; offset > v.head || (len(events) >= limit || bytes >= batchBytes) && e.endsGroup() {
			return events
		}
	}
	// The writer has come round and overwrites: keep whole transactions.
	for len(events) > 0 && !events[len(events)-1].endsGroup() {
		events = events[:len(events)-1]
	}
	return events
}

// readFiles reads behind the position from the segment that holds it. No
// events and no error mean that the files changed meanwhile: look again.
func (c *Cursor) readFiles(ctx context.Context, v *view, limit int) ([]*Event, error) {
	select {
	case c.log.replays <- struct{}{}:
		defer func() { <-c.log.replays }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	from := c.pos + 1
	seg, last := v.find(from)
	if c.place.seg != seg || c.place.next != from {
		c.place.seek(seg, from)
	}
	events, err := c.readSegment(seg, from, last, limit)
	if err == nil {
		return events, nil
	}
	c.place = reader{}
	now := c.log.view.Load()
	if now.closed {
		return nil, ErrClosed
	}
	if now.oldest() > from {
		return nil, nil
	}
	// Whatever happens to a segment, be it compression, a cut or a restored
	// history, puts another one in its place before the file changes.
	if other, _ := now.find(from); other != seg {
		return nil, nil
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		c.log.corrupt(seg.path, err)
	}
	return nil, err
}

func (c *Cursor) readSegment(seg *segment, from, last uint64, limit int) ([]*Event, error) {
	f, err := os.Open(seg.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return c.place.events(f, c.log.dec, from, last, limit, batchBytes)
}
