package api

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// Reading a vector is most of what an insert or a search costs before it gets
// to the store, so its numbers are read here, once and in order.

// appendFloats appends the numbers of the JSON array that b begins with to
// dst, each as the float32 nearest to it, little endian. It returns the length
// of the array in b, 0 when that is no array of 1 to most numbers that are all
// within the range of float32: what is wrong with it is for others to say.
func appendFloats(dst, b []byte, most int) (out []byte, length int) {
	if len(b) == 0 || b[0] != '[' {
		return dst, 0
	}
	out = dst
	i := 1
	for n := range most {
		i = skipSpace(b, i)
		var f float32
		var size int
		if len(b)-i >= floatWindow {
			f, size = shortFloat((*[floatWindow]byte)(b[i:]))
		}
		if size == 0 {
			if f, size = leadingFloat(b[i:]); size == 0 {
				break
			}
		}
		if n%64 == 0 {
			out = slices.Grow(out, 4*64)
		}
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
		i = skipSpace(b, i+size)
		if i < len(b) && b[i] == ',' {
			i++
			continue
		}
		if i < len(b) && b[i] == ']' {
			return out, i + 1
		}
		break
	}
	return dst, 0
}

// skipSpace returns the index of the first byte from b[i] on that is not JSON
// white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// leadingFloat returns the float32 nearest to the JSON number that b begins
// with, and its length: 0 when there is none or it is out of range. It rounds
// as strconv.ParseFloat does, once, and ties to even.
func leadingFloat(b []byte) (f float32, length int) {
	length = leadingNumber(b)
	if length == 0 {
		return 0, 0
	}
	exact, err := strconv.ParseFloat(string(b[:length]), 32)
	if err != nil {
		return 0, 0
	}
	return float32(exact), length
}

const (
	floatWindow = 32 // bytes, a power of two: a sign, a digit, the point, three words, and room
	shortDigits = 19 // after the point, when a 0 is before it: they fit into a uint64
)

// shortFloat is leadingFloat for numbers of one digit before the point and 1
// to shortDigits after it, without an exponent: nearly all that clients send.
// The length is 0 for any other, and for those that are too close to the
// middle between two float32s.
//
// The digits become a float64, which is multiplied with a power of ten. Each
// of the three is off by at most half a unit in the last place, so the product
// is less than 4 units off. Rounding it to float32 gives the same as rounding
// the number itself, unless a middle lies between the two, and there the 29
// bits that are dropped are a 1 and zeros. See Clinger, How to Read Floating
// Point Numbers Accurately, 1990.
func shortFloat(b *[floatWindow]byte) (f float32, length int) {
	i := 0
	if b[0] == '-' {
		i = 1 // without a jump: signs are as good as random
	}
	sign := uint32(i) << 31
	whole := uint64(b[i] - '0')
	if whole > 9 || b[i+1] != '.' {
		return 0, 0
	}
	n := whole
	i += 2
	digits := 0
	word := binary.LittleEndian.Uint64(b[i:]) ^ eightZeros
	others := notDigits(word)
	if others == 0 {
		n = n*1e8 + joinEight(word)
		word = binary.LittleEndian.Uint64(b[i+8:]) ^ eightZeros
		others = notDigits(word)
		digits = 8
		if others == 0 {
			n = n*1e8 + joinEight(word)
			word = binary.LittleEndian.Uint64(b[i+16:]) ^ eightZeros
			others = notDigits(word)
			digits = 16
		}
	}
	rest := uint(bits.TrailingZeros64(others)) / 8
	n = n*powers10[rest] + joinEight(word<<(64-8*rest))
	digits += int(rest)
	i += digits
	if uint(digits-1) >= shortDigits || digits == shortDigits && whole > 0 || b[i&(floatWindow-1)]|0x20 == 'e' {
		return 0, 0
	}
	x := float64(n) * inverse10[digits]
	const dropped, middle, margin = 1<<29 - 1, 1 << 28, 4
	if math.Float64bits(x)&dropped-(middle-margin) <= 2*margin {
		return 0, 0
	}
	return math.Float32frombits(math.Float32bits(float32(x)) | sign), i
}

// powers10 and inverse10 are powers of ten.
var (
	powers10  = [...]uint64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}
	inverse10 = [shortDigits + 1]float64{1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9,
		1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18, 1e-19}
)

// eightZeros turns ASCII digits into their values, and all other bytes into
// something above 9, when a word is combined with it by exclusive or.
const eightZeros = 0x3030303030303030

// notDigits returns a word with the highest bit set of every byte that is not
// 0 to 9: adding 118 to its low 7 bits sets it, unless it was set already.
func notDigits(word uint64) uint64 {
	return (word&0x7f7f7f7f7f7f7f7f + 0x7676767676767676 | word) & 0x8080808080808080
}

// joinEight returns the number that has the bytes of word as its digits, the
// first of them in the lowest byte. It joins neighbours to pairs, and then all
// four pairs.
func joinEight(word uint64) uint64 {
	const pairs = 0x000000ff000000ff
	word = word*10 + word>>8
	return (word&pairs*(100+1000000<<32) + word>>16&pairs*(1+10000<<32)) >> 32
}

// leadingNumber returns the length of the JSON number that b begins with, 0
// when there is none.
func leadingNumber(b []byte) int {
	whole := 0
	if len(b) > 0 && b[0] == '-' {
		whole = 1
	}
	i := skipDigits(b, whole)
	if i == whole || b[whole] == '0' && i > whole+1 {
		return 0
	}
	if i < len(b) && b[i] == '.' {
		point := i + 1
		if i = skipDigits(b, point); i == point {
			return 0
		}
	}
	if i < len(b) && b[i&(floatWindow-1)]|0x20 == 'e' {
		exponent := i + 1
		if exponent < len(b) && (b[exponent] == '-' || b[exponent] == '+') {
			exponent++
		}
		if i = skipDigits(b, exponent); i == exponent {
			return 0
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }
