package filter

import "math/bits"

// Bitmap is a set of rows: row r is bit r%64 of word r/64. Rows beyond its
// length are not in it.
type Bitmap []uint64

// Count returns how many rows are set.
func (b Bitmap) Count() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// Contains tells whether a row is set.
func (b Bitmap) Contains(row uint32) bool {
	word := int(row / 64)
	return word < len(b) && b[word]&(1<<(row%64)) != 0
}

// And keeps the rows that are set in o, too.
func (b Bitmap) And(o Bitmap) {
	n := min(len(b), len(o))
	for i, word := range o[:n] {
		b[i] &= word
	}
	clear(b[n:])
}

// Or sets the rows that are set in o, up to b's length.
func (b Bitmap) Or(o Bitmap) {
	n := min(len(b), len(o))
	for i, word := range o[:n] {
		b[i] |= word
	}
}

// AndNot removes the rows that are set in o.
func (b Bitmap) AndNot(o Bitmap) {
	n := min(len(b), len(o))
	for i, word := range o[:n] {
		b[i] &^= word
	}
}

// All yields the rows that are set, in ascending order:
//
//	for row := range b.All { ... }
func (b Bitmap) All(yield func(row uint32) bool) {
	for i, word := range b {
		for ; word != 0; word &= word - 1 {
			if !yield(uint32(i*64 + bits.TrailingZeros64(word))) {
				return
			}
		}
	}
}

// set sets a row below b's length.
func (b Bitmap) set(row uint32) { b[row/64] |= 1 << (row % 64) }

// trim removes the rows from n on from a bitmap sized for n.
func (b Bitmap) trim(n uint32) {
	if n%64 != 0 {
		b[n/64] &= 1<<(n%64) - 1
	}
}

// sized returns an empty bitmap for rows below n, in b's memory if it fits.
func (b Bitmap) sized(n uint32) Bitmap {
	words := int((uint64(n) + 63) / 64)
	if cap(b) < words {
		return make(Bitmap, words)
	}
	b = b[:words]
	clear(b)
	return b
}

// fill sets the rows below n, for which the bitmap is sized.
func (b Bitmap) fill(n uint32) {
	for i := range b {
		b[i] = ^uint64(0)
	}
	b.trim(n)
}
