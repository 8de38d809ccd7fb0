package filter

import (
	"math/big"
	"strconv"
	"strings"
)

// decimal is a JSON number, exactly: 0.digits * 10^point. Nothing is rounded,
// and no number is too large.
type decimal struct {
	negative bool
	digits   string   // from the first to the last that is not 0, perhaps with the dot between; empty for zero
	point    int64    // when far is nil
	far      *big.Int // the point of a number with an exponent of more than safeExponent digits
}

// safeExponent is how many digits an exponent may have so that a point stays
// far inside an int64.
const safeExponent = 17

// parseDecimal reads a number that is valid JSON.
func parseDecimal(text string) decimal {
	i, negative := 0, false
	if text != "" && text[0] == '-' {
		i, negative = 1, true
	}
	first, last, dot := -1, -1, -1
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '1' && c <= '9':
			if first < 0 {
				first = i
			}
			last = i
		case c == '.':
			dot = i
		case c != '0': // e or E
			return newDecimal(negative, text[:i], first, last, dot).shift(text[i+1:])
		}
	}
	return newDecimal(negative, text, first, last, dot)
}

// newDecimal makes a decimal of digits with the indexes of the first and the
// last one that is not 0, and of the dot; -1 for none.
func newDecimal(negative bool, mantissa string, first, last, dot int) decimal {
	if first < 0 {
		return decimal{} // there is one zero
	}
	if dot < 0 {
		dot = len(mantissa)
	}
	point := dot - first
	if first > dot {
		point++
	}
	return decimal{negative: negative, digits: mantissa[first : last+1], point: int64(point)}
}

// shift moves the point by an exponent as it is written.
func (d decimal) shift(exponent string) decimal {
	digits := strings.TrimLeft(strings.TrimLeft(exponent, "+-"), "0")
	if digits == "" || d.digits == "" {
		return d
	}
	negative := exponent[0] == '-'
	if len(digits) <= safeExponent {
		n, _ := strconv.ParseInt(digits, 10, 64) // it is digits, and few
		if negative {
			n = -n
		}
		d.point += n
		return d
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return d // cannot be: the text was checked
	}
	if negative {
		n.Neg(n)
	}
	d.far = n.Add(n, big.NewInt(d.point))
	return d
}

// compare returns how d stands to e, negative for less.
func (d decimal) compare(e decimal) int {
	switch {
	case d.sign() != e.sign():
		return d.sign() - e.sign()
	case d.negative:
		return e.compareSize(d)
	}
	return d.compareSize(e)
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// compareSize compares without signs; both or none are zero.
func (d decimal) compareSize(e decimal) int {
	if d.far != nil || e.far != nil {
		if order := d.bigPoint().Cmp(e.bigPoint()); order != 0 {
			return order
		}
	} else if d.point != e.point {
		if d.point < e.point {
			return -1
		}
		return 1
	}
	return compareDigits(d.digits, e.digits)
}

func (d decimal) bigPoint() *big.Int {
	if d.far != nil {
		return d.far
	}
	return big.NewInt(d.point)
}

// compareDigits compares 0.a with 0.b, where neither ends in 0.
func compareDigits(a, b string) int {
	i, j := 0, 0
	for {
		if i < len(a) && a[i] == '.' {
			i++
		}
		if j < len(b) && b[j] == '.' {
			j++
		}
		if i == len(a) || j == len(b) {
			return (len(a) - i) - (len(b) - j)
		}
		if a[i] != b[j] {
			return int(a[i]) - int(b[j])
		}
		i++
		j++
	}
}

// mostPlain is how many digits the canonical form of a number writes without
// an exponent.
const mostPlain = 21

// isPlainNumber tells whether a number is its own canonical form: it has no
// exponent, no more than mostPlain digits and no zeros that could be left out,
// and it is not -0.
func isPlainNumber(text string) bool {
	digits := text
	if digits[0] == '-' {
		digits = digits[1:]
	}
	dot := -1
	for i := range len(digits) {
		switch c := digits[i]; {
		case c == '.':
			dot = i
		case c < '0' || c > '9':
			return false
		}
	}
	switch {
	case dot >= 0:
		count := len(digits) - 1
		if digits[0] == '0' {
			count--
		}
		return count <= mostPlain && digits[len(digits)-1] != '0'
	case text == "-0":
		return false
	}
	return len(digits) <= mostPlain
}

// appendNumber appends the canonical form of a number: plain if that takes no
// more than mostPlain digits, else as a whole number that does not end in 0,
// with an exponent.
func appendNumber(dst []byte, d decimal) []byte {
	if d.digits == "" {
		return append(dst, '0')
	}
	if d.negative {
		dst = append(dst, '-')
	}
	digits := strings.Replace(d.digits, ".", "", 1)
	count := int64(len(digits))
	switch {
	case d.far == nil && d.point >= count && d.point <= mostPlain:
		dst = append(dst, digits...)
		return appendZeros(dst, d.point-count)
	case d.far == nil && d.point > 0 && d.point < count && count <= mostPlain:
		dst = append(dst, digits[:d.point]...)
		dst = append(dst, '.')
		return append(dst, digits[d.point:]...)
	case d.far == nil && d.point <= 0 && count-d.point <= mostPlain:
		dst = append(dst, "0."...)
		dst = appendZeros(dst, -d.point)
		return append(dst, digits...)
	}
	dst = append(dst, digits...)
	dst = append(dst, 'e')
	if d.far == nil {
		return strconv.AppendInt(dst, d.point-count, 10)
	}
	exponent := new(big.Int).Sub(d.far, big.NewInt(count))
	return exponent.Append(dst, 10)
}

func appendZeros(dst []byte, n int64) []byte {
	const zeros = "000000000000000000000" // mostPlain of them
	return append(dst, zeros[:n]...)
}
