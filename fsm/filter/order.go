package filter

import (
	"cmp"
	"math"
	"strconv"
)

// operand is what the operators of order compare with. Values of other kinds
// than numbers and strings have no order.
type operand struct {
	kind   kind
	number decimal
	text   string
	rank   rank
}

func newOperand(value string) operand {
	o := operand{kind: kindOf(value), rank: rankOf(canonical(value))}
	switch o.kind {
	case kindNumber:
		o.number = parseDecimal(value)
	case kindString:
		o.text = textOf(value)
	}
	return o
}

// compare returns how value stands to the operand, negative for less; ok is
// false if they have no order.
func (o *operand) compare(value string) (order int, ok bool) {
	if kindOf(value) != o.kind {
		return 0, false
	}
	switch o.kind {
	case kindNumber:
		return parseDecimal(value).compare(o.number), true
	case kindString:
		return cmp.Compare(textOf(value), o.text), true
	}
	return 0, false
}

// rank is a value's place in the order, as far as a word can tell: of two
// values that have an order, the one of lower rank is less, and those of equal
// rank have to be compared. The two highest bits say which values have one.
type rank uint64

const (
	rankNone   rank = 0 // no order
	rankNumber rank = 1 << rankShift
	rankText   rank = 2 << rankShift

	rankShift = 62
)

// rankOf returns the rank of a value in its canonical form.
func rankOf(form string) rank {
	switch kindOf(form) {
	case kindNumber:
		// Rounding keeps the order. What is out of range is infinite, or zero.
		f, _ := strconv.ParseFloat(form, 64)
		bits := math.Float64bits(f)
		if bits>>63 != 0 {
			bits = ^bits
		} else {
			bits |= 1 << 63
		}
		return rankNumber | rank(bits>>2)
	case kindString:
		text, word := textOf(form), uint64(0)
		for i := range 8 {
			word <<= 8
			if i < len(text) {
				word |= uint64(text[i])
			}
		}
		return rankText | rank(word>>2)
	}
	return rankNone
}

// decide evaluates a condition that compares on a value of which the rank is
// given; sure is false if that is not enough.
func (nd *node) decide(r rank) (holds, sure bool) {
	if nd.op == opRange {
		holds, sure = true, true
		for i := range nd.kids {
			one, known := nd.kids[i].decide(r)
			if known && !one {
				return false, true
			}
			sure = sure && known
		}
		return holds, sure
	}
	operand := nd.operand.rank
	switch {
	case operand == rankNone || r>>rankShift != operand>>rankShift:
		return false, true
	case r == operand:
		return false, false
	}
	return nd.takes(cmp.Compare(r, operand)), true
}
