package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// exact multiplies float32s as float64s, in the order that DotExact promises.
type exact struct {
	*assembler
	sums [][2]reg.Register // of each row: s0 to s3, s4 to s7
}

func (p *exact) needs() string  { return "AVX2 and FMA" }
func (p *exact) querySize() int { return 4 }
func (p *exact) outSize() uint8 { return 8 }
func (p *exact) prepare()       {}

func (p *exact) begin(rows int) {
	p.sums = make([][2]reg.Register, rows)
	for i := range p.sums {
		p.sums[i] = [2]reg.Register{p.YMM(), p.YMM()}
		p.clear(p.sums[i][:]...)
	}
}

func (p *exact) add(_ int, query operand.Mem, rows []operand.Mem) {
	factors := p.widen(query)
	for i, row := range rows {
		for half, values := range p.widen(row) {
			p.emit(x86.VFMADD231PD(values, factors[half], p.sums[i][half]))
		}
	}
}

// widen loads eight float32s as float64s.
func (p *exact) widen(from operand.Mem) [2]reg.Register {
	to := [2]reg.Register{p.YMM(), p.YMM()}
	p.emit(x86.VCVTPS2PD(from, to[0]))
	p.emit(x86.VCVTPS2PD(from.Offset(4*4), to[1]))
	return to
}

// end adds s0+s4, s1+s5, s2+s6, s3+s7; of these the first to the third, the
// second to the fourth; then the two.
func (p *exact) end(out operand.Mem) {
	pairs := make([]reg.Register, len(p.sums)) // 4 or 1
	for i, sums := range p.sums {
		fours, upper := p.YMM(), p.XMM()
		p.emit(x86.VADDPD(sums[1], sums[0], fours))
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
