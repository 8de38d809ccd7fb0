package filter

import (
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// facet is what a column knows of the documents.
type facet uint8

const (
	facetObject  facet = iota // which documents are objects
	facetValue                // the value at a path
	facetElement              // the elements of the array at a path
)

// columnKey names a column.
type columnKey struct {
	facet facet
	path  string
}

// column knows one facet of all rows below a number that grows. Queries that
// find it grown far enough share it; growing it locks them out.
type column struct {
	key  columnKey
	used atomic.Uint64 // the index's clock when it was last asked for
	size atomic.Int64  // bytes, when it was last measured

	mu       sync.RWMutex
	rows     uint32            // rows below it are in the column
	present  Bitmap            // rows that are an object, or have a value
	ids      map[string]uint32 // canonical value -> its place in postings
	postings []posting         // one per distinct value
	bytes    int64             // of values, few rows and the map; the rest is measured
	bitmaps  []uint32          // postings with a roaring bitmap
}

// rlock locks the column for reading once it holds the rows below n.
func (c *column) rlock(n uint32, doc func(row uint32) string) {
	c.mu.RLock()
	if c.rows >= n {
		return
	}
	c.mu.RUnlock()
	c.grow(n, doc)
	c.mu.RLock()
}

func (c *column) grow(n uint32, doc func(row uint32) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; c.rows < n; c.rows++ {
		c.absorb(c.rows, doc(c.rows))
	}
}

// absorb adds the next row. To do it again after a panic does no harm.
func (c *column) absorb(row uint32, doc string) {
	switch c.key.facet {
	case facetObject:
		if s := (scanner{text: doc}); s.peek() == '{' {
			c.setPresent(row)
		}
	case facetValue:
		if value := find(doc, c.key.path); value != "" {
			c.setPresent(row)
			c.add(row, value)
		}
	case facetElement:
		for element := range elements(find(doc, c.key.path)) {
			c.add(row, element)
		}
	}
}

func (c *column) setPresent(row uint32) {
	for uint64(len(c.present))*64 <= uint64(row) {
		c.present = append(c.present, 0)
	}
	c.present.set(row)
}

// What a distinct value costs, about: its posting with its share of the map,
// beside its text, and the rows after its first one.
const (
	postingBytes = int64(unsafe.Sizeof(posting{})) + 48
	rowsBytes    = int64(unsafe.Sizeof(rows{}))
)

// add adds a row that has a value.
func (c *column) add(row uint32, value string) {
	form := canonical(value)
	if id, known := c.ids[form]; known {
		bytes, began := c.postings[id].add(row)
		c.bytes += bytes
		if began {
			c.bitmaps = append(c.bitmaps, id)
		}
		return
	}
	if c.ids == nil {
		c.ids = make(map[string]uint32)
	}
	form = strings.Clone(form) // the index keeps no document alive
	c.ids[form] = uint32(len(c.postings))
	c.postings = append(c.postings, posting{value: form, rank: rankOf(form), first: row, last: row})
	c.bytes += postingBytes + int64(len(form))
}

// measure returns about how many bytes the column takes. It never waits: while
// the column grows it is what was measured before.
func (c *column) measure() int64 {
	if c.mu.TryRLock() {
		n := int64(unsafe.Sizeof(*c)) + int64(len(c.key.path)) + int64(cap(c.present))*8 + int64(cap(c.bitmaps))*4 + c.bytes
		for _, id := range c.bitmaps {
			n += int64(c.postings[id].more.many.GetSizeInBytes())
		}
		c.mu.RUnlock()
		c.size.Store(n)
	}
	return c.size.Load()
}
