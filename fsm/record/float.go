package record

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unsafe"
)

// AppendVector appends the values of v to dst, little endian, 4 bytes each.
func AppendVector(dst []byte, v []float32) []byte {
	n := len(dst)
	dst = slices.Grow(dst, 4*len(v))[:n+4*len(v)]
	if littleEndian() {
		copy(dst[n:], bytesOf(v))
		return dst
	}
	for i, f := range v {
		binary.LittleEndian.PutUint32(dst[n+4*i:], math.Float32bits(f))
	}
	return dst
}

// DecodeVector appends the values in b, which AppendVector wrote, to dst.
func DecodeVector(dst []float32, b []byte) []float32 {
	n, values := len(dst), len(b)/4
	dst = slices.Grow(dst, values)[:n+values]
	if littleEndian() {
		copy(bytesOf(dst[n:]), b)
		return dst
	}
	for i := range values {
		dst[n+i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return dst
}

// littleEndian reports whether this machine keeps numbers as they are encoded.
// The compiler knows the answer.
func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// bytesOf returns the memory of v.
func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// FiniteVector reports whether b is what AppendVector writes for values of
// which none is a NaN or an infinity.
func FiniteVector(b []byte) bool {
	// Both have all exponent bits set, and only then does adding the lowest
	// of them carry into the sign bit, which the mask cleared.
	const exponent, lowest, sign = 0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000
	if len(b)%4 != 0 {
		return false
	}
	var carry uint64
	for ; len(b) >= 8; b = b[8:] {
		carry |= binary.LittleEndian.Uint64(b)&exponent + lowest
	}
	if len(b) == 4 {
		carry |= uint64(binary.LittleEndian.Uint32(b))&exponent + lowest
	}
	return carry&sign == 0
}

// AppendFloat32 appends f, which must be finite, as the shortest JSON number
// that reads back as the same float32, in the form that encoding/json chooses.
func AppendFloat32(dst []byte, f float32) []byte {
	format := byte('f')
	if abs := math.Abs(float64(f)); abs != 0 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, float64(f), format, -1, 32)
	// An exponent has two digits or more; e-07 is written e-7.
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
