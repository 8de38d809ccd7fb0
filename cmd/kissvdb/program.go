package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The exit codes of the program.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Program is one run of kissvdb: what the process gives it, as values, so that
// tests run it in process.
type Program struct {
	Args    []string // without the program's name
	Environ []string // "NAME=value"
	Stdout  io.Writer
	Stderr  io.Writer
}

// Run does what the command line says until it is done or ctx ends, and
// returns the exit code. Whatever failed is told in one line on Stderr.
func (p *Program) Run(ctx context.Context) int {
	verb, err := parse(p.Args, newEnvironment(p.Environ), p.Stdout)
	if err == nil && verb != nil {
		err = verb.Run(ctx, p)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(p.Stderr, "kissvdb: %s\n", strings.Join(strings.FieldsFunc(err.Error(), isControl), "; "))
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}
