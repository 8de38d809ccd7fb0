package hnsw

import (
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

const (
	minM     = 4        // fewest links of a node in a layer above the lowest
	maxM     = 64       // most
	maxWidth = 2 * maxM // most in the lowest

	// beam is how many candidates a walk expands at a time: the cache misses of
	// their lists, and of the codes these name, overlap. A few more nodes are
	// scored than one by one, which finds a little more, too.
	beam = 4

	// doors is how many nodes a search of the lowest layer starts from.
	doors = 8

	// batch is how many nodes are scored at a time, at most.
	batch = beam * maxWidth
)

// scratch is what one walk needs to remember.
type scratch struct {
	query sq8.Query

	pool     pool // where the walk goes
	admitted pool // what a walk under a filter has found
	doors    [doors]uint32

	marks   []uint8 // epoch in which a position was met last
	epoch   uint8
	touched uint32 // see next

	positions [batch]uint32 // links that were not met before
	nodes     [batch]uint32 // their nodes, if those are not the same
	products  [batch]int32
}

// forget begins a walk over count positions, none of which was met.
func (s *scratch) forget(count int) {
	if len(s.marks) < count {
		s.marks = slices.Grow(s.marks[:0], count)[:count]
		clear(s.marks)
		s.epoch = 0
	}
	s.epoch++
	if s.epoch == 0 { // marks of 256 walks ago would count
		clear(s.marks)
		s.epoch = 1
	}
}

// meet adds the positions of list that were not met before to the first n of
// s.positions, and returns how many these are now.
func (s *scratch) meet(list []uint32, n int) int {
	marks, epoch := s.marks, s.epoch
	for _, position := range list {
		if position == None {
			break
		}
		mark := marks[position]
		marks[position] = epoch
		s.positions[n&(batch-1)] = position
		if mark != epoch {
			n++
		}
	}
	return n
}

// next expands the best few of the pool and returns the positions they are
// linked to and that were not met before. ok is false if there was nothing to
// expand whose product is least or better.
func (s *scratch) next(l *layer, least int32) (positions []uint32, ok bool) {
	var from [beam]uint32
	count := 0
	for count < beam {
		e, ok := s.pool.expand()
		if !ok || productOf(e) < least {
			break
		}
		from[count] = positionOf(e)
		count++
		// Nothing waits for this load: it starts all misses at once.
		list := l.list(positionOf(e))
		s.touched ^= list[0] ^ list[len(list)/2]
	}
	n := 0
	for _, position := range from[:count] {
		n = s.meet(l.list(position), n)
	}
	return s.positions[:n], count > 0
}
