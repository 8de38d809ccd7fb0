package sq8

import (
	"math"
	"slices"
	"unsafe"
)

// tail is the share of values that a range leaves out on either side, and of
// rows that may be outliers.
const tail = 0.001

// Train returns a quantizer for vectors like the sample, rows x scale, which
// has at least one row and no value that is not finite.
//
// The range of a dimension goes from its 0.1 % to its 99.9 % quantile. With
// clip that is all, which suits vectors of one length: what lies outside is cut
// a little. Without, large rows count most, so ranges are widened until they
// hold all but one in a thousand rows of the sample; those are outliers.
//
// A dimension that hardly varies gets an eighth of the mean range, or all of it
// if it is constant: its codes cost nothing, and rows that come later may vary.
func Train(dim int, clip bool, rows []*float32, scale []float32) *Quantizer {
	t := trainer{dim: dim, rows: rows, scale: scale, lo: make([]float64, dim), hi: make([]float64, dim)}
	t.quantiles()
	t.widenNarrow()
	if !clip {
		t.widenForRows()
	}
	lo, step := make([]float32, dim), make([]float32, dim)
	for j := range dim {
		lo[j] = float32(t.lo[j])
		step[j] = float32((t.hi[j] - t.lo[j]) / maxCode)
	}
	return newQuantizer(dim, clip, lo, step)
}

type trainer struct {
	dim    int
	rows   []*float32
	scale  []float32
	lo, hi []float64 // range of each dimension
}

// quantiles sets each range from the values of its dimension. A small sample
// shows less than the whole range: it is widened by what may be missing.
func (t *trainer) quantiles() {
	n := len(t.rows)
	cut := int(tail * float64(n))
	missing := 0.0
	if cut == 0 {
		missing = 2 / math.Sqrt(float64(n))
	}
	low, high := t.tails(cut + 1)
	for j := range t.dim {
		lo, hi := float64(low.of(j)[cut]), -float64(high.of(j)[cut])
		if lo == hi { // nearly always the same value: hold the others too
			lo, hi = float64(low.of(j)[0]), -float64(high.of(j)[0])
		}
		margin := (hi - lo) * missing
		t.lo[j], t.hi[j] = lo-margin, hi+margin
	}
}

// tails returns the lowest values of each dimension, and the highest ones with
// their signs turned.
func (t *trainer) tails(keep int) (low, high *lowest) {
	low, high = newLowest(t.dim, keep), newLowest(t.dim, keep)
	for i, row := range t.rows {
		scale := t.scale[i]
		for j, x := range unsafe.Slice(row, t.dim) {
			x *= scale
			if x < low.limit[j] {
				low.add(j, x)
			}
			if -x < high.limit[j] {
				high.add(j, -x)
			}
		}
	}
	return low, high
}

// lowest keeps the lowest values of each dimension in ascending order.
type lowest struct {
	keep   int
	values []float32 // keep for each dimension
	limit  []float32 // the last of them
}

func newLowest(dim, keep int) *lowest {
	l := &lowest{keep: keep, values: make([]float32, dim*keep), limit: make([]float32, dim)}
	for _, s := range [][]float32{l.values, l.limit} {
		for i := range s {
			s[i] = float32(math.Inf(1))
		}
	}
	return l
}

func (l *lowest) of(j int) []float32 { return l.values[j*l.keep : (j+1)*l.keep] }

// add adds a value below the limit.
func (l *lowest) add(j int, x float32) {
	values := l.of(j)
	at := len(values) - 1
	for ; at > 0 && x < values[at-1]; at-- {
		values[at] = values[at-1]
	}
	values[at] = x
	l.limit[j] = values[len(values)-1]
}

// widenNarrow gives every dimension a range that can be divided by.
func (t *trainer) widenNarrow() {
	sum, largest := 0.0, 0.0
	for j := range t.dim {
		sum += t.hi[j] - t.lo[j]
		largest = max(largest, math.Abs(t.lo[j]), math.Abs(t.hi[j]))
	}
	mean := sum / float64(t.dim)
	if least := largest / (1 << 16); mean < least { // the sample is one point
		mean = 2 * largest
	}
	if mean < smallest {
		mean = 1
	}
	for j := range t.dim {
		width := t.hi[j] - t.lo[j]
		switch {
		case width < mean/(1<<16):
			t.widen(j, mean/2)
		case width < mean/8:
			t.widen(j, (mean/8-width)/2)
		}
	}
}

// smallest is a range below which float32 has no precise steps.
const smallest = 1e-30

// widenForRows widens all ranges by one factor, so that they hold all values of
// all but one in a hundred rows.
func (t *trainer) widenForRows() {
	excess := make([]float64, len(t.rows))
	for i, row := range t.rows {
		for j, x := range unsafe.Slice(row, t.dim) {
			value := float64(x * t.scale[i])
			if beyond := max(t.lo[j]-value, value-t.hi[j]); beyond > 0 {
				excess[i] = max(excess[i], beyond/(t.hi[j]-t.lo[j]))
			}
		}
	}
	slices.Sort(excess)
	factor := excess[len(excess)-1-int(tail*float64(len(excess)))]
	for j := range t.dim {
		t.widen(j, factor*(t.hi[j]-t.lo[j]))
	}
}

func (t *trainer) widen(j int, by float64) {
	t.lo[j] -= by
	t.hi[j] += by
}
