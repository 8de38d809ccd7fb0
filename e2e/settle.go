package e2e

import (
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// settle replaces what is unknown in the history of one key by what the rest
// of the history proves, so that the checker's search stays small; a few
// dozen writes that may be anywhere would keep it busy for ever. Values are
// unique, and the write that takes effect has the revision after the last, so:
//
//   - An unknown write whose value was read took effect, at the revision that
//     was read, before that read was answered.
//   - A revision without a write belongs to an unknown write that nobody read.
//     Which one does not matter, as long as it was called in time.
//   - All others took effect after everything that was seen, or never.
//
// The checker's judgement of the result is its judgement of the original.
func settle(ops []porcupine.Operation) []porcupine.Operation {
	s := settling{reads: map[string]porcupine.Operation{}, written: map[uint64]bool{}}
	for _, op := range ops {
		s.look(op)
	}
	for _, op := range ops {
		s.take(op)
	}
	for revision := uint64(1); revision <= s.highest; revision++ {
		if !s.written[revision] {
			s.fill(revision, s.seenAfter(revision))
		}
	}
	// A compare-and-set that lost against the last revision that was seen has
	// met one more.
	if lost := s.lostAt(s.highest); lost < math.MaxInt64 {
		s.fill(s.highest+1, lost)
	}
	return s.settled
}

// settling is the state of one settle.
type settling struct {
	reads   map[string]porcupine.Operation // by value: the read of it that was answered first
	highest uint64                         // revision anybody saw
	settled []porcupine.Operation
	open    []porcupine.Operation // unknown writes that nobody read
	written map[uint64]bool       // revisions that have their write
}

func (s *settling) look(op porcupine.Operation) {
	in, out := op.Input.(opInput), op.Output.(opOutput)
	s.highest = max(s.highest, out.revision)
	if in.kind != opGet || out.revision == 0 {
		return
	}
	if first, ok := s.reads[out.value]; !ok || op.Return < first.Return {
		s.reads[out.value] = op
	}
}

func (s *settling) take(op porcupine.Operation) {
	in, out := op.Input.(opInput), op.Output.(opOutput)
	if out.unknown {
		read, seen := s.reads[in.value]
		if !seen {
			s.open = append(s.open, op)
			return
		}
		out = opOutput{revision: read.Output.(opOutput).revision}
		op.Output, op.Return = out, max(read.Return, op.Call)
	}
	if in.kind != opGet && !out.refused {
		s.written[out.revision] = true
	}
	s.settled = append(s.settled, op)
}

// fill gives revision to an unknown write that was called before end. A
// compare-and-set can have no other revision, so it goes first; of the
// others any will do, since end only grows with the revision.
func (s *settling) fill(revision uint64, end int64) {
	fits := func(kind opKind) int {
		return slices.IndexFunc(s.open, func(op porcupine.Operation) bool {
			in := op.Input.(opInput)
			return in.kind == kind && op.Call <= end && (kind == opPut || in.revision == revision-1)
		})
	}
	i := fits(opCAS)
	if i < 0 {
		i = fits(opPut)
	}
	if i < 0 {
		return // nothing explains it, and the checker will say so
	}
	op := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	op.Output = opOutput{revision: revision}
	s.settled = append(s.settled, op)
}

// seenAfter returns when a revision above this one was seen first.
func (s *settling) seenAfter(revision uint64) int64 {
	first := int64(math.MaxInt64)
	for _, op := range s.settled {
		if op.Output.(opOutput).revision > revision {
			first = min(first, op.Return)
		}
	}
	return first
}

// lostAt returns when a compare-and-set of this revision was first refused.
func (s *settling) lostAt(revision uint64) int64 {
	first := int64(math.MaxInt64)
	for _, op := range s.settled {
		if op.Output.(opOutput).refused && op.Input.(opInput).revision == revision {
			first = min(first, op.Return)
		}
	}
	return first
}
