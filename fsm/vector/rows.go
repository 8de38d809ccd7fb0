package vector

import (
	"math/bits"
	"sync/atomic"
)

// Rows are kept in chunks that never move: the first ones small, so that a
// collection of a few points is cheap, all others of maxChunk rows.
const (
	minChunk = 64   // rows of the first chunk
	maxChunk = 1024 // rows of every chunk from row maxChunk on

	minChunkBits = 6
	maxChunkBits = 10
	smallChunks  = maxChunkBits - minChunkBits // chunks below row maxChunk: 64, 64, 128, 256, 512
)

// chunk is a run of rows. The writer fills rows that no reader knows of yet;
// what a reader may see changes no more, but for died and codes.
type chunk struct {
	first   uint32          // number of its first row
	vectors []float32       // as sent, each padded with zeros to the stride
	scale   []float32       // what a row's float32 product is multiplied with: 1/norm for cosine, 1 for dot, 0 for a zero vector under cosine, NaN for a wild row
	norm    []float64       // Euclidean, from kernel.Dot64; nil for dot
	died    []atomic.Uint64 // offset from which a row is dead; 0 = it lives
	points  []point
	codes   atomic.Pointer[codes] // nil until the chunk is full and encoded, and again once all of it is in graphs
}

type point struct {
	id, meta string
}

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
