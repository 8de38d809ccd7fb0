package state

import (
	"strings"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// Item is one key with its value. It is immutable: a write makes another one,
// so that a reader may keep it for as long as it likes.
type Item struct {
	data   string // the key, then the value: one allocation, of their exact size
	keyLen int

	Revision  uint64
	ExpiresAt uint64 // Unix ms; 0 = never
}

// newItem copies key and value, which belong to an entry or a snapshot block
// that must not live as long as the item does.
func newItem(key, value []byte) *Item {
	var b strings.Builder
	b.Grow(len(key) + len(value))
	b.Write(key)
	b.Write(value)
	return &Item{data: b.String(), keyLen: len(key)}
}

// Key returns the item's key.
func (i *Item) Key() string { return i.data[:i.keyLen] }

// Value returns the item's value, compact JSON.
func (i *Item) Value() string { return i.data[i.keyLen:] }

// Expired reports whether the item is due at the store's time now.
func (i *Item) Expired(now int64) bool {
	return i.ExpiresAt != 0 && i.ExpiresAt <= uint64(max(now, 0))
}

// deadline returns when an item written at now expires: 0 for never, else at
// least 1, so that a ttl of 0 at the dawn of time does not mean for ever, and
// at most the last time that can be written down.
func deadline(now int64, ttl record.Optional) uint64 {
	if !ttl.Set {
		return 0
	}
	at := uint64(max(now, 1))
	return min(at+min(ttl.Value, record.MaxTime), record.MaxTime)
}
