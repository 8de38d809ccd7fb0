package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if !testing.Short() {
		if bin, err := build(); err == nil { // built by some test, or quick
			os.RemoveAll(filepath.Dir(bin))
		}
	}
	os.Exit(code)
}
