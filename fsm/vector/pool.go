package vector

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// pool keeps the best of the rows that it is given, by scores that are not
// final.
//
// Without slack it keeps a number of rows, of equal ones those it got first.
// With slack it also keeps every row whose score is at most slack below that
// of the last of these.
type pool struct {
	keep  int
	slack float64 // noSlack = none, else not negative
	limit float32 // a score below it, or a NaN, has no place here
	full  int     // len(items) at which to cut
	items []hnsw.Candidate
}

// noSlack makes a pool that keeps no more than it has to.
const noSlack = -1

// roomFor returns how many items to collect before all but the best keep are
// dropped: enough for dropping to cost little per item.
func roomFor(keep int) int { return max(4*keep, 128) }

func (p *pool) reset(keep int, slack float64) {
	p.keep, p.slack, p.limit, p.items = keep, slack, float32(math.Inf(-1)), p.items[:0]
	p.full = roomFor(keep)
}

// add adds a row whose score is not below the limit.
func (p *pool) add(row uint32, score float32) {
	p.items = append(p.items, hnsw.Candidate{Row: row, Score: score})
	if len(p.items) >= p.full {
		p.cut()
	}
}

// cut raises the limit and drops what is below it.
func (p *pool) cut() {
	if len(p.items) <= p.keep {
		return
	}
	selectBest(p.items, p.keep, compareCandidates)
	last := slices.MaxFunc(p.items[:p.keep], compareCandidates).Score
	if p.slack == noSlack {
		p.items, p.limit = p.items[:p.keep], math.Nextafter32(last, float32(math.Inf(1)))
		return
	}
	p.limit = floor32(float64(last) - p.slack)
	p.items = slices.DeleteFunc(p.items, func(c hnsw.Candidate) bool { return c.Score < p.limit })
	p.full = max(roomFor(p.keep), 2*len(p.items))
}

// sorted returns the rows, best first, good until the next reset.
func (p *pool) sorted() []hnsw.Candidate {
	p.cut()
	slices.SortFunc(p.items, compareCandidates)
	return p.items
}

func compareCandidates(a, b hnsw.Candidate) int {
	if a.Score != b.Score {
		return cmp.Compare(b.Score, a.Score)
	}
	return cmp.Compare(a.Row, b.Row)
}

// floor32 returns the largest float32 that is not above x.
func floor32(x float64) float32 {
	f := float32(x)
	if float64(f) > x {
		f = math.Nextafter32(f, float32(math.Inf(-1)))
	}
	return f
}

// selectBest brings the k items that compare orders first to the front, in
// no order. It is Hoare's quickselect with the median of three as pivot, and
// sorts what is left should the pivots turn out badly.
func selectBest[T any](items []T, k int, compare func(a, b T) int) {
	for steps := 2 * bits.Len(uint(len(items))); k > 0 && k < len(items); steps-- {
		if len(items) <= 12 || steps == 0 {
			slices.SortFunc(items, compare)
			return
		}
		middle := partition(items, compare)
		if k <= middle {
			items = items[:middle]
		} else {
			items, k = items[middle:], k-middle
		}
	}
}

// partition orders at least three items so that none before the returned
// place compares as behind one from it on. Neither side is empty.
func partition[T any](items []T, compare func(a, b T) int) int {
	first, middle, last := 0, len(items)/2, len(items)-1
	swap := func(a, b int) {
		if compare(items[b], items[a]) < 0 {
			items[a], items[b] = items[b], items[a]
		}
	}
	swap(first, middle)
	swap(middle, last)
	swap(first, middle)
	pivot := items[middle]
	i, j := first, last // items[i] is not behind the pivot, items[j] not before it
	for {
		for i++; compare(items[i], pivot) < 0; i++ {
		}
		for j--; compare(pivot, items[j]) < 0; j-- {
		}
		if i >= j {
			return i
		}
		items[i], items[j] = items[j], items[i]
	}
}
