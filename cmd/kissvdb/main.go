// Command kissvdb is a node of a replicated store, and the tools around it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end. From then on signals do what
	// they do by default, so a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	program := Program{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(program.Run(ctx))
}
