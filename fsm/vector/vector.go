// Package vector holds collections of vectors: points with an id, a vector of
// float32 and, optionally, JSON meta data, searched by similarity.
//
// A Store has one writer, the goroutine that applies entries, and many
// readers. Points live in rows that are only ever appended; replacing or
// deleting a point marks its row as dead from an offset on. So a Reader, which
// is a collection at one offset, stays as it is for as long as it is used, and
// a search holds no lock.
package vector

import (
	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// Info describes a collection as it is on this node.
type Info struct {
	Name      string
	Dim       int
	Metric    record.Metric
	CreatedMS int64 // store time, Unix ms
	UpdatedMS int64

	Live    uint64 // points
	Records uint64 // records in the file: writes and deletes, since the last vacuum
	Upserts uint64 // points written over the collection's life: add, upsert and update
	Offset  uint64 // of the collection's newest event

	Deleted    uint64 // rows that are dead and not vacuumed yet
	Segments   int    // graphs, plus one for rows that are in none
	Unindexed  uint64 // live points that are in no graph yet
	FileBytes  int64  // size of vectors.bin
	IndexBytes int64  // size of the graphs

	Builds       uint64  // graphs built since the start
	BuildSeconds float64 // time their building took
}

// Point is one point. It is immutable.
type Point struct {
	ID     string
	Vector []float32 // as it was sent
	Meta   string    // compact JSON; empty = null
}

// Query asks for the points nearest to a vector.
type Query struct {
	Vector []float32      // of the collection's dimension
	K      int            // how many hits, at least 1
	Filter *filter.Filter // on the meta data; nil = every point
	Exact  bool           // compare with every point instead of using graphs
	Ef     int            // how many candidates a graph keeps; 0 = chosen from K

	GroupBy    string // dotted path into the meta data; empty = no groups
	GroupLimit int    // most hits that may share a value of GroupBy
}

// Hit is a point that was found.
type Hit struct {
	ID    string
	Score float64 // of 24 significant bits: a float32, where it is in its range
	Meta  string  // compact JSON; empty = null
}
