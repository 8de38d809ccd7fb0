package hnsw

import (
	"math"
	"math/bits"
	"slices"
)

// pool holds the best of what it was offered, best first, and which of it was
// expanded. It is the list of candidates of a walk and its result at once.
//
// An entry is one number: the product, turned so that a better one sorts
// first, above the position, above the bit that says it was expanded.
type pool struct {
	entries []uint64
	limit   int   // most entries
	least   int32 // what a product must be above to get in
	next    int   // index before which all entries are expanded
}

const expanded = 1

func entry(product int32, position uint32) uint64 {
	return uint64(uint32(product)^math.MaxInt32)<<32 | uint64(position)<<1
}

func positionOf(e uint64) uint32 { return uint32(e) >> 1 }

func productOf(e uint64) int32 { return int32(uint32(e>>32) ^ math.MaxInt32) }

// reset empties the pool, for at most limit entries.
func (p *pool) reset(limit int) {
	p.entries = p.entries[:0]
	p.limit = limit
	p.least = math.MinInt32
	p.next = 0
}

// full tells whether something must go for what gets in.
func (p *pool) full() bool { return len(p.entries) == p.limit }

// offer adds what is better than the worst of a full pool.
func (p *pool) offer(positions []uint32, products []int32) {
	products = products[:len(positions)]
	for i, position := range positions {
		if products[i] > p.least {
			p.insert(products[i], position)
		}
	}
}

// insert adds an entry whose product is above p.least. If the pool is full,
// its worst entry goes.
func (p *pool) insert(product int32, position uint32) {
	e := entry(product, position)
	at := before(p.entries, e)
	if !p.full() {
		p.entries = slices.Grow(p.entries, 1)[:len(p.entries)+1]
	}
	copy(p.entries[at+1:], p.entries[at:])
	p.entries[at] = e
	if p.full() {
		p.least = max(p.least, productOf(p.entries[len(p.entries)-1]))
	}
	p.next = min(p.next, at)
}

// before returns how many entries sort before e. No branch depends on them:
// half of all guesses would be wrong.
func before(entries []uint64, e uint64) int {
	at := uint(0)
	for size := uint(len(entries)); size > 0; {
		half := (size + 1) / 2
		_, less := bits.Sub64(entries[at+half-1], e, 0)
		at += half & -uint(less)
		size -= half
	}
	return int(at)
}

// expand returns the best entry that was not expanded, and marks it.
func (p *pool) expand() (e uint64, ok bool) {
	for i := p.next; i < len(p.entries); i++ {
		if e := p.entries[i]; e&expanded == 0 {
			p.entries[i] = e | expanded
			p.next = i + 1
			return e, true
		}
	}
	p.next = len(p.entries)
	return 0, false
}
