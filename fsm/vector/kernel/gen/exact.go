package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// exact multiplies float32s as float64s. Eight sums of a row are in two
// registers, the first four of them in the first, or in one of twice the width.
type exact struct {
	*assembler
	wide bool
	sums [][]reg.Register // of each row
}

func newExact(a *assembler, wide bool) *exact { return &exact{assembler: a, wide: wide} }

func (p *exact) doc() string    { return newFloats(p.assembler, p.wide).doc() }
func (p *exact) querySize() int { return 4 }
func (p *exact) outSize() uint8 { return 8 }
func (p *exact) prepare()       {}

// registers returns new registers for eight float64s.
func (p *exact) registers() []reg.Register {
	if p.wide {
		return []reg.Register{p.ZMM()}
	}
	return []reg.Register{p.YMM(), p.YMM()}
}

func (p *exact) begin(rows int) {
	p.sums = nil
	for range rows {
		sums := p.registers()
		for _, sum := range sums {
			if p.wide {
				p.emit(x86.VPXORD(sum, sum, sum))
			} else {
				p.emit(x86.VXORPD(sum, sum, sum))
			}
		}
		p.sums = append(p.sums, sums)
	}
}

func (p *exact) line(query operand.Mem, rows []operand.Mem) {
	p.half(query, rows)
	second := make([]operand.Mem, len(rows))
	for i, row := range rows {
		second[i] = row.Offset(line / 2)
	}
	p.half(query.Offset(line/2), second)
}

func (p *exact) half(query operand.Mem, rows []operand.Mem) {
	factors := p.widen(query)
	for i, row := range rows {
		for part, values := range p.widen(row) {
			p.emit(x86.VFMADD231PD(values, factors[part], p.sums[i][part]))
		}
	}
}

// widen loads eight float32s.
func (p *exact) widen(from operand.Mem) []reg.Register {
	to := p.registers()
	for part, register := range to {
		p.emit(x86.VCVTPS2PD(from.Offset(part*line/4), register))
	}
	return to
}

// end adds s0+s4, s1+s5, s2+s6, s3+s7; of these the first to the third, the
// second to the fourth; then the two.
func (p *exact) end(out operand.Mem) {
	pairs := make([]reg.Register, len(p.sums))
	for i, sums := range p.sums {
		fours, upper := p.YMM(), p.XMM()
		if p.wide {
			p.emit(x86.VEXTRACTF64X4(operand.Imm(1), sums[0], fours))
			p.emit(x86.VADDPD(sums[0].(reg.VecVirtual).AsY(), fours, fours))
		} else {
			p.emit(x86.VADDPD(sums[1], sums[0], fours))
		}
		p.emit(x86.VEXTRACTF128(operand.Imm(1), fours, upper))
		p.emit(x86.VADDPD(upper, fours.AsX(), upper))
		pairs[i] = upper
	}
	if len(pairs) == 1 {
		p.emit(x86.VHADDPD(pairs[0], pairs[0], pairs[0]))
		p.emit(x86.VMOVSD(pairs[0], out))
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		p.emit(x86.VHADDPD(pairs[i+1], pairs[i], pairs[i]))
		p.emit(x86.VMOVUPD(pairs[i], out.Offset(8*i)))
	}
}
