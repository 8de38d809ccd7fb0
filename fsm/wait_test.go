package fsm

import (
	"runtime"
	"testing"
	"time"
)

// waitFor returns once fact holds, and fails the test if it does not in time.
func waitFor(t *testing.T, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !fact(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in time")
		}
	}
}
