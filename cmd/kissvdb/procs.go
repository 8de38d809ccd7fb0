package main

import (
	"os"
	"runtime"
)

// maxBuilders bounds the threads that build graphs of vectors.
const maxBuilders = 4

// addBuilders makes room for the threads that build graphs of vectors and
// returns how many there may be: as many as there are cores to use. Each gets a
// P of Go's scheduler beside those that serve requests, so that it is the
// operating system that decides who runs, and a request never waits for a P;
// the builders rest when they find that they are not alone. A GOMAXPROCS that
// the user has set stands.
func addBuilders() int {
	procs := runtime.GOMAXPROCS(0)
	builders := min(procs, maxBuilders)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(procs + builders)
	}
	return builders
}
