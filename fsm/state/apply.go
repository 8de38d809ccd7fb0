package state

import (
	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// The methods of this file are the writer's. They stage changes, add the
// events to c and answer the result, whose slices and those of the events are
// the record's. A refusal leaves no change and no event.
//
// An expired item that is still there is absent for every record. A write or
// a delete of such a key first deletes it as the expiry would have, with its
// event, so that the stream tells what became of every value.

// Put stages the write of a key.
func (s *Store) Put(c *record.Change, p *record.StatePut) record.Result {
	item := newItem(p.Key, p.Value)
	key := item.Key()
	old := s.latest(key)
	if f := checkRevision(p.IfRevision, old, c.Time); f != nil {
		return record.Result{Kind: record.KindStatePut, Offset: c.Offset, Fault: f}
	}
	switch {
	case old == nil:
		item.Revision = s.retired.take(key) + 1
	case old.Expired(c.Time):
		emitDeleted(c, p.Key, record.TTL)
		item.Revision = old.Revision + 1
	default:
		item.Revision = old.Revision + 1
	}
	item.ExpiresAt = deadline(c.Time, p.TTL)
	s.staged.add(key, item)
	s.expiry.replace(old, item)

	e := c.Emit(record.StateUpdated)
	e.Key, e.Value, e.Revision, e.ExpiresAt = p.Key, p.Value, item.Revision, item.ExpiresAt
	return record.Result{Kind: record.KindStatePut, Offset: c.Offset, Revision: item.Revision, ExpiresAt: item.ExpiresAt}
}

// Delete stages the removal of a key. An absent one is no error and no event.
func (s *Store) Delete(c *record.Change, d *record.StateDelete) record.Result {
	old := s.latest(string(d.Key))
	if f := checkRevision(d.IfRevision, old, c.Time); f != nil {
		return record.Result{Kind: record.KindStateDelete, Offset: c.Offset, Fault: f}
	}
	live := old != nil && !old.Expired(c.Time)
	switch {
	case live:
		s.remove(old)
		emitDeleted(c, d.Key, record.Explicit)
	case old != nil:
		s.remove(old)
		emitDeleted(c, d.Key, record.TTL)
	}
	return record.Result{Kind: record.KindStateDelete, Offset: c.Offset, Deleted: live}
}

// Expire stages the removal of at most x.Max keys that are due, those with
// the earliest deadlines first.
func (s *Store) Expire(c *record.Change, x *record.StateExpire) record.Result {
	due := s.expiry.due(c.Time, x.Max)
	for _, item := range due {
		s.remove(item)
		emitDeleted(c, []byte(item.Key()), record.TTL)
	}
	return record.Result{Kind: record.KindStateExpire, Offset: c.Offset, Count: uint64(len(due))}
}

// Batch stages several puts: each for itself, or, when the batch is atomic,
// all of them or none.
func (s *Store) Batch(c *record.Change, b *record.StateBatch) record.Result {
	var undo func()
	if b.Atomic {
		undo = s.savepoint(c)
	}
	results := make([]record.Result, len(b.Puts))
	for i := range b.Puts {
		results[i] = s.Put(c, &b.Puts[i])
		if f := results[i].Fault; f != nil && b.Atomic {
			undo()
			f.Operation, f.HasOperation = i, true
			return record.Result{Kind: record.KindStateBatch, Offset: c.Offset, Fault: f}
		}
	}
	return record.Result{Kind: record.KindStateBatch, Offset: c.Offset, Batch: results}
}

// Commit makes the staged changes visible. The caller excludes readers.
func (s *Store) Commit() {
	for i := range s.staged.changes {
		c := &s.staged.changes[i]
		if c.item == nil {
			s.items.Delete(c.key)
		} else {
			s.items.Set(c.key, c.item)
		}
	}
	s.staged.reset()
}

// savepoint returns a function that takes back everything staged, and every
// event, from here on.
func (s *Store) savepoint(c *record.Change) (undo func()) {
	changes, events := len(s.staged.changes), len(c.Events)
	expiry, retired := s.expiry.copy(), s.retired.copy()
	return func() {
		s.staged.undo(changes)
		s.expiry, s.retired = expiry, retired
		c.Undo(events)
	}
}

// latest returns the item of key as the entry's earlier records left it,
// expired ones included; nil for none.
func (s *Store) latest(key string) *Item {
	if item, ok := s.staged.get(key); ok {
		return item
	}
	item, _ := s.items.Get(key)
	return item
}

func (s *Store) remove(item *Item) {
	s.staged.add(item.Key(), nil)
	s.expiry.replace(item, nil)
	s.retired.add(item.Key(), item.Revision)
}

func emitDeleted(c *record.Change, key []byte, reason record.Reason) {
	e := c.Emit(record.StateDeleted)
	e.Key, e.Reason = key, reason
}

// checkRevision is the compare of compare-and-set: the wanted revision must
// be the living item's, 0 stands for none.
func checkRevision(want record.Optional, old *Item, now int64) *fault.Error {
	if !want.Set {
		return nil
	}
	if old == nil || old.Expired(now) {
		if want.Value == 0 {
			return nil
		}
		return fault.New(fault.RevisionMismatch, "if_revision is %d, the key does not exist", want.Value)
	}
	if want.Value == old.Revision {
		return nil
	}
	return fault.New(fault.RevisionMismatch, "if_revision is %d, the key is at revision %d", want.Value, old.Revision)
}
