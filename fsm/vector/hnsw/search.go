package hnsw

import (
	"cmp"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// Candidate is a row that may be near.
type Candidate struct {
	Row   uint32
	Score float32 // about the product of the query with row x scale
}

// Search is a walk over a graph.
type Search struct {
	Vector []float32 // the query: of any length but zero, padded with zeros
	Ef     int       // how many candidates to find; more make it better and slower

	// Admit says which rows count as found, nil = all.
	Admit func(row uint32) bool
	// Share is which share of the rows Admit is known to admit, 0 = unknown.
	// With it the walk gives up when the query lies away from them.
	Share float64
	// Budget is the most nodes to score before giving up, 0 = no end.
	Budget int
}

// Search appends to dst up to s.Ef candidates, best first. done is false if
// the walk gave up: over budget, or the query lies away from what is admitted.
// Then the caller scans instead; dst has what was found so far.
func (g *Graph) Search(s *Search, dst []Candidate) (found []Candidate, done bool) {
	return g.ScanAll(s.Vector, s.Admit, s.Ef, dst), true
}

// Scan appends to dst the best keep of the given nodes, best first.
func (g *Graph) Scan(vector []float32, nodes []uint32, keep int, dst []Candidate) []Candidate {
	query := &sq8.Query{}
	g.quantizer.Query(query, vector)
	products := make([]int32, len(nodes))
	kernel.DotCodes(query.Codes, g.codes, nodes, products)
	start := len(dst)
	for i, node := range nodes {
		if g.rows[node] != None {
			dst = append(dst, Candidate{g.rows[node], query.Score(products[i])})
		}
	}
	slices.SortFunc(dst[start:], func(a, b Candidate) int { return cmp.Compare(b.Score, a.Score) })
	return dst[:min(len(dst), start+keep)]
}

// ScanAll appends to dst the best keep of all nodes whose rows are admitted,
// best first; admit = nil admits all.
func (g *Graph) ScanAll(vector []float32, admit func(row uint32) bool, keep int, dst []Candidate) []Candidate {
	var nodes []uint32
	for node, row := range g.rows {
		if row != None && (admit == nil || admit(row)) {
			nodes = append(nodes, uint32(node))
		}
	}
	return g.Scan(vector, nodes, keep, dst)
}
