package e2e

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(buildDir())
	os.Exit(code)
}
