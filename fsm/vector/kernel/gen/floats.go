package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// floats multiplies float32s, with two registers of sums a row, or with one
// of twice the width.
type floats struct {
	*assembler
	wide bool
	mask reg.Register     // of the first eight values; only if wide
	sums [][]reg.Register // of each row
}

func newFloats(a *assembler, wide bool) *floats { return &floats{assembler: a, wide: wide} }

func (p *floats) doc() string {
	if p.wide {
		return "needs AVX-512 F."
	}
	return "needs AVX2 and FMA."
}

func (p *floats) querySize() int { return 4 }
func (p *floats) outSize() uint8 { return 4 }

func (p *floats) prepare() {
	if p.wide {
		p.mask = lowerHalf(p.assembler)
	}
}

func (p *floats) begin(rows int) {
	p.sums = nil
	for range rows {
		var sums []reg.Register
		if p.wide {
			sum := p.ZMM()
			p.emit(x86.VPXORD(sum, sum, sum))
			sums = []reg.Register{sum}
		} else {
			sums = []reg.Register{p.YMM(), p.YMM()}
			for _, sum := range sums {
				p.emit(x86.VXORPS(sum, sum, sum))
			}
		}
		p.sums = append(p.sums, sums)
	}
}

func (p *floats) line(query operand.Mem, rows []operand.Mem) {
	if p.wide {
		factor := p.ZMM()
		p.emit(x86.VMOVUPS(query, factor))
		for i, row := range rows {
			p.emit(x86.VFMADD231PS(row, factor, p.sums[i][0]))
		}
		return
	}
	for part := range 2 {
		factor := p.YMM()
		p.emit(x86.VMOVUPS(query.Offset(part*line/2), factor))
		for i, row := range rows {
			p.emit(x86.VFMADD231PS(row.Offset(part*line/2), factor, p.sums[i][part]))
		}
	}
}

func (p *floats) half(query operand.Mem, rows []operand.Mem) {
	if p.wide {
		factor := p.ZMM()
		p.emit(x86.VMOVUPS_Z(query, p.mask, factor))
		for i, row := range rows {
			p.emit(x86.VFMADD231PS(row, factor, p.mask, p.sums[i][0]))
		}
		return
	}
	factor := p.YMM()
	p.emit(x86.VMOVUPS(query, factor))
	for i, row := range rows {
		p.emit(x86.VFMADD231PS(row, factor, p.sums[i][0]))
	}
}

func (p *floats) end(out operand.Mem) {
	sums := make([]reg.Register, len(p.sums))
	for i, parts := range p.sums {
		sum := p.YMM()
		if p.wide {
			p.emit(x86.VEXTRACTF64X4(operand.Imm(1), parts[0], sum))
			p.emit(x86.VADDPS(parts[0].(reg.VecVirtual).AsY(), sum, sum))
		} else {
			p.emit(x86.VADDPS(parts[1], parts[0], sum))
		}
		sums[i] = sum
	}
	first, second, upper := p.YMM(), p.YMM(), p.XMM()
	p.emit(x86.VHADDPS(sums[1%len(sums)], sums[0], first))
	p.emit(x86.VHADDPS(sums[3%len(sums)], sums[2%len(sums)], second))
	p.emit(x86.VHADDPS(second, first, first))
	p.emit(x86.VEXTRACTF128(operand.Imm(1), first, upper))
	p.emit(x86.VADDPS(upper, first.AsX(), upper))
	if len(sums) == 1 {
		p.emit(x86.VMOVSS(upper, out))
		return
	}
	p.emit(x86.VMOVUPS(upper, out))
}
