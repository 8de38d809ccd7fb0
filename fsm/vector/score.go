package vector

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// scored is a row with its final score.
type scored struct {
	row   uint32
	score float64
}

// round24 rounds to 24 significant bits, half to even, whatever the exponent:
// in float32's range the result is a float32. There is no -0.
func round24(x float64) float64 {
	const dropped = 53 - 24
	bits := math.Float64bits(x)
	bits += 1<<(dropped-1) - 1 + bits>>dropped&1
	bits &^= 1<<dropped - 1
	return math.Float64frombits(bits) + 0 // -0 + 0 = 0
}

// similarity turns the product of a query and a row, of these lengths, into
// the cosine of the angle between them; 0 when one has no length. The product
// of two lengths of float32 vectors neither overflows nor vanishes.
func similarity(product, queryNorm, rowNorm float64) float64 {
	if queryNorm == 0 || rowNorm == 0 {
		return 0
	}
	return min(1, max(-1, product/(queryNorm*rowNorm)))
}

// ranking keeps the best of the rows that it is given, by their final scores
// and, where they are equal, by id.
type ranking struct {
	reader *Reader
	keep   int
	limit  float64 // a row below it is not among the best
	items  []scored
}

func (k *ranking) reset(r *Reader, keep int) {
	k.reader, k.keep, k.limit, k.items = r, keep, math.Inf(-1), k.items[:0]
}

// compare orders the better row first. No two rows that live are equal.
func (k *ranking) compare(a, b scored) int {
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	return strings.Compare(k.reader.point(a.row).id, k.reader.point(b.row).id)
}

func (k *ranking) add(row uint32, score float64) {
	if score < k.limit {
		return
	}
	k.items = append(k.items, scored{row, score})
	if len(k.items) >= roomFor(k.keep) {
		k.cut()
	}
}

// cut drops what is not among the best.
func (k *ranking) cut() {
	if len(k.items) <= k.keep {
		return
	}
	selectBest(k.items, k.keep, k.compare)
	k.items = k.items[:k.keep]
	k.limit = slices.MaxFunc(k.items, k.compare).score
}

// complete reports whether there are as many rows as are to be kept.
func (k *ranking) complete() bool { return len(k.items) >= k.keep }

// last returns the score of the last of the rows to be kept, once there are so
// many.
func (k *ranking) last() (score float64, ok bool) {
	if !k.complete() {
		return 0, false
	}
	k.cut()
	return slices.MaxFunc(k.items, k.compare).score, true
}

// sorted returns the best rows, best first, good until the next reset.
func (k *ranking) sorted() []scored {
	k.cut()
	slices.SortFunc(k.items, k.compare)
	return k.items
}
