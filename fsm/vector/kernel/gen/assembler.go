package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/buildtags"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// assembler collects functions. It does what avo's package build does, without
// a global context and without the modules that package needs to load types.
// Its first error stays.
type assembler struct {
	*reg.Collection
	file *ir.File
	fn   *ir.Function
	err  error
}

func newAssembler(constraint string) (*assembler, error) {
	c, err := buildtags.ParseConstraint(constraint)
	if err != nil {
		return nil, err
	}
	a := &assembler{Collection: reg.NewCollection(), file: ir.NewFile()}
	a.file.Constraints = buildtags.Constraints{c}
	return a, nil
}

// function starts a function.
func (a *assembler) function(name, signature, doc string) {
	s, err := gotypes.ParseSignature(signature)
	if err != nil {
		a.fail(err)
		return
	}
	a.fn = ir.NewFunction(name)
	a.fn.SetSignature(s)
	a.fn.Attributes = attr.NOSPLIT
	a.fn.Doc = []string{doc}
	a.fn.AddPragma("noescape")
	a.file.AddSection(a.fn)
}

// emit adds an instruction. It takes what the constructors of package x86 return.
func (a *assembler) emit(i *ir.Instruction, err error) {
	if err != nil {
		a.fail(fmt.Errorf("%s: %w", a.fn.Name, err))
		return
	}
	a.fn.AddInstruction(i)
}

func (a *assembler) label(name string) { a.fn.AddLabel(ir.Label(name)) }

func (a *assembler) param(name string) gotypes.Component {
	return a.fn.Signature.Params().Lookup(name)
}

// address returns where an argument is.
func (a *assembler) address(c gotypes.Component) operand.Mem {
	b, err := c.Resolve()
	if err != nil {
		a.fail(err)
		return operand.Mem{}
	}
	return b.Addr
}

// load copies an argument of 8 bytes to a register.
func (a *assembler) load(c gotypes.Component, to reg.Register) {
	a.emit(x86.MOVQ(a.address(c), to))
}

func (a *assembler) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// indexed returns the memory at base + index*scale.
func indexed(base, index reg.Register, scale uint8) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale}
}

// clear sets registers to zero.
func (a *assembler) clear(registers ...reg.Register) {
	for _, r := range registers {
		a.emit(x86.VPXOR(r, r, r))
	}
}
