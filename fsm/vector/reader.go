package vector

import (
	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// Reader is a collection at one offset. It may be used by many goroutines and
// for as long as one likes; it keeps the memory of its rows alive.
type Reader struct {
	name   string
	dim    int
	stride int // float32s from one row to the next: dim, rounded up to a multiple of 8
	metric record.Metric

	offset  uint64
	rows    uint32 // rows below it exist
	live    uint64 // of them, at offset
	chunks  []*chunk
	wild    []uint32 // rows whose magnitude float32 arithmetic does not hold: always compared in float64
	maxNorm float64  // of all rows that are not wild, or more
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
	bytes     []byte // rows x quantizer.Stride()
}

// alive reports whether a row below r.rows lives at r.offset.
func (r *Reader) alive(row uint32) bool {
	number, at := chunkOf(row)
	died := r.chunks[number].died[at].Load()
	return died == 0 || died > r.offset
}

// Row returns the first value of a row; r.stride values follow one another.
func (r *Reader) Row(row uint32) *float32 {
	number, at := chunkOf(row)
	return &r.chunks[number].vectors[int(at)*r.stride]
}

// Scale returns what the float32 product with a row is multiplied with.
func (r *Reader) Scale(row uint32) float32 {
	number, at := chunkOf(row)
	return r.chunks[number].scale[at]
}

func (r *Reader) point(row uint32) *point {
	number, at := chunkOf(row)
	return &r.chunks[number].points[at]
}
