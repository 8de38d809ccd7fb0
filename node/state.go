package node

import (
	"context"
	"unicode/utf8"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
)

// Bounds that hold whatever a node is configured to allow: what is over them
// is refused before the log.
const (
	MaxKeyLen    = 64 << 10 // bytes of a key
	MaxListLimit = 1000     // items of one list
)

// State is the key-value model.
type State struct{ n *Node }

// Get returns the item of key and the offset it was read at. The item is
// immutable. A key that is absent or expired is fault.NotFound.
func (s *State) Get(ctx context.Context, key string, r Read) (*state.Item, uint64, error) {
	if err := s.n.await(ctx, r); err != nil {
		return nil, 0, err
	}
	var (
		item   *state.Item
		found  bool
		offset uint64
	)
	s.n.fsm.View(func(v *fsm.View) {
		item, found = v.State.Get(key, v.Time)
		offset = v.Offset
	})
	if !found {
		return nil, offset, fault.New(fault.NotFound, "key not found").At(offset)
	}
	return item, offset, nil
}

// List returns at most limit items whose key starts with prefix and is
// greater than after, in byte order, and the offset they were read at.
func (s *State) List(ctx context.Context, prefix, after string, limit int, r Read) ([]*state.Item, uint64, error) {
	if err := s.n.await(ctx, r); err != nil {
		return nil, 0, err
	}
	limit = min(limit, MaxListLimit)
	var (
		items  []*state.Item
		offset uint64
	)
	s.n.fsm.View(func(v *fsm.View) {
		items = v.State.List(prefix, after, limit, v.Time)
		offset = v.Offset
	})
	return items, offset, nil
}

// Put writes a key. The result has the new revision and deadline.
func (s *State) Put(ctx context.Context, p record.StatePut) (record.Result, error) {
	if err := checkPut(&p); err != nil {
		return record.Result{}, err
	}
	return s.n.propose(ctx, p.Append(make([]byte, 0, len(p.Key)+len(p.Value)+recordOverhead)))
}

// Delete removes a key; the result says whether it was there.
func (s *State) Delete(ctx context.Context, d record.StateDelete) (record.Result, error) {
	if err := checkKey(d.Key); err != nil {
		return record.Result{}, err
	}
	return s.n.propose(ctx, d.Append(make([]byte, 0, len(d.Key)+recordOverhead)))
}

// Batch writes several keys in one entry; the result has one result per put.
func (s *State) Batch(ctx context.Context, b record.StateBatch) (record.Result, error) {
	if len(b.Puts) == 0 {
		return record.Result{}, fault.New(fault.InvalidArgument, "a batch needs at least one operation")
	}
	if len(b.Puts) > record.MaxBatch {
		return record.Result{}, fault.New(fault.PayloadTooLarge, "batch has %d operations, at most %d are allowed", len(b.Puts), record.MaxBatch)
	}
	size := recordOverhead
	for i := range b.Puts {
		if err := checkPut(&b.Puts[i]); err != nil {
			err.Operation, err.HasOperation = i, true
			return record.Result{}, err
		}
		size += len(b.Puts[i].Key) + len(b.Puts[i].Value) + recordOverhead
	}
	return s.n.propose(ctx, b.Append(make([]byte, 0, size)))
}

// recordOverhead is enough for the bytes of a record that are not key or value.
const recordOverhead = 48

func checkPut(p *record.StatePut) *fault.Error {
	if err := checkKey(p.Key); err != nil {
		return err
	}
	if len(p.Value) == 0 {
		return fault.New(fault.InvalidArgument, "value is empty")
	}
	return nil
}

func checkKey(key []byte) *fault.Error {
	switch {
	case len(key) == 0:
		return fault.New(fault.InvalidArgument, "key is empty")
	case len(key) > MaxKeyLen:
		return fault.New(fault.InvalidArgument, "key has %d bytes, at most %d are allowed", len(key), MaxKeyLen)
	case !utf8.Valid(key):
		return fault.New(fault.InvalidArgument, "key is not valid UTF-8")
	}
	return nil
}
