// Package hnsw finds near vectors by walking over a graph of neighbours.
//
// The graph is a hierarchical navigable small world (Malkov and Yashunin,
// "Efficient and robust approximate nearest neighbor search using Hierarchical
// Navigable Small World graphs", TPAMI 2020, arXiv 1603.09320) over vectors in
// one byte per dimension. What it finds is a short list of candidates, which
// the caller compares exactly. With very few dimensions many rows have the same
// code, and a scan of the rows is the better way.
//
// It differs from the paper in how it is built: nodes are inserted in batches,
// each against the graph as it was before, so that several goroutines build the
// same graph as one, without locks; and rows of equal codes are one node to a
// walk.
package hnsw

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// None is the row of a node that has none any more, and the end of a list.
const None = ^uint32(0)

// Vectors are what a graph is built over, by row number. They are read by
// several goroutines at once.
type Vectors interface {
	// Row returns the first value of a row, which is padded with zeros to a
	// multiple of kernel.FloatLane values.
	Row(row uint32) *float32
	// Scale returns what products with the row are multiplied with: the row as
	// the graph sees it is Row x Scale.
	Scale(row uint32) float32
}

// Graph is immutable. It has the nodes 0..Len()-1, each of which stands for a
// row. It may be used by many goroutines.
type Graph struct {
	params    Params
	quantizer *sq8.Quantizer
	trained   uint32 // how many nodes there were when the quantizer was trained

	codes  []byte   // Len() x quantizer.Stride()
	layers []*layer // from the lowest one, which has all nodes, to the highest
	entry  uint32   // position in the highest layer where every walk starts

	// twins makes a list of all nodes of equal codes: it has the next node for
	// each, or None. Only the first of them is linked; a walk that meets it has
	// met them all. nil if there are none.
	twins []uint32

	rows  []uint32 // row of each node, or None
	first uint32   // lowest row of a node
	nodes []uint32 // node of each row from first on, or None

	outliers []uint32 // rows that codes do not describe, ascending

	every   bool // every node has a row
	scratch *sync.Pool
}

// Len returns the number of nodes.
func (g *Graph) Len() int { return len(g.rows) }

// Dim returns the dimension of the vectors.
func (g *Graph) Dim() int { return g.params.Dim }

// Row returns the row of a node, None if it has none any more.
func (g *Graph) Row(node uint32) uint32 { return g.rows[node] }

// Node returns the node of a row. ok is false if the graph has none: the row
// was not given to Build, or it is an outlier.
func (g *Graph) Node(row uint32) (node uint32, ok bool) {
	if row < g.first || int(row-g.first) >= len(g.nodes) {
		return 0, false
	}
	node = g.nodes[row-g.first]
	return node, node != None
}

// Outliers returns the rows given to Build that the graph does not hold,
// because codes do not describe them, in ascending order. The caller compares
// them exactly, and leaves the slice as it is.
func (g *Graph) Outliers() []uint32 { return g.outliers }

// Quantizer returns what the vectors are encoded with.
func (g *Graph) Quantizer() *sq8.Quantizer { return g.quantizer }

// Bytes returns how much memory the graph holds.
func (g *Graph) Bytes() int64 {
	words := len(g.rows) + len(g.nodes) + len(g.outliers) + len(g.twins)
	for _, l := range g.layers {
		words += len(l.lists) + len(l.nodes) + len(l.below) + len(l.kept)/4
	}
	return int64(unsafe.Sizeof(*g)) + int64(len(g.codes)) + 4*int64(words)
}

// Renumber returns the graph for rows of other numbers: to maps each row. A
// row for which it returns false is no more: its node stays for walking over
// and never matches. The graphs share their memory.
func (g *Graph) Renumber(to func(old uint32) (row uint32, ok bool)) *Graph {
	renumbered := *g
	renumbered.rows = make([]uint32, len(g.rows))
	for node, row := range g.rows {
		renumbered.rows[node] = renumber(row, to)
	}
	renumbered.outliers = nil
	for _, row := range g.outliers {
		if row = renumber(row, to); row != None {
			renumbered.outliers = append(renumbered.outliers, row)
		}
	}
	slices.Sort(renumbered.outliers)
	renumbered.index()
	return &renumbered
}

func renumber(row uint32, to func(uint32) (uint32, bool)) uint32 {
	if row == None {
		return None
	}
	if row, ok := to(row); ok {
		return row
	}
	return None
}

// index makes nodes the inverse of rows.
func (g *Graph) index() {
	first, last := None, uint32(0)
	g.every = true
	for _, row := range g.rows {
		if row != None {
			first, last = min(first, row), max(last, row)
		} else {
			g.every = false
		}
	}
	g.scratch = &sync.Pool{New: func() any { return new(scratch) }}
	g.first, g.nodes = first, nil
	if first == None {
		return
	}
	g.nodes = make([]uint32, last-first+1)
	fill(g.nodes, None)
	for node, row := range g.rows {
		if row != None {
			g.nodes[row-first] = uint32(node)
		}
	}
}

// code returns the code of a node.
func (g *Graph) code(node uint32) []byte {
	stride := g.quantizer.Stride()
	return g.codes[int(node)*stride : (int(node)+1)*stride]
}

// floats returns the first count values from a first one on.
func floats(first *float32, count int) []float32 { return unsafe.Slice(first, count) }

func fill(s []uint32, value uint32) {
	for i := range s {
		s[i] = value
	}
}
