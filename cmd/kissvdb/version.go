package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the release this source is, or becomes: the first of CHANGELOG.md.
const version = "0.1.0"

// versionCommand prints what is running.
type versionCommand struct{}

// Run implements run.
func (*versionCommand) Run(_ context.Context, p *Program) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = " " + setting.Value
			}
		}
	}
	_, err := fmt.Fprintf(p.Stdout, "kissvdb %s%s (%s %s/%s)\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
