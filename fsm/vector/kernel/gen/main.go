// Command gen writes the assembly of package kernel and its Go declarations.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

func main() {
	dir := flag.String("dir", ".", "folder to write to")
	flag.Parse()
	if err := generate(*dir); err != nil {
		log.New(os.Stderr, "gen: ", 0).Fatal(err)
	}
}

func generate(dir string) error {
	file, err := program()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return err
	}
	config := printer.Config{Name: "kernel/gen", Pkg: "kernel"}
	if err := write(filepath.Join(dir, "kernel_amd64.s"), printer.NewGoAsm(config), file); err != nil {
		return err
	}
	return write(filepath.Join(dir, "kernel_amd64.go"), printer.NewStubs(config), file)
}

func write(path string, p printer.Printer, file *ir.File) error {
	text, err := p.Print(file)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// program returns all kernels: every way to find rows with its arithmetic, for
// both sets of instructions.
func program() (*ir.File, error) {
	a, err := newAssembler("!purego")
	if err != nil {
		return nil, err
	}
	codes := func(wide bool) product {
		if wide {
			return &codes512{assembler: a}
		}
		return &codes256{assembler: a}
	}
	for _, set := range []struct {
		suffix string
		wide   bool
	}{{"AVX2", false}, {"AVX512", true}} {
		kernel(a, "dotCodes"+set.suffix, &byNumber{assembler: a}, codes(set.wide))
		kernel(a, "dotCodeRows"+set.suffix, &consecutive{assembler: a, element: "byte"}, codes(set.wide))
		kernel(a, "dotFloats"+set.suffix, &byPointer{assembler: a, out: "float32"}, newFloats(a, set.wide))
		kernel(a, "dotFloatRows"+set.suffix, &consecutive{assembler: a, element: "float32"}, newFloats(a, set.wide))
		kernel(a, "dotExact"+set.suffix, &byPointer{assembler: a, out: "float64"}, newExact(a, set.wide))
	}
	return a.file, a.err
}
