package vector

import (
	"math"

	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// How a search goes depends on how many rows match, and on what each way
// costs. The costs are in nanoseconds. They were measured with 100,000 rows of
// 100 and of 384 dimensions, more than the caches of a core hold; what counts
// is how they compare.

// floatCost returns what comparing rows that follow one another in float32
// costs.
func (s *search) floatCost(rows float64) float64 {
	return rows * (3 + float64(s.reader.stride)/8)
}

// codeCost returns what comparing rows by their codes costs.
func (s *search) codeCost(rows float64) float64 {
	return rows * (8 + float64(s.reader.stride)/18)
}

// walkCost returns what a walk over a graph costs that takes so many steps.
func (s *search) walkCost(steps float64) float64 {
	return (100 + steps) * (420 + float64(s.reader.stride)/8)
}

const (
	// exactRows are so few rows that comparing all in float64 is quickest.
	exactRows = 100
	// coarseDim are so few dimensions that a byte for each does not tell many
	// rows apart.
	coarseDim = 4

	// defaultEf is how wide a walk over a graph is, at least.
	defaultEf = 96
	// spare is how many candidates more than k a walk has to find.
	spare = 6

	// patience is how often as many rows as expected a walk with a filter may
	// compare. One that needs more is among rows that do not match; one wider
	// times as wide is worth a try if comparing all that matches costs worth
	// times as much.
	patience    = 2
	wider       = 4
	worth       = 8
	rowsPerStep = 13 // that a step of a walk compares, about
)

// way is how the rows that match are compared.
type way int

const (
	inFloat64 way = iota
	inFloat32     // and in float64 those that may be among the best
	byCodes       // after walks over graphs, and in float64 those that are likely among the best
)

// way returns how to find the best k.
func (s *search) way(k int) way {
	switch {
	case s.count <= max(exactRows, 2*k):
		return inFloat64
	case s.query.Exact, s.reader.dim <= coarseDim:
		return inFloat32
	case s.matches == nil && s.floatCost(float64(s.count)) <= s.walkCost(float64(s.ef(k))):
		return inFloat32
	}
	return byCodes
}

// ef returns how wide a walk for k hits is.
func (s *search) ef(k int) int {
	if s.query.Ef > 0 {
		return max(k, min(s.query.Ef, int(s.reader.rows)))
	}
	return max(defaultEf, 2*k)
}

// share returns which share of the rows may be found, about.
func (s *search) share() float64 {
	if s.matches == nil {
		return float64(s.reader.live) / float64(s.reader.rows)
	}
	return float64(s.count) / float64(s.reader.rows)
}

// plan returns the walks for k hits over a graph with so many nodes that are
// worth a try, one after another until one finds them. If none does, what
// matches is best compared by its codes.
func (s *search) plan(nodes, k int) []hnsw.Search {
	s.walks = s.walks[:0]
	if s.matches != nil && s.reader.metric == record.Dot {
		// By inner product everybody's neighbours are the long vectors: a graph
		// hardly leads to the short ones, of which the matches may be.
		return nil
	}
	share := s.share()
	walk := hnsw.Search{Vector: s.unit, Ef: s.ef(k), Admit: s.admission()}
	steps := float64(walk.Ef) / math.Sqrt(share)
	scan := s.codeCost(share * float64(nodes))
	if scan < s.walkCost(steps) {
		return nil
	}
	if walk.Admit == nil {
		s.walks = append(s.walks, walk)
		return s.walks
	}
	first, second := walk, walk
	first.Share, first.Budget = share, int(patience*steps*rowsPerStep)
	s.walks = append(s.walks, first)
	steps *= wider
	if scan > worth*s.walkCost(steps) {
		second.Ef, second.Budget = wider*walk.Ef, int(2*patience*steps*rowsPerStep)
		s.walks = append(s.walks, second)
	}
	return s.walks
}

// least returns how many candidates a walk for k hits has to find.
func (s *search) least(k int) int { return min(k+spare, s.ef(k)) }

// anyDead tells whether some rows are dead at the reader's offset.
func (s *search) anyDead() bool { return s.reader.live < uint64(s.reader.rows) }
