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

// Query makes dst ready for products of vector, which has the quantizer's
// dimension, is padded with zeros to a multiple of kernel.FloatLane and may have
// any length for which products with rows are finite.
func (q *Quantizer) Query(dst *Query, vector []float32) {
	if cap(dst.Codes) < q.stride {
		dst.Codes = make([]int8, q.stride)
	}
	dst.Codes = dst.Codes[:q.stride]
	dst.base = float64(q.product(vector))
	dst.unit = 0
	largest := q.largestWeight(vector)
	if !(largest > smallest) { // or it is not a number
		clear(dst.Codes)
		return
	}
	inverse := kernel.MaxQueryCode / largest
	values := vector[:q.dim]
	step, codes := q.step[:len(values)], dst.Codes[:len(values)]
	sum := int32(0)
	for j, x := range values {
		code := int32(x*step[j]*inverse+(rounding+0.5)) - rounding
		codes[j] = int8(code)
		sum += code
	}
	clear(dst.Codes[q.dim:])
	// The product is that with the middles of all ranges, plus what the codes
	// differ from the middle.
	dst.unit = float64(largest) / kernel.MaxQueryCode
	dst.base -= middle * dst.unit * float64(sum)
}

// Score returns what the vector's product with a row is, about, given the
// product of the codes.
func (k *Query) Score(product int32) float32 {
	return float32(k.base + k.unit*float64(product))
}

// rounding makes a value positive, so that cutting its fraction off rounds it.
const rounding = 128

// product returns the product of vector with the middles of the ranges.
func (q *Quantizer) product(vector []float32) float32 {
	var rows [1]*float32
	var out [1]float32
	rows[0] = &q.middle[0]
	kernel.DotFloats(vector[:len(q.middle)], rows[:], out[:])
	return out[0]
}

// largestWeight returns the largest magnitude that a code is multiplied with.
func (q *Quantizer) largestWeight(vector []float32) float32 {
	values := vector[:q.dim]
	step := q.step[:len(values)]
	largest := uint32(0)
	for j, x := range values {
		largest = max(largest, math.Float32bits(x*step[j])&^(1<<31))
	}
	return math.Float32frombits(largest)
}
