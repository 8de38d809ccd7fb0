package state

import (
	"strings"

	"github.com/tidwall/btree"
)

const (
	// maxRetiredBytes bounds the memory of revisions of keys that are gone. It
	// decides revisions, so it is the same on every node: a constant.
	maxRetiredBytes = 64 << 20
	// retiredOverhead is what one of them costs beside the bytes of its key.
	retiredOverhead = 128
)

// retired remembers the last revision of keys that are gone, so that a key
// which comes back goes on from there and a compare-and-set with a revision
// of its former life fails. The memory is bounded: the key that left first is
// forgotten first, and the floor, which keys that are not remembered start
// above, is raised to its revision.
type retired struct {
	byKey *btree.Map[string, retiree]
	order *btree.Map[uint64, string] // place in the queue -> key, oldest first
	tail  uint64                     // the last place given away
	bytes int                        // accounted, not measured
	floor uint64
}

type retiree struct {
	revision uint64
	place    uint64
}

func newRetired() retired {
	return retired{byKey: &btree.Map[string, retiree]{}, order: &btree.Map[uint64, string]{}}
}

// copy returns a copy, in O(1).
func (r *retired) copy() retired {
	c := *r
	c.byKey, c.order = r.byKey.Copy(), r.order.Copy()
	return c
}

// add remembers a key that is not remembered now, and forgets others to make
// room.
func (r *retired) add(key string, revision uint64) {
	key = strings.Clone(key) // it is part of the item's allocation, which holds the value too
	r.tail++
	r.byKey.Set(key, retiree{revision: revision, place: r.tail})
	r.order.Set(r.tail, key)
	r.bytes += len(key) + retiredOverhead
	for r.bytes > maxRetiredBytes {
		r.forgetOldest()
	}
}

func (r *retired) forgetOldest() {
	_, key, _ := r.order.PopMin()
	old, _ := r.byKey.Delete(key)
	r.bytes -= len(key) + retiredOverhead
	r.floor = max(r.floor, old.revision)
}

// take returns the revision that a new life of key starts above, and stops
// remembering it: the living key has a revision of its own.
func (r *retired) take(key string) uint64 {
	old, ok := r.byKey.Delete(key)
	if !ok {
		return r.floor
	}
	r.order.Delete(old.place)
	r.bytes -= len(key) + retiredOverhead
	return old.revision
}
