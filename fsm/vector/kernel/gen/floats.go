package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// floats multiplies float32s.
type floats struct {
	*assembler
	sums [][2]reg.Register // of each row: of the first halves of lines, of the second
}

func (p *floats) needs() string  { return "AVX2 and FMA" }
func (p *floats) querySize() int { return 4 }
func (p *floats) outSize() uint8 { return 4 }
func (p *floats) prepare()       {}

func (p *floats) begin(rows int) {
	p.sums = make([][2]reg.Register, rows)
	for i := range p.sums {
		p.sums[i] = [2]reg.Register{p.YMM(), p.YMM()}
		p.clear(p.sums[i][:]...)
	}
}

func (p *floats) add(part int, query operand.Mem, rows []operand.Mem) {
	factors := p.YMM()
	p.emit(x86.VMOVUPS(query, factors))
	for i, row := range rows {
		p.emit(x86.VFMADD231PS(row, factors, p.sums[i][part]))
	}
}

func (p *floats) end(out operand.Mem) {
	for _, sums := range p.sums {
		p.emit(x86.VADDPS(sums[1], sums[0], sums[0]))
	}
	first, second, upper := p.YMM(), p.YMM(), p.XMM()
	n := len(p.sums) // 4 or 1
	p.emit(x86.VHADDPS(p.sums[1%n][0], p.sums[0][0], first))
	p.emit(x86.VHADDPS(p.sums[3%n][0], p.sums[2%n][0], second))
	p.emit(x86.VHADDPS(second, first, first))
	p.emit(x86.VEXTRACTF128(operand.Imm(1), first, upper))
	p.emit(x86.VADDPS(upper, first.AsX(), upper))
	if n == 1 {
		p.emit(x86.VMOVSS(upper, out))
	} else {
		p.emit(x86.VMOVUPS(upper, out))
	}
}
