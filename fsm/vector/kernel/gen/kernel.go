package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

const (
	group = 4  // rows that are multiplied at a time
	line  = 64 // bytes of a row that are taken at a time: of a cache line
)

// source says where the rows of a kernel are.
type source interface {
	signature() string
	// pointers sets rows to the addresses of as many rows, from number first on.
	pointers(first reg.GPVirtual, rows []reg.GPVirtual)
	// finish ends the function.
	finish()
}

// product is the arithmetic of a kernel.
type product interface {
	needs() string  // instructions
	querySize() int // bytes of one value of the query
	outSize() uint8 // bytes of one result
	// prepare sets up what stays the same through a call.
	prepare()
	// begin clears the sums of as many rows.
	begin(rows int)
	// add adds the products of 32 bytes. part is 0 and 1 in turns, for a product
	// that keeps two sums of a row to wait less for each.
	add(part int, query operand.Mem, rows []operand.Mem)
	// end stores the results of the rows.
	end(out operand.Mem)
}

// kernel writes a function. It takes the rows in groups; the last group
// overlaps the one before it if the rows are no multiple, which costs no more
// than taking the rest row by row. While a group is multiplied, the next one is
// fetched into the cache.
func kernel(a *assembler, name string, s source, p product) {
	a.function(name, s.signature(), name+" needs "+p.needs()+".")
	k := &loop{
		assembler: a, source: s, product: p,
		query: a.GP64(), end: a.GP64(), position: a.GP64(), last: a.GP64(),
	}
	k.load(a.param("query").Base(), k.query)
	k.load(a.param("query").Len(), k.end)
	if p.querySize() > 1 {
		a.emit(x86.IMUL3Q(operand.Imm(uint64(p.querySize())), k.end, k.end))
	}
	a.emit(x86.SUBQ(operand.Imm(line), k.end))
	p.prepare()
	a.emit(x86.XORQ(k.position, k.position))
	k.load(a.param("out").Len(), k.last)
	a.emit(x86.SUBQ(operand.Imm(group), k.last))
	a.emit(x86.JL(operand.LabelRef("few")))
	k.groups()
	k.few()
	a.label("done")
	a.emit(x86.VZEROUPPER())
	s.finish()
}

// loop is the frame of a kernel.
type loop struct {
	*assembler
	source
	product
	query    reg.GPVirtual // address
	end      reg.GPVirtual // length of the query in bytes, less a line
	position reg.GPVirtual // number of the first row of the group
	last     reg.GPVirtual // number of the first row of the last group
}

// groups multiplies four rows or more.
func (k *loop) groups() {
	rows, next := k.registers(group), k.registers(group)
	k.pointers(k.position, next)

	k.label("group")
	for i := range rows {
		k.emit(x86.MOVQ(next[i], rows[i]))
	}
	following := k.GP64()
	k.advance(following)
	k.pointers(following, next)
	k.begin(group)
	k.lines("group", rows, next)
	k.store()
	k.emit(x86.CMPQ(k.position, k.last))
	k.emit(x86.JE(operand.LabelRef("done")))
	k.advance(k.position)
	k.emit(x86.JMP(operand.LabelRef("group")))
}

// advance sets to to the number of the first row of the next group.
func (k *loop) advance(to reg.GPVirtual) {
	if to != k.position {
		k.emit(x86.MOVQ(k.position, to))
	}
	k.emit(x86.ADDQ(operand.Imm(group), to))
	k.emit(x86.CMPQ(to, k.last))
	k.emit(x86.CMOVQGT(k.last, to))
}

// few multiplies one row after the other, three at most.
func (k *loop) few() {
	k.label("few")
	k.emit(x86.ADDQ(operand.Imm(group), k.last))
	k.emit(x86.JZ(operand.LabelRef("done")))
	rows := k.registers(1)
	k.label("row")
	k.pointers(k.position, rows)
	k.begin(1)
	k.lines("row", rows, nil)
	k.store()
	k.emit(x86.INCQ(k.position))
	k.emit(x86.CMPQ(k.position, k.last))
	k.emit(x86.JL(operand.LabelRef("row")))
}

// lines multiplies rows from start to end, and fetches as much of next.
func (k *loop) lines(name string, rows, next []reg.GPVirtual) {
	offset := k.GP64()
	k.emit(x86.XORQ(offset, offset))
	k.emit(x86.CMPQ(offset, k.end))
	k.emit(x86.JG(operand.LabelRef(name + "_half")))
	k.label(name + "_line")
	k.fetch(offset, next)
	k.half(0, offset, rows)
	k.half(1, offset, rows)
	k.emit(x86.ADDQ(operand.Imm(line), offset))
	k.emit(x86.CMPQ(offset, k.end))
	k.emit(x86.JLE(operand.LabelRef(name + "_line")))
	k.label(name + "_half")
	k.emit(x86.TESTQ(operand.U32(line/2), k.end))
	k.emit(x86.JZ(operand.LabelRef(name + "_end")))
	k.fetch(offset, next)
	k.half(0, offset, rows)
	k.label(name + "_end")
}

func (k *loop) fetch(offset reg.GPVirtual, next []reg.GPVirtual) {
	for _, row := range next {
		k.emit(x86.PREFETCHT0(indexed(row, offset, 1)))
	}
}

// half multiplies the first or the second half of the line at offset.
func (k *loop) half(part int, offset reg.GPVirtual, rows []reg.GPVirtual) {
	at := make([]operand.Mem, len(rows))
	for i, row := range rows {
		at[i] = indexed(row, offset, 1).Offset(part * line / 2)
	}
	k.add(part, indexed(k.query, offset, 1).Offset(part*line/2), at)
}

// store ends the sums of the rows at position.
func (k *loop) store() {
	out := k.GP64()
	k.load(k.param("out").Base(), out)
	k.product.end(indexed(out, k.position, k.outSize()))
}

func (k *loop) registers(n int) []reg.GPVirtual {
	list := make([]reg.GPVirtual, n)
	for i := range list {
		list[i] = k.GP64()
	}
	return list
}
