package event

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const goldenHead = 44

// TestGoldenFormats reads a directory and a snapshot of version 1. What is
// not compressed must also be written with the same bytes.
func TestGoldenFormats(t *testing.T) {
	m, cfg := maker{value: 300}, testConfig(t.TempDir())
	if *update {
		writeGolden(t, cfg, m)
	}
	cfg.Dir = t.TempDir()
	copyDir(t, filepath.Join("testdata", "v1", "segments"), cfg.Dir)
	if names := files(t, cfg.Dir); len(names) != 2 || filepath.Ext(names[0]) != ".zst" || filepath.Ext(names[1]) != ".log" {
		t.Fatalf("golden files %v", names)
	}
	l := open(t, cfg)
	wantHistory(t, l, m, 1, goldenHead)

	active := l.active
	want, err := os.ReadFile(active.path)
	if err != nil {
		t.Fatal(err)
	}
	got := appendHeader(nil, rawMagic, active.first, m.chain(active.first-1))
	for offset := active.first; offset <= goldenHead; offset++ {
		e := m.event(offset)
		got = appendFrame(got, &e)
	}
	if !bytes.Equal(got, want) {
		t.Error("raw segment differs from the golden file")
	}

	stream, err := os.ReadFile(filepath.Join("testdata", "v1", "snapshot"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", t.TempDir()} {
		other := open(t, testConfig(dir))
		if err := restore(other, bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, other, m, 1, goldenHead)
	}
}

func writeGolden(t *testing.T, cfg Config, m maker) {
	t.Helper()
	l := open(t, cfg)
	fill(t, l, m, goldenHead, 1)
	awaitSealed(t, l)
	f := l.Freeze()
	stream := snapshot(t, f)
	f.Release()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("testdata", "v1")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	copyDir(t, cfg.Dir, filepath.Join(dir, "segments"))
	if err := os.WriteFile(filepath.Join(dir, "snapshot"), stream, 0o644); err != nil {
		t.Fatal(err)
	}
}
