package filter

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Index answers filters over rows whose documents never change. Any number of
// goroutines may use it. It takes no memory until it is asked.
//
// It has a column per path that filters have named: the distinct values there,
// each with the rows that have it. The first filter that names a path pays one
// pass over the documents, a later one only for the rows that are new.
// Equality looks a value up; every other operator is evaluated as in Match, on
// each distinct value. So an index cannot answer otherwise than Match.
type Index struct {
	clock   atomic.Uint64
	mu      sync.RWMutex // of columns; not held while a column is used
	columns map[columnKey]*column
	queries sync.Pool // of *query
}

// maxColumns bounds the columns an index keeps; the one that was not asked for
// the longest makes room. It is more than the columns of one filter.
const maxColumns = 2*maxPaths + 1

// NewIndex returns an index that has seen no rows.
func NewIndex() *Index { return &Index{} }

// Rows returns the rows below n whose documents match f, in dst's memory if it
// fits. A row's document, once the row was below an n, must never change.
//
// doc returns a row's document: valid JSON, or empty for null. It is called
// for the rows that a column has not seen, in ascending order, and must not
// use the index.
func (x *Index) Rows(dst Bitmap, f *Filter, n uint32, doc func(row uint32) string) Bitmap {
	dst = dst.sized(n)
	if f == nil {
		dst.fill(n)
		return dst
	}
	q, ok := x.queries.Get().(*query)
	if !ok {
		q = &query{index: x}
	}
	q.rows, q.doc = n, doc
	q.add(dst, &f.root)
	q.doc = nil
	x.queries.Put(q)
	return dst
}

// Bytes returns about how much memory the index takes. It never waits for
// queries: a column that grows meanwhile counts as when it was last measured.
func (x *Index) Bytes() int64 {
	x.mu.RLock()
	columns := slices.Collect(maps.Values(x.columns))
	x.mu.RUnlock()
	n := int64(0)
	for _, c := range columns {
		n += c.measure()
	}
	return n
}

// column returns the column of a key, which may have to grow still.
func (x *Index) column(key columnKey) *column {
	now := x.clock.Add(1)
	x.mu.RLock()
	c := x.columns[key]
	x.mu.RUnlock()
	if c == nil {
		c = x.newColumn(key)
	}
	c.used.Store(now)
	return c
}

func (x *Index) newColumn(key columnKey) *column {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c := x.columns[key]; c != nil {
		return c
	}
	if x.columns == nil {
		x.columns = make(map[columnKey]*column)
	}
	if len(x.columns) >= maxColumns {
		x.evict()
	}
	c := &column{key: key}
	c.used.Store(x.clock.Load())
	x.columns[key] = c
	return c
}

// evict drops the column that was not asked for the longest. Who uses it goes
// on with it.
func (x *Index) evict() {
	var oldest *column
	for _, c := range x.columns {
		if oldest == nil || c.used.Load() < oldest.used.Load() {
			oldest = c
		}
	}
	delete(x.columns, oldest.key)
}
