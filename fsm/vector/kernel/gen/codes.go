package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// codes multiplies unsigned with signed bytes: pairs of products as 16 bits,
// which can not overflow, then pairs of those as 32 bits.
type codes struct {
	*assembler
	ones reg.Register   // in every 16 bits
	sums []reg.Register // of each row
}

func (p *codes) needs() string  { return "AVX2" }
func (p *codes) querySize() int { return 1 }
func (p *codes) outSize() uint8 { return 4 }

func (p *codes) prepare() {
	p.ones = p.YMM()
	p.emit(x86.VPCMPEQW(p.ones, p.ones, p.ones))
	p.emit(x86.VPSRLW(operand.Imm(15), p.ones, p.ones))
}

func (p *codes) begin(rows int) {
	p.sums = nil
	for range rows {
		p.sums = append(p.sums, p.YMM())
	}
	p.clear(p.sums...)
}

func (p *codes) add(_ int, query operand.Mem, rows []operand.Mem) {
	factors := p.YMM()
	p.emit(x86.VMOVDQU(query, factors))
	for i, row := range rows {
		products := p.YMM()
		p.emit(x86.VMOVDQU(row, products))
		p.emit(x86.VPMADDUBSW(factors, products, products))
		p.emit(x86.VPMADDWD(p.ones, products, products))
		p.emit(x86.VPADDD(products, p.sums[i], p.sums[i]))
	}
}

func (p *codes) end(out operand.Mem) {
	first, second, upper := p.YMM(), p.YMM(), p.XMM()
	n := len(p.sums) // 4 or 1
	p.emit(x86.VPHADDD(p.sums[1%n], p.sums[0], first))
	p.emit(x86.VPHADDD(p.sums[3%n], p.sums[2%n], second))
	p.emit(x86.VPHADDD(second, first, first))
	p.emit(x86.VEXTRACTI128(operand.Imm(1), first, upper))
	p.emit(x86.VPADDD(upper, first.AsX(), upper))
	if n == 1 {
		p.emit(x86.VMOVD(upper, out))
	} else {
		p.emit(x86.VMOVDQU(upper, out))
	}
}
