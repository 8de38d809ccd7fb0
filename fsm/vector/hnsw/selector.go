package hnsw

import (
	"cmp"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

// selector chooses the links of one node after another among candidates: a
// candidate becomes a link unless it is nearer to a better link than to the
// node itself, so that links lead to all sides (Malkov and Yashunin, algorithm
// 4, with pruned connections kept). Products are those of the rows, not of codes.
type selector struct {
	b          *builder
	layer      *layer
	node       uint32
	candidates []choice
	chosen     []choice

	rows     []*float32
	products []float32
	tested   []int
}

// choice is a candidate.
type choice struct {
	position uint32
	node     uint32
	product  float32 // with the node whose links are chosen, both scaled
	kept     bool    // was chosen before: is known to be apart from others that were
	out      bool    // is nearer to a better one
}

// blockSize is how many candidates of a walk are looked at before the next ones
// are: often there are enough links among the first.
const blockSize = 64

// start begins to choose the links of a node of a layer.
func (s *selector) start(l *layer, node uint32) {
	s.layer, s.node = l, node
	s.candidates, s.chosen = s.candidates[:0], s.chosen[:0]
}

// add adds a candidate.
func (s *selector) add(position uint32, kept bool) {
	s.candidates = append(s.candidates, choice{position: position, node: s.layer.node(position), kept: kept})
}

// choose returns at most limit of the candidates, best first. If there are fewer
// than least, the best of those ruled out follow: rows of very unequal lengths
// rule nearly everything out. The first kept were chosen. Candidates are taken
// in blocks of some size; those of a block must be better than later ones. The
// result is valid until the next start.
func (s *selector) choose(limit, least, block int) (links []choice, kept int) {
	s.sift(limit, block)
	kept = len(s.chosen)
	for _, c := range s.candidates {
		if len(s.chosen) >= least {
			break
		}
		if c.out {
			s.chosen = append(s.chosen, c)
		}
	}
	return s.chosen, kept
}

// sift chooses at most limit of the candidates.
func (s *selector) sift(limit, block int) {
	for block := range slices.Chunk(s.candidates, max(1, block)) {
		s.measure(block)
		for i := range s.chosen {
			s.test(&s.chosen[i], block)
		}
		for i := range block {
			if block[i].out {
				continue
			}
			s.chosen = append(s.chosen, block[i])
			if len(s.chosen) == limit {
				return
			}
			s.test(&block[i], block[i+1:])
		}
	}
}

// measure computes the products of a block with the node and sorts it.
func (s *selector) measure(block []choice) {
	s.rows = s.rows[:0]
	for i := range block {
		s.rows = append(s.rows, s.b.vectors[block[i].node])
	}
	products := s.multiply(s.node)
	for i := range block {
		block[i].product = products[i] * s.b.scales[s.node] * s.b.scales[block[i].node]
	}
	slices.SortFunc(block, func(x, y choice) int {
		if order := cmp.Compare(y.product, x.product); order != 0 {
			return order
		}
		return cmp.Compare(x.position, y.position)
	})
}

// test rules out those of a block that are nearer to a chosen one than to the
// node.
func (s *selector) test(chosen *choice, block []choice) {
	s.rows, s.tested = s.rows[:0], s.tested[:0]
	for i := range block {
		c := &block[i]
		if c.out || c.kept && chosen.kept {
			continue
		}
		s.rows, s.tested = append(s.rows, s.b.vectors[c.node]), append(s.tested, i)
	}
	if len(s.rows) == 0 {
		return
	}
	scale := s.b.scales[chosen.node]
	for i, product := range s.multiply(chosen.node) {
		c := &block[s.tested[i]]
		c.out = product*scale*s.b.scales[c.node] > c.product
	}
}

// multiply computes the products of a node's row with s.rows.
func (s *selector) multiply(node uint32) []float32 {
	s.products = slices.Grow(s.products[:0], len(s.rows))[:len(s.rows)]
	dim := padded(s.b.graph.params.Dim)
	kernel.DotFloats(floats(s.b.vectors[node], dim), s.rows, s.products)
	return s.products
}
