package vector

import (
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// How a search goes depends on how many rows match. The figures were measured
// with 100,000 rows of 384 and of 100 dimensions, whose codes no core's own
// cache holds.
const (
	// exactRows are so few rows that comparing all in float64 is quickest.
	exactRows = 100
	// floatRows are so few rows, one after another, that comparing all in
	// float32, and so exactly, is as quick as anything else.
	floatRows = 1000

	// defaultEf is how wide a walk over a graph is, at least.
	defaultEf = 64
	// spare is how many candidates more than k a walk has to find.
	spare = 6

	// A walk of some width compares comparedFirst rows, and comparedEach more
	// for each candidate that it keeps, be it one that matches or not. That
	// costs as much as comparing the codes of costFirst rows, and of costEach
	// more for each candidate, one after another.
	comparedFirst, comparedEach = 400, 8
	costFirst, costEach         = 1000, 31

	// patience is how often as many rows as expected a walk may compare. One
	// that needs more than that is among rows that do not match, and what it
	// finds is not reliable; a walk wider times as wide is. It must not compare
	// more than a share of what matches: comparing all were quicker.
	patience = 2
	wider    = 4
	worth    = 1. / 8
)

// fewRows returns how many rows are so few that all are compared in float64.
func fewRows(k int) int { return max(exactRows, 2*k) }

// ef returns how wide a walk for k hits is.
func (s *search) ef(k int) int {
	if s.query.Ef > 0 {
		return max(s.query.Ef, k)
	}
	return max(defaultEf, k+k/2)
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
	if s.matches != nil && s.reader.metric == record.Dot {
		// By inner product everybody's neighbours are the long vectors: a graph
		// hardly leads to the short ones, of which the matches may be.
		return nil
	}
	share := s.share()
	matching := share * float64(nodes)
	walk := hnsw.Search{Vector: s.unit, Ef: s.ef(k), Admit: s.admission()}
	least := min(k+spare, walk.Ef)
	width := max(float64(walk.Ef), float64(least)/share)
	if matching < costFirst+costEach*width {
		return nil
	}
	s.walks = append(s.walks[:0], walk)
	if share == 1 {
		return s.walks
	}
	compared := comparedFirst + comparedEach*width
	s.walks[0].Share, s.walks[0].Budget = share, int(patience*compared)
	if matching*worth > wider*compared {
		walk.Ef, walk.Budget = wider*walk.Ef, int(matching*worth)
		s.walks = append(s.walks, walk)
	}
	return s.walks
}

// anyDead tells whether some rows are dead at the reader's offset.
func (s *search) anyDead() bool { return s.reader.live < uint64(s.reader.rows) }
