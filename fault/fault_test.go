package fault_test

import (
	"fmt"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
)

func TestCodeOfWrapped(t *testing.T) {
	err := fmt.Errorf("put: %w", fault.New(fault.RevisionMismatch, "revision is %d", 3))
	if got := fault.CodeOf(err); got != fault.RevisionMismatch {
		t.Fatalf("CodeOf = %v", got)
	}
	if got := fault.CodeOf(fmt.Errorf("plain")); got != fault.Internal {
		t.Fatalf("CodeOf(plain) = %v", got)
	}
}

// TestEveryCodeHasOneName fails when a code is added without its name.
func TestEveryCodeHasOneName(t *testing.T) {
	seen := map[string]fault.Code{}
	for _, c := range fault.Codes() {
		if c.String() == "" {
			t.Errorf("code %d has no name", c)
		}
		if other, dup := seen[c.String()]; dup {
			t.Errorf("codes %d and %d are both %q", c, other, c)
		}
		seen[c.String()] = c
	}
}

func TestAtCopies(t *testing.T) {
	e := fault.New(fault.NotFound, "key not found")
	at := e.At(7)
	if e.HasOffset || !at.HasOffset || at.Offset != 7 {
		t.Fatalf("e = %+v, at = %+v", e, at)
	}
}
