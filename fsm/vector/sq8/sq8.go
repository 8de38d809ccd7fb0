// Package sq8 holds vectors in one byte per dimension (scalar quantization).
//
// The code c of a value x is round((x - lo) / step), with lo and step of their
// own for every dimension. The product of a query q with a row is then
//
//	<q, x> = sum q[j]*lo[j] + sum q[j]*step[j]*c[j]
//
// The first sum is the same for all rows. For the second one the weights
// q[j]*step[j] are cut to whole numbers of 7 bits, so that kernel.DotCodes
// computes it in integers.
package sq8

import (
	"unsafe"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

const maxCode = 255

// middle is the code in the middle of a range.
const middle = float64(maxCode) / 2

// Quantizer maps vectors to codes and queries to what the codes are multiplied
// with. It is immutable.
type Quantizer struct {
	dim    int
	stride int  // bytes from one row of codes to the next
	clip   bool // values out of range are cut, however far they lie

	lo      []float32 // value of code 0, per dimension
	step    []float32 // from one code to the next, above zero
	inverse []float32 // 1/step
	middle  []float32 // value in the middle of the range; padded with zeros
}

func newQuantizer(dim int, clip bool, lo, step []float32) *Quantizer {
	q := &Quantizer{
		dim: dim, stride: roundUp(dim, kernel.CodeLane), clip: clip,
		lo: lo, step: step,
		inverse: make([]float32, dim),
		middle:  make([]float32, roundUp(dim, kernel.FloatLane)),
	}
	for j := range lo {
		q.inverse[j] = 1 / step[j]
		q.middle[j] = float32(float64(lo[j]) + middle*float64(step[j]))
	}
	return q
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// Dim returns the dimension of the vectors.
func (q *Quantizer) Dim() int { return q.dim }

// Stride returns the bytes from one row of codes to the next.
func (q *Quantizer) Stride() int { return q.stride }

// slack is how many codes out of range a value may lie and still be taken for
// the last one, if the quantizer does not clip.
const slack = 24

// Encode writes the code of row x scale to dst, Stride bytes, of which those
// behind the dimension become zero. fits is false if the row is an outlier: it
// lies so far outside the range of the quantizer that its code does not
// describe it. A quantizer that clips has no outliers.
func (q *Quantizer) Encode(dst []byte, row *float32, scale float32) (fits bool) {
	values := unsafe.Slice(row, q.dim)
	lo, inverse, codes := q.lo[:len(values)], q.inverse[:len(values)], dst[:len(values)]
	fits = true
	for j, x := range values {
		exact := (x*scale-lo[j])*inverse[j] + 0.5
		code := int32(exact)
		if uint32(code) > maxCode { // rarely
			code = int32(max(0, min(exact, maxCode)))
			fits = fits && exact >= -slack && exact <= maxCode+slack
		}
		codes[j] = byte(code)
	}
	clear(dst[q.dim:q.stride])
	return fits || q.clip
}

// Decode writes the values that a code stands for to dst, of which those behind
// the dimension become zero.
func (q *Quantizer) Decode(dst []float32, code []byte) {
	for j := range q.lo {
		dst[j] = q.lo[j] + q.step[j]*float32(code[j])
	}
	clear(dst[q.dim:])
}

// Beyond returns how many values of row x scale are out of range.
func (q *Quantizer) Beyond(row *float32, scale float32) int {
	count := 0
	for j, x := range unsafe.Slice(row, q.dim) {
		if code := (x*scale-q.lo[j])*q.inverse[j] + 0.5; code < 0 || code > maxCode+1 {
			count++
		}
	}
	return count
}
