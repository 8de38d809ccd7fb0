package hnsw

import (
	"math"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

// score computes the products of the walk's query with the nodes at positions,
// batch of them at most. The result is valid until the next one.
func (g *Graph) score(s *scratch, l *layer, positions []uint32) []int32 {
	nodes, products := positions, s.products[:len(positions)]
	if l.nodes != nil {
		nodes = s.nodes[:len(positions)]
		for i, position := range positions {
			nodes[i] = l.nodes[position]
		}
	}
	kernel.DotCodes(s.query.Codes, g.codes, nodes, products)
	return products
}

// descend walks greedily from the entry down to the given layer and returns
// the position in it at which it arrives.
func (g *Graph) descend(s *scratch, to int) uint32 {
	position := g.entry
	for i := len(g.layers) - 1; i > to; i-- {
		l := g.layers[i]
		position = l.below[g.climb(s, l, position)]
	}
	return position
}

// climb goes from a position of a layer to ever better neighbours, until there
// are none.
func (g *Graph) climb(s *scratch, l *layer, position uint32) uint32 {
	best := g.score(s, l, []uint32{position})[0]
	for {
		list := l.links(position)
		better := false
		for i, product := range g.score(s, l, list) {
			if product > best {
				best, position, better = product, list[i], true
			}
		}
		if !better {
			return position
		}
	}
}

// enter returns the nodes from which a search of the lowest layer starts: the
// best few of the layer above. One alone may be on the wrong side of a gap.
func (g *Graph) enter(s *scratch) []uint32 {
	if len(g.layers) == 1 {
		return append(s.doors[:0], g.entry)
	}
	l := g.layers[1]
	g.walk(s, l, []uint32{g.descend(s, 1)}, doors)
	nodes := s.doors[:0]
	for _, e := range s.pool.entries {
		nodes = append(nodes, l.nodes[positionOf(e)])
	}
	return nodes
}

// walk fills the pool with the best ef positions of a layer that it finds from
// some: it expands the best ones whose neighbours it has not seen, until there
// are none among the best ef.
func (g *Graph) walk(s *scratch, l *layer, from []uint32, ef int) {
	s.forget(l.count())
	s.pool.reset(ef)
	positions, ok := s.positions[:s.meet(from, 0)], true
	for ok {
		s.pool.offer(positions, g.score(s, l, positions))
		positions, ok = s.next(l, math.MinInt32)
	}
}
