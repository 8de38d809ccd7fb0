package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// byNumber finds rows in one slice by their numbers. A row that begins after
// last ends the function with false.
type byNumber struct{ *assembler }

func (s *byNumber) signature() string {
	return "func(query []int8, codes []byte, last int, ids []uint32, out []int32) bool"
}

func (s *byNumber) pointers(first reg.GPVirtual, rows []reg.GPVirtual) {
	ids := s.GP64()
	s.load(s.param("ids").Base(), ids)
	stride, last, codes := s.address(s.param("query").Len()), s.address(s.param("last")), s.address(s.param("codes").Base())
	for i, row := range rows {
		id := indexed(ids, first, 4)
		id.Disp = 4 * i
		s.emit(x86.MOVL(id, row.As32()))
		s.emit(x86.IMULQ(stride, row))
		s.emit(x86.CMPQ(row, last))
		s.emit(x86.JG(operand.LabelRef("outside")))
		s.emit(x86.ADDQ(codes, row))
	}
}

func (s *byNumber) finish() {
	ok := s.address(s.fn.Signature.Results().At(0))
	s.emit(x86.MOVB(operand.Imm(1), ok))
	s.emit(x86.RET())
	s.label("outside")
	s.emit(x86.VZEROUPPER())
	s.emit(x86.MOVB(operand.Imm(0), ok))
	s.emit(x86.RET())
}

// byPointer finds rows by the addresses of their first values.
type byPointer struct {
	*assembler
	results string // their type
}

func (s *byPointer) signature() string {
	return fmt.Sprintf("func(query []float32, rows []*float32, out []%s)", s.results)
}

func (s *byPointer) pointers(first reg.GPVirtual, rows []reg.GPVirtual) {
	list := s.GP64()
	s.load(s.param("rows").Base(), list)
	for i, row := range rows {
		pointer := indexed(list, first, 8)
		pointer.Disp = 8 * i
		s.emit(x86.MOVQ(pointer, row))
	}
}

func (s *byPointer) finish() { s.emit(x86.RET()) }

// consecutive finds rows one after the other.
type consecutive struct {
	*assembler
	values string // their type
}

func (s *consecutive) signature() string {
	if s.values == "byte" {
		return "func(query []int8, rows []byte, out []int32)"
	}
	return "func(query []float32, rows []float32, out []float32)"
}

func (s *consecutive) pointers(first reg.GPVirtual, rows []reg.GPVirtual) {
	stride := s.GP64()
	s.load(s.param("query").Len(), stride)
	if s.values != "byte" {
		s.emit(x86.SHLQ(operand.Imm(2), stride))
	}
	s.emit(x86.MOVQ(first, rows[0]))
	s.emit(x86.IMULQ(stride, rows[0]))
	s.emit(x86.ADDQ(s.address(s.param("rows").Base()), rows[0]))
	for i := range rows[1:] {
		s.emit(x86.LEAQ(indexed(rows[i], stride, 1), rows[i+1]))
	}
}

func (s *consecutive) finish() { s.emit(x86.RET()) }
