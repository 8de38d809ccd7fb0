package state

import (
	"github.com/tidwall/btree"
)

// expiry orders the items that have a deadline by it, and by key where they
// are equal, so that every node deletes due keys in the same order.
type expiry struct {
	byDeadline *btree.BTreeG[*Item]
}

func newExpiry() expiry {
	return expiry{btree.NewBTreeGOptions(expiresBefore, btree.Options{NoLocks: true})}
}

func expiresBefore(a, b *Item) bool {
	if a.ExpiresAt != b.ExpiresAt {
		return a.ExpiresAt < b.ExpiresAt
	}
	return a.Key() < b.Key()
}

// copy returns a copy, in O(1).
func (x expiry) copy() expiry { return expiry{x.byDeadline.Copy()} }

// replace takes old out and puts item in; either may be nil or without a
// deadline.
func (x expiry) replace(old, item *Item) {
	if old != nil && old.ExpiresAt != 0 {
		x.byDeadline.Delete(old)
	}
	if item != nil && item.ExpiresAt != 0 {
		x.byDeadline.Set(item)
	}
}

// next returns the item that falls due first.
func (x expiry) next() (*Item, bool) { return x.byDeadline.Min() }

// due returns at most limit items that are expired at now.
func (x expiry) due(now int64, limit uint64) []*Item {
	var items []*Item
	x.byDeadline.Scan(func(item *Item) bool {
		if !item.Expired(now) || uint64(len(items)) >= limit {
			return false
		}
		items = append(items, item)
		return true
	})
	return items
}
