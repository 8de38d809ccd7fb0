package state

import (
	"fmt"

	"github.com/tidwall/btree"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// The blocks that a frozen store is written in, each with its kind as first
// byte. Items and retired revisions fill any number of blocks, in this order;
// exactly one end block closes them:
//
//	items:   key, value, revision, expires at; again up to the end of the block
//	retired: key, revision; again, in the order in which they left
//	end:     number of items, number of retired revisions, floor
const (
	blockItems   = 1
	blockRetired = 2
	blockEnd     = 3
)

// blockBytes is where a block is closed. The cuts are part of what the state's
// hash runs over, so it is a constant.
const blockBytes = 256 << 10

// Frozen is the state at one entry, immutable beside the running store.
type Frozen struct {
	items   *btree.Map[string, *Item]
	retired retired
}

// Freeze returns the committed state, in O(1). Of the writer, with readers
// excluded.
func (s *Store) Freeze() *Frozen {
	return &Frozen{items: s.items.Copy(), retired: s.retired.copy()}
}

// Encode hands the state to emit as a sequence of blocks, which are the same
// for equal states. emit must not keep a block.
func (f *Frozen) Encode(emit func(block []byte) error) error {
	w := blockWriter{emit: emit}
	w.begin(blockItems)
	f.items.Scan(func(key string, item *Item) bool {
		w.buf = record.AppendBytes(w.buf, key)
		w.buf = record.AppendBytes(w.buf, item.Value())
		w.buf = record.AppendUint(w.buf, item.Revision)
		w.buf = record.AppendUint(w.buf, item.ExpiresAt)
		return w.next()
	})
	w.begin(blockRetired)
	f.retired.order.Scan(func(_ uint64, key string) bool {
		old, _ := f.retired.byKey.Get(key)
		w.buf = record.AppendBytes(w.buf, key)
		w.buf = record.AppendUint(w.buf, old.revision)
		return w.next()
	})
	w.begin(blockEnd)
	w.buf = record.AppendUint(w.buf, uint64(f.items.Len()))
	w.buf = record.AppendUint(w.buf, uint64(f.retired.byKey.Len()))
	w.buf = record.AppendUint(w.buf, f.retired.floor)
	w.flush()
	return w.err
}

// blockWriter cuts what is appended to buf into blocks. The first error
// sticks.
type blockWriter struct {
	emit func([]byte) error
	buf  []byte
	err  error
}

// begin closes the block and begins one of another kind.
func (w *blockWriter) begin(kind byte) {
	w.flush()
	w.buf = append(w.buf[:0], kind)
}

// next closes the block if it is full; false means that there was an error.
func (w *blockWriter) next() bool {
	if len(w.buf) >= blockBytes {
		w.begin(w.buf[0])
	}
	return w.err == nil
}

func (w *blockWriter) flush() {
	if w.err == nil && len(w.buf) > 1 {
		w.err = w.emit(w.buf)
	}
}

// Builder makes a Store of the blocks that Encode gave.
type Builder struct {
	store   *Store
	lastKey string
	closed  bool
}

// NewBuilder returns a Builder that has seen no block.
func NewBuilder() *Builder { return &Builder{store: New()} }

// Add reads the next block. It keeps nothing of it.
func (b *Builder) Add(block []byte) error {
	if b.closed {
		return b.corrupt("a block after the end")
	}
	r := record.NewReader(block)
	switch r.Byte("state block kind") {
	case blockItems:
		return b.addItems(r)
	case blockRetired:
		return b.addRetired(r)
	case blockEnd:
		return b.end(r)
	}
	return b.corrupt("unknown block kind")
}

// Done reports whether the end block was read.
func (b *Builder) Done() bool { return b.closed }

// Store returns what was built, once the end block was read.
func (b *Builder) Store() (*Store, error) {
	if !b.closed {
		return nil, b.corrupt("no end")
	}
	return b.store, nil
}

func (b *Builder) addItems(r *record.Reader) error {
	s := b.store
	for r.Len() > 0 {
		item := newItem(r.Bytes("item key"), r.Bytes("item value"))
		item.Revision = r.Uint("item revision")
		item.ExpiresAt = uint64(r.Time("item expiry"))
		if r.Failed() {
			break
		}
		if s.Len() > 0 && item.Key() <= b.lastKey {
			return b.corrupt("keys out of order")
		}
		b.lastKey = item.Key()
		s.items.Load(item.Key(), item)
		s.expiry.replace(nil, item)
	}
	return r.Done("state items")
}

func (b *Builder) addRetired(r *record.Reader) error {
	s := b.store
	for r.Len() > 0 {
		key, revision := string(r.Bytes("retired key")), r.Uint("retired revision")
		if r.Failed() {
			break
		}
		if _, twice := s.retired.byKey.Get(key); twice {
			return b.corrupt("a key retired twice")
		}
		if _, live := s.items.Get(key); live {
			return b.corrupt("a living key retired")
		}
		s.retired.add(key, revision)
	}
	return r.Done("state retired revisions")
}

func (b *Builder) end(r *record.Reader) error {
	items, retired := r.Uint("items"), r.Uint("retired revisions")
	floor := r.Uint("revision floor")
	if err := r.Done("state end"); err != nil {
		return err
	}
	s := b.store
	if items != uint64(s.items.Len()) || retired != uint64(s.retired.byKey.Len()) {
		return b.corrupt("wrong number of items")
	}
	s.retired.floor = floor
	b.closed = true
	return nil
}

func (b *Builder) corrupt(what string) error {
	return fmt.Errorf("%w: state: %s", record.ErrCorrupt, what)
}
