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

// program returns all kernels: every way to find rows with its arithmetic.
func program() (*ir.File, error) {
	a, err := newAssembler("!purego")
	if err != nil {
		return nil, err
	}
	kernel(a, "dotCodesAVX2", &byNumber{assembler: a}, &codes{assembler: a})
	kernel(a, "dotCodeRowsAVX2", &consecutive{assembler: a, values: "byte"}, &codes{assembler: a})
	kernel(a, "dotFloatsAVX2", &byPointer{assembler: a, results: "float32"}, &floats{assembler: a})
	kernel(a, "dotFloatRowsAVX2", &consecutive{assembler: a, values: "float32"}, &floats{assembler: a})
	kernel(a, "dotExactAVX2", &byPointer{assembler: a, results: "float64"}, &exact{assembler: a})
	return a.file, a.err
}
