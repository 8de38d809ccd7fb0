package sq8

import (
	"encoding/binary"
	"errors"
	"math"
)

// AppendBinary appends the ranges: dim values lo, then dim values step, each a
// float32, little endian.
func (q *Quantizer) AppendBinary(dst []byte) []byte {
	for _, values := range [][]float32{q.lo, q.step} {
		for _, x := range values {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
		}
	}
	return dst
}

// BinarySize returns how many bytes AppendBinary appends for a dimension.
func BinarySize(dim int) int { return 8 * dim }

var errRange = errors.New("sq8: a range is not valid")

// Decode returns the quantizer that AppendBinary wrote; data holds exactly it.
func Decode(dim int, clip bool, data []byte) (*Quantizer, error) {
	if dim < 1 || len(data) != BinarySize(dim) {
		return nil, errors.New("sq8: the ranges have another size")
	}
	lo, step := make([]float32, dim), make([]float32, dim)
	for j := range dim {
		lo[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:]))
		step[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*(dim+j):]))
		if !(step[j] > 0) || !finite(lo[j]) || !finite(1/step[j]) || !finite(lo[j]+maxCode*step[j]) {
			return nil, errRange
		}
	}
	return newQuantizer(dim, clip, lo, step), nil
}

func finite(x float32) bool { return x-x == 0 }
