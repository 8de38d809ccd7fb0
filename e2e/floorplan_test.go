package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floorPlan is every package and what it may import of this module. Imports
// run one way; above all replication and fsm never know each other.
var floorPlan = map[string][]string{
	"cmd/kissvdb":       {"api", "node", "fsm/event", "fsm/vector", "fault", "cmd/kissvdb/bench"},
	"cmd/kissvdb/bench": {},

	"api":         {"node", "fsm", "fsm/state", "fsm/vector", "fsm/filter", "fsm/event", "fsm/record", "fault"},
	"node":        {"replication", "fsm", "fsm/state", "fsm/vector", "fsm/filter", "fsm/event", "fsm/record", "fault"},
	"replication": {"fault"},

	"fsm":         {"fsm/state", "fsm/vector", "fsm/event", "fsm/record", "fault"},
	"fsm/state":   {"fsm/record", "fault"},
	"fsm/event":   {"fsm/durable", "fsm/record", "fault"},
	"fsm/durable": {},
	"fsm/filter":  {"fault"},
	"fsm/record":  {"fault"},

	"fsm/vector":            {"fsm/durable", "fsm/filter", "fsm/vector/hnsw", "fsm/vector/sq8", "fsm/vector/kernel", "fsm/vector/memory", "fsm/record", "fault"},
	"fsm/vector/hnsw":       {"fsm/vector/sq8", "fsm/vector/kernel", "fsm/vector/memory"},
	"fsm/vector/sq8":        {"fsm/vector/kernel"},
	"fsm/vector/kernel":     {},
	"fsm/vector/memory":     {},
	"fsm/vector/kernel/gen": {},

	"fault": {},
	"e2e":   {"api", "node", "fsm", "fsm/state", "fsm/vector", "fsm/filter", "fsm/event", "fsm/record", "fault"},
}

// topFolders is every folder of the repository's root but those with a dot.
// data is what a local cluster leaves behind; it is not in the repository.
var topFolders = []string{"api", "cmd", "data", "docs", "e2e", "fault", "fsm", "node", "replication"}

func TestFloorPlan(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(pkg.ImportPath, module)
		allowed, listed := floorPlan[name]
		if !listed {
			t.Errorf("%s is not in the floor plan", name)
			continue
		}
		for _, path := range slices.Concat(pkg.Imports, pkg.TestImports, pkg.XTestImports) {
			dep, ours := strings.CutPrefix(path, module)
			if ours && dep != name && !slices.Contains(allowed, dep) {
				t.Errorf("%s must not import %s", name, dep)
			}
		}
	}
}

func TestTopFolders(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topFolders, e.Name()) {
			t.Errorf("folder %s is not in the floor plan", e.Name())
		}
	}
}
