package hnsw

import "math"

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
	if g.Len() == 0 || s.Ef < 1 {
		return dst, true
	}
	sc := g.scratch.Get().(*scratch)
	defer g.scratch.Put(sc)
	g.quantizer.Query(&sc.query, s.Vector)
	from := g.enter(sc)
	if s.Admit == nil && s.Budget == 0 && g.every && g.twins == nil {
		g.walk(sc, g.layers[0], from, s.Ef)
		return g.candidates(sc, &sc.pool, dst), true
	}
	done = g.sweep(sc, s, from)
	return g.candidates(sc, &sc.admitted, dst), done
}

// candidates appends the rows of a pool of nodes.
func (g *Graph) candidates(sc *scratch, p *pool, dst []Candidate) []Candidate {
	for _, e := range p.entries {
		dst = append(dst, Candidate{g.rows[positionOf(e)], sc.query.Score(productOf(e))})
	}
	return dst
}

const (
	// A walk under a filter looks after watched nodes, or later when few are
	// admitted, whether less than a part of the share is.
	watched      = 200
	watchedLeast = 8 // admitted ones to expect before judging
	away         = 4 // it is away if there are that many times fewer

	// most is how many times ef the pool of a walk under a filter may be.
	most = 16
)

// sweep walks over all nodes of the lowest layer and keeps those whose rows are
// admitted. It ends when there is nothing to expand any more that is better
// than the worst of s.Ef of them. It reports false when it gave up.
func (g *Graph) sweep(sc *scratch, s *Search, from []uint32) (done bool) {
	l := g.layers[0]
	sc.forget(l.count())
	sc.pool.reset(s.width())
	sc.admitted.reset(s.Ef)
	scored, admitted, judge := 0, 0, s.judge()
	positions, ok := sc.positions[:sc.meet(from, 0)], true
	for ok {
		if s.Budget > 0 {
			positions = positions[:min(len(positions), s.Budget-scored)]
		}
		products := g.score(sc, l, positions)
		scored += len(positions)
		admitted += g.admit(sc, s, positions, products, scored <= judge)
		if scored > judge {
			if float64(admitted) < float64(scored)*s.Share/away {
				return false
			}
			judge = math.MaxInt
		}
		if s.Budget > 0 && scored >= s.Budget {
			return false
		}
		// What is worse than all that is admitted would never be expanded.
		sc.pool.least = max(sc.pool.least, sc.admitted.least)
		sc.pool.offer(positions, products)
		positions, ok = sc.next(l, sc.admitted.least)
	}
	return true
}

// width returns how many candidates a walk may keep to expand. Under a filter
// that has nothing to do with the query, one as wide as ef by the root of the
// share finds as much as a walk as wide as ef without a filter (measured; ef by
// the share would make it as sure of the ef-th row as of the first).
func (s *Search) width() int {
	if s.Admit != nil && s.Share > 0 {
		return int(math.Ceil(float64(s.Ef) * max(1, min(most, 1/math.Sqrt(s.Share)))))
	}
	return most * s.Ef
}

// judge returns how many nodes to score before judging whether the query lies
// away from what is admitted.
func (s *Search) judge() int {
	if s.Admit == nil || s.Share <= 0 {
		return math.MaxInt
	}
	return max(watched, int(watchedLeast/s.Share))
}

// admit adds the scored positions whose rows are admitted, and their twins.
// With all it looks at every one, else at those that would get in. It returns
// how many are admitted of those it looked at.
func (g *Graph) admit(sc *scratch, s *Search, positions []uint32, products []int32, all bool) (admitted int) {
	for i, node := range positions {
		product := products[i]
		for look := all; look || product > sc.admitted.least; look = false {
			if row := g.rows[node]; row != None && (s.Admit == nil || s.Admit(row)) {
				admitted++
				if product > sc.admitted.least {
					sc.admitted.insert(product, node)
				}
			}
			if g.twins == nil || g.twins[node] == None {
				break
			}
			node = g.twins[node]
		}
	}
	return admitted
}
