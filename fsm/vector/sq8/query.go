package sq8

import (
	"math"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

// Query is a vector made ready for products with the codes of one quantizer.
// The zero value is ready for Quantizer.Query, which may be called again and
// again on the same one.
type Query struct {
	Codes []int8 // Stride values, at most kernel.MaxQueryCode in magnitude

	base, unit float64
}

// Query makes dst ready for products of vector, which has at least the
// quantizer's dimension and any finite length.
func (q *Quantizer) Query(dst *Query, vector []float32) {
	if cap(dst.Codes) < q.stride {
		dst.Codes = make([]int8, q.stride)
	}
	dst.Codes = dst.Codes[:q.stride]
	codes, step, lo := dst.Codes[:q.dim], q.step[:q.dim], q.lo[:q.dim]
	vector = vector[:q.dim]

	base, largest := 0.0, 0.0
	for j, x := range vector {
		base += float64(x) * float64(lo[j])
		largest = max(largest, math.Abs(float64(x)*float64(step[j])))
	}
	dst.base, dst.unit = base, largest/kernel.MaxQueryCode
	if dst.unit == 0 {
		clear(dst.Codes)
		return
	}
	// What rounding takes from the weights is given back for a code in the
	// middle of the range, so that scores of several quantizers compare.
	lost := 0.0
	for j, x := range vector {
		weight := float64(x) * float64(step[j]) / dst.unit
		code := math.Floor(weight + 0.5)
		codes[j] = int8(code)
		lost += weight - code
	}
	clear(dst.Codes[q.dim:])
	dst.base += lost * dst.unit * (maxCode + 1) / 2
}

// Score returns what the vector's product with a row is, about, given the
// product of the codes.
func (k *Query) Score(product int32) float32 {
	return float32(k.base + k.unit*float64(product))
}
