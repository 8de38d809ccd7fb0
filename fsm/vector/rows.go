package vector

import (
	"math"
	"math/bits"
	"strings"
	"sync/atomic"

	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
	"github.com/kissvdb/kissvdb/fsm/vector/memory"
)

// Rows are kept in chunks that never move: the first ones small, so that a
// collection of a few points is cheap, all others of maxChunk rows.
const (
	minChunk = 64   // rows of the first chunk
	maxChunk = 1024 // rows of every chunk from row maxChunk on

	// slabChunks are the full chunks whose vectors are allocated together, as
	// far as those of slabBytes: they lie on huge pages then.
	slabChunks = 16
	slabBytes  = 32 << 20

	minChunkBits = 6
	maxChunkBits = 10
	smallChunks  = maxChunkBits - minChunkBits // those after the first, below row maxChunk
)

// A row is wild when its magnitude is outside of these bounds: sums of its
// float32 products may overflow, or vanish. It is compared in float64 only.
const (
	tameAbove = 1e-15
	tameBelow = 1e15
)

// chunk is a run of rows. The writer fills rows that no reader knows of yet;
// what a reader may see changes no more, but for died and codes.
type chunk struct {
	first   uint32          // number of its first row
	vectors []float32       // as sent, each padded with zeros to the stride
	scale   []float32       // what a row's float32 product is multiplied with: 1/norm for cosine, 1 for dot; 0 for a zero vector under cosine, NaN for a wild row
	norm    []float64       // Euclidean, from kernel.DotExact; nil for dot
	died    []atomic.Uint64 // offset from which a row is dead; 0 = it lives
	points  []point
	codes   atomic.Pointer[codes] // nil until the chunk is full and encoded, and again once all of it is in graphs
}

type point struct {
	id, meta string
}

// newPoint copies id and meta, which belong to something that must not live
// as long as the point does.
func newPoint(id, meta []byte) point {
	var b strings.Builder
	b.Grow(len(id) + len(meta))
	b.Write(id)
	b.Write(meta)
	text := b.String()
	return point{id: text[:len(id)], meta: text[len(id):]}
}

func newChunk(number int, vectors []float32, metric record.Metric) *chunk {
	first, rows := chunkRows(number)
	c := &chunk{
		first:   first,
		vectors: vectors,
		scale:   make([]float32, rows),
		died:    make([]atomic.Uint64, rows),
		points:  make([]point, rows),
	}
	if metric == record.Cosine {
		c.norm = make([]float64, rows)
	}
	return c
}

// full reports whether all rows of the chunk are below rows.
func (c *chunk) full(rows uint32) bool { return uint64(c.first)+uint64(len(c.points)) <= uint64(rows) }

// chunkOf returns the chunk that holds a row, and the row's place in it.
func chunkOf(row uint32) (number int, at uint32) {
	if row >= maxChunk {
		return smallChunks + int(row>>maxChunkBits), row & (maxChunk - 1)
	}
	number = bits.Len32(row >> minChunkBits)
	if number == 0 {
		return 0, row
	}
	return number, row - minChunk<<(number-1)
}

// chunkRows returns how many rows a chunk holds, and the first of them.
func chunkRows(number int) (first, rows uint32) {
	switch {
	case number == 0:
		return 0, minChunk
	case number <= smallChunks:
		return minChunk << (number - 1), minChunk << (number - 1)
	}
	return uint32(number-smallChunks) << maxChunkBits, maxChunk
}

// table is the rows of a collection. The writer appends to its own; readers
// get copies of the struct: what is appended to one is not seen by another.
type table struct {
	dim    int
	stride int // float32s from one row to the next: dim, rounded up to a multiple of 8
	metric record.Metric

	rows    uint32   // rows below it exist
	chunks  []*chunk // enough for them
	wild    []uint32 // rows whose magnitude float32 arithmetic does not hold: compared in float64 only
	maxNorm float64  // of all other rows, or more

	slab []float32 // for the vectors of chunks to come; the writer's
}

func newTable(dim int, metric record.Metric) table {
	stride := (dim + kernel.FloatLane - 1) / kernel.FloatLane * kernel.FloatLane
	return table{dim: dim, stride: stride, metric: metric}
}

// add appends a row, and returns its length too, which is a number only if all
// values are. vector is of the right dimension, little endian.
func (t *table) add(p point, vector []byte) (row uint32, norm float64) {
	row = t.rows
	number, at := chunkOf(row)
	if number == len(t.chunks) {
		t.chunks = append(t.chunks, newChunk(number, t.allocate(number), t.metric))
	}
	c := t.chunks[number]
	values := c.vectors[int(at)*t.stride : (int(at)+1)*t.stride]
	record.DecodeVector(values[:0:t.dim], vector)
	c.points[at] = p
	c.died[at].Store(0)
	t.rows++
	return row, t.measure(c, at, values)
}

// allocate returns room for the vectors of a chunk.
func (t *table) allocate(number int) []float32 {
	_, rows := chunkRows(number)
	size := int(rows) * t.stride
	if number < slabChunks { // a small collection
		return make([]float32, size)
	}
	if len(t.slab) < size {
		t.slab = memory.Make[float32](max(1, min(slabChunks, slabBytes/4/size)) * size)
	}
	vectors := t.slab[:size:size]
	t.slab = t.slab[size:]
	return vectors
}

// measure sets a row's norm and scale, and returns the norm.
func (t *table) measure(c *chunk, at uint32, values []float32) float64 {
	norm := norm(values)
	if c.norm != nil {
		c.norm[at] = norm
	}
	switch {
	case norm == 0:
		c.scale[at] = 0
		return norm
	case norm < tameAbove || norm > tameBelow:
		c.scale[at] = float32(math.NaN())
		t.wild = append(t.wild, c.first+at)
		return norm
	case t.metric == record.Cosine:
		c.scale[at] = float32(1 / norm)
	default:
		c.scale[at] = 1
	}
	t.maxNorm = max(t.maxNorm, norm)
	return norm
}

// norm returns the length of a padded vector: the same bits everywhere.
func norm(values []float32) float64 {
	row := [1]*float32{&values[0]}
	var square [1]float64
	kernel.DotExact(values, row[:], square[:])
	return math.Sqrt(square[0])
}

// kill marks a row as dead from offset on.
func (t *table) kill(row uint32, offset uint64) {
	number, at := chunkOf(row)
	t.chunks[number].died[at].Store(offset)
}

// Row returns the first value of a row; stride values follow one another.
func (t *table) Row(row uint32) *float32 {
	number, at := chunkOf(row)
	return &t.chunks[number].vectors[int(at)*t.stride]
}

// Scale returns what the float32 product with a row is multiplied with.
func (t *table) Scale(row uint32) float32 {
	number, at := chunkOf(row)
	return t.chunks[number].scale[at]
}

// values returns a row as it was sent.
func (t *table) values(row uint32) []float32 {
	number, at := chunkOf(row)
	start := int(at) * t.stride
	return t.chunks[number].vectors[start : start+t.dim : start+t.dim]
}

func (t *table) point(row uint32) *point {
	number, at := chunkOf(row)
	return &t.chunks[number].points[at]
}

// diedAt returns the offset from which a row is dead, 0 when it lives.
func (t *table) diedAt(row uint32) uint64 {
	number, at := chunkOf(row)
	return t.chunks[number].died[at].Load()
}
