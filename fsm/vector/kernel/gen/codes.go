package main

import (
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// codes256 multiplies unsigned with signed bytes: pairs of products as 16 bits,
// which can not overflow, pairs of those as 32 bits.
type codes256 struct {
	*assembler
	ones reg.Register // in every 16 bits
	sums []reg.Register
}

func (p *codes256) doc() string    { return "needs AVX2." }
func (p *codes256) querySize() int { return 1 }
func (p *codes256) outSize() uint8 { return 4 }

func (p *codes256) prepare() {
	p.ones = p.YMM()
	p.emit(x86.VPCMPEQW(p.ones, p.ones, p.ones))
	p.emit(x86.VPSRLW(operand.Imm(15), p.ones, p.ones))
}

func (p *codes256) begin(rows int) {
	p.sums = nil
	for range rows {
		sum := p.YMM()
		p.emit(x86.VPXOR(sum, sum, sum))
		p.sums = append(p.sums, sum)
	}
}

func (p *codes256) line(query operand.Mem, rows []operand.Mem) {
	p.half(query, rows)
	second := make([]operand.Mem, len(rows))
	for i, row := range rows {
		second[i] = row.Offset(line / 2)
	}
	p.half(query.Offset(line/2), second)
}

func (p *codes256) half(query operand.Mem, rows []operand.Mem) {
	factor := p.YMM()
	p.emit(x86.VMOVDQU(query, factor))
	for i, row := range rows {
		codes := p.YMM()
		p.emit(x86.VMOVDQU(row, codes))
		p.emit(x86.VPMADDUBSW(factor, codes, codes))
		p.emit(x86.VPMADDWD(p.ones, codes, codes))
		p.emit(x86.VPADDD(codes, p.sums[i], p.sums[i]))
	}
}

func (p *codes256) end(out operand.Mem) { storeInts(p.assembler, p.sums, out) }

// codes512 multiplies and adds four bytes at once.
type codes512 struct {
	*assembler
	mask reg.Register // of the first 32 bytes
	sums []reg.Register
}

func (p *codes512) doc() string    { return "needs AVX-512 F and VNNI." }
func (p *codes512) querySize() int { return 1 }
func (p *codes512) outSize() uint8 { return 4 }
func (p *codes512) prepare()       { p.mask = lowerHalf(p.assembler) }

func (p *codes512) begin(rows int) {
	p.sums = nil
	for range rows {
		sum := p.ZMM()
		p.emit(x86.VPXORD(sum, sum, sum))
		p.sums = append(p.sums, sum)
	}
}

func (p *codes512) line(query operand.Mem, rows []operand.Mem) {
	factor := p.ZMM()
	p.emit(x86.VMOVDQU32(query, factor))
	for i, row := range rows {
		codes := p.ZMM()
		p.emit(x86.VMOVDQU32(row, codes))
		p.emit(vpdpbusd(factor, codes, p.sums[i]))
	}
}

func (p *codes512) half(query operand.Mem, rows []operand.Mem) {
	factor := p.ZMM()
	p.emit(x86.VMOVDQU32_Z(query, p.mask, factor))
	for i, row := range rows {
		codes := p.ZMM()
		p.emit(x86.VMOVDQU32_Z(row, p.mask, codes))
		p.emit(vpdpbusd(factor, codes, p.sums[i]))
	}
}

func (p *codes512) end(out operand.Mem) {
	halves := make([]reg.Register, len(p.sums))
	for i, sum := range p.sums {
		halves[i] = p.YMM()
		p.emit(x86.VEXTRACTI64X4(operand.Imm(1), sum, halves[i]))
		p.emit(x86.VPADDD(sum.(reg.VecVirtual).AsY(), halves[i], halves[i]))
	}
	storeInts(p.assembler, halves, out)
}

// vpdpbusd adds products of signed with unsigned bytes to sum, in fours. This
// version of avo does not know the instruction.
func vpdpbusd(signed, unsigned, sum reg.Register) (*ir.Instruction, error) {
	return &ir.Instruction{
		Opcode:   "VPDPBUSD",
		Operands: []operand.Op{signed, unsigned, sum},
		Inputs:   []operand.Op{signed, unsigned, sum},
		Outputs:  []operand.Op{sum},
		ISA:      []string{"AVX512VNNI"},
	}, nil
}

// lowerHalf returns a mask of the first eight of sixteen lanes.
func lowerHalf(a *assembler) reg.Register {
	bits, mask := a.GP32(), a.K()
	a.emit(x86.MOVL(operand.U32(0xff), bits))
	a.emit(x86.KMOVW(bits, mask))
	return mask
}

// storeInts stores the sums of the lanes of one or four registers.
func storeInts(a *assembler, sums []reg.Register, out operand.Mem) {
	first, second := a.YMM(), a.YMM()
	a.emit(x86.VPHADDD(sums[1%len(sums)], sums[0], first))
	a.emit(x86.VPHADDD(sums[3%len(sums)], sums[2%len(sums)], second))
	a.emit(x86.VPHADDD(second, first, first))
	upper := a.XMM()
	a.emit(x86.VEXTRACTI128(operand.Imm(1), first, upper))
	a.emit(x86.VPADDD(upper, first.AsX(), upper))
	if len(sums) == 1 {
		a.emit(x86.VMOVD(upper, out))
		return
	}
	a.emit(x86.VMOVDQU(upper, out))
}
