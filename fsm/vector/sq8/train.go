package sq8

import (
	"math"
	"slices"
	"unsafe"
)

// tail is the share of values that a range leaves out on either side.
const tail = 0.001

// Train returns a quantizer for vectors like the sample, rows x scale, which
// has at least one row and no value that is not finite.
//
// The range of a dimension goes from its 0.1 % to its 99.9 % quantile. With
// clip that is all, which suits vectors of one length: what lies outside is cut
// a little. Without, large rows count most, so ranges are widened until they
// hold all but one in a hundred rows of the sample; those are outliers.
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

func (t *trainer) value(row, j int) float64 {
	return float64(unsafe.Slice(t.rows[row], t.dim)[j]) * float64(t.scale[row])
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
	values := make([]float64, n)
	for j := range t.dim {
		for i := range values {
			values[i] = t.value(i, j)
		}
		slices.Sort(values)
		lo, hi := values[cut], values[n-1-cut]
		if lo == hi { // nearly always the same value: hold the others too
			lo, hi = values[0], values[n-1]
		}
		margin := (hi - lo) * missing
		t.lo[j], t.hi[j] = lo-margin, hi+margin
	}
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
	for i := range t.rows {
		for j := range t.dim {
			x := t.value(i, j)
			beyond := max(t.lo[j]-x, x-t.hi[j])
			excess[i] = max(excess[i], beyond/(t.hi[j]-t.lo[j]))
		}
	}
	slices.Sort(excess)
	factor := excess[len(excess)-1-len(excess)/100]
	for j := range t.dim {
		t.widen(j, factor*(t.hi[j]-t.lo[j]))
	}
}

func (t *trainer) widen(j int, by float64) {
	t.lo[j] -= by
	t.hi[j] += by
}
