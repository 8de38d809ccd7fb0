package hnsw

import (
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

const (
	maxM     = 64       // most links of a node in a layer above the lowest
	maxWidth = 2 * maxM // in the lowest
)

// scratch is what one walk needs to remember.
type scratch struct {
	query sq8.Query
	pool  pool // where the walk goes

	admitted pool // what a walk under a filter has found

	marks []uint8 // epoch in which a position was met last
	epoch uint8

	positions [maxWidth]uint32 // a list's links that were not met before
	nodes     [maxWidth]uint32 // their nodes, if those are not the same
	products  [maxWidth]int32
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

// meet marks a position.
func (s *scratch) meet(position uint32) { s.marks[position] = s.epoch }

// unmet returns the links of list that were not met before, and marks them.
func (s *scratch) unmet(list []uint32) []uint32 {
	marks, epoch, n := s.marks, s.epoch, 0
	for _, position := range list {
		if position == None {
			break
		}
		mark := marks[position]
		marks[position] = epoch
		s.positions[n&(maxWidth-1)] = position
		if mark != epoch {
			n++
		}
	}
	return s.positions[:n]
}
