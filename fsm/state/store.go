// Package state is the key-value store: an ordered map of keys to JSON values
// with revisions, compare-and-set and times to live.
//
// A Store has one writer, the goroutine that applies entries, and many
// readers. The writer stages an entry's changes (Put, Delete, Expire, Batch)
// without any lock, because nothing that readers look at changes, and makes
// them visible all at once in Commit, which excludes readers by a lock of the
// caller's. So readers see entries whole, and wait for none of the work.
//
// Everything here is a pure function of the records and the store's time: no
// clock, no configuration, no order of a Go map.
package state

import (
	"strings"

	"github.com/tidwall/btree"
)

// Store is the state after some entry, and the changes staged above it.
type Store struct {
	// items is what readers see; it changes only in Commit. Expired items are
	// in it until they are deleted by an event, and hidden from reads.
	items *btree.Map[string, *Item]

	// The rest is the writer's alone.
	staged  staging
	expiry  expiry  // of items and staged changes
	retired retired // of items and staged changes
}

// New returns an empty Store.
func New() *Store {
	return &Store{
		items:   &btree.Map[string, *Item]{},
		staged:  newStaging(),
		expiry:  newExpiry(),
		retired: newRetired(),
	}
}

// Len returns how many keys there are, expired ones that are not deleted yet
// included.
func (s *Store) Len() int { return s.items.Len() }

// Get returns the item of key, unless it is expired at the store's time now.
func (s *Store) Get(key string, now int64) (*Item, bool) {
	item, ok := s.items.Get(key)
	if !ok || item.Expired(now) {
		return nil, false
	}
	return item, true
}

// List returns at most limit items whose keys start with prefix and come
// after the key after, in byte order, without those expired at now.
func (s *Store) List(prefix, after string, limit int, now int64) []*Item {
	if limit <= 0 {
		return nil
	}
	var found []*Item
	s.items.Ascend(max(prefix, after), func(key string, item *Item) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		// The empty after excludes nothing, not even an empty key.
		if !item.Expired(now) && (key != after || after == "") {
			found = append(found, item)
		}
		return len(found) < limit
	})
	return found
}

// NextExpiry returns the deadline of the item that falls due first, Unix ms.
// Of the writer alone.
func (s *Store) NextExpiry() (deadlineMS int64, ok bool) {
	item, ok := s.expiry.next()
	if !ok {
		return 0, false
	}
	return int64(item.ExpiresAt), true
}
