package vector

import (
	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// Reader is a collection at one offset. It may be used by many goroutines and
// for as long as one likes; it keeps the memory of its rows alive.
type Reader struct {
	table
	figures // at offset

	of      *collection // for what never changes, and its upkeep
	name    string
	offset  uint64
	bytes   int64  // of the file
	records uint64 // in the file
	index   *index
	filters *filter.Index // over the meta data of the rows
}

// index is the graphs of a collection and what they cover.
type index struct {
	graphs []*hnsw.Graph
	// covered: a live row below it is in exactly one graph, one from it on in none.
	covered uint32
	// quantizer encodes the full chunks from covered on; nil when there are too few rows.
	quantizer *sq8.Quantizer
}

// codes are the rows of a chunk in one byte per dimension.
type codes struct {
	quantizer *sq8.Quantizer
	bytes     []byte   // rows x quantizer.Stride()
	outliers  []uint32 // rows that their codes do not describe
}

// alive reports whether a row below r.rows lives at r.offset.
func (r *Reader) alive(row uint32) bool {
	died := r.diedAt(row)
	return died == 0 || died > r.offset
}
