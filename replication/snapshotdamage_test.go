package replication

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// TestSnapshotFlippedBits flips bits in every byte of every file, one at a time: the
// snapshot is either not listed, or its reader fails before it has handed out
// as many bytes as the snapshot has, or (in the white space or the letter
// case of meta.json, say) nothing has changed.
func TestSnapshotFlippedBits(t *testing.T) {
	dir, src := t.TempDir(), t.TempDir()
	s := openTestSnapshots(t, dir)
	want := "data" + "one" + "two"
	id := takeSnapshot(t, s, 1, 1, "data", writeFile(t, src, "1", "one"), writeFile(t, src, "2", "two"))
	before, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range folders(t, filepath.Join(dir, id)) {
		path := filepath.Join(dir, id, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if name == snapshotMetaFile {
			step = 9 // every byte, another bit of each
		}
		for bit := 0; bit < len(good)*8; bit += step {
			bad := slices.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			after := listed(t, s)
			if name != snapshotMetaFile && len(after) != 1 {
				t.Fatalf("%s: the snapshot is not listed", name)
			}
			_, r, err := s.Open(id)
			if err != nil {
				continue
			}
			got, err := io.ReadAll(r)
			_ = r.Close()
			switch {
			case name != snapshotMetaFile && (err == nil || !errors.Is(err, errSnapshotDamaged) || len(got) >= len(want)):
				t.Fatalf("%s bit %d: read %q, %v", name, bit, got, err)
			case name == snapshotMetaFile && err == nil:
				metas, err := s.List()
				if err != nil || len(metas) != 1 || fmt.Sprint(*metas[0]) != fmt.Sprint(*before[0]) || string(got) != want {
					t.Fatalf("%s bit %d: silently another snapshot: %+v", name, bit, metas[0])
				}
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := readSnapshot(t, s, id); err != nil || got != want {
		t.Errorf("%q %v", got, err)
	}
}

// TestSnapshotDamageOfOneByteReads: also a consumer that reads byte by byte
// never gets the last bytes of a damaged file.
func TestSnapshotDamageOfOneByteReads(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	id := takeSnapshot(t, s, 1, 1, "0123456789")
	writeFile(t, filepath.Join(s.dir, id), snapshotDataFile, "x123456789")
	_, r, err := s.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(iotest.OneByteReader(r))
	if !errors.Is(err, errSnapshotDamaged) || len(got) != 9 {
		t.Errorf("%q %v", got, err)
	}
}

// TestSnapshotLongerFiles: only what was attached may have grown.
func TestSnapshotLongerFiles(t *testing.T) {
	for name, want := range map[string]int{"001.part": 1, snapshotDataFile: 0, snapshotMetaFile: 0} {
		s := openTestSnapshots(t, t.TempDir())
		id := takeSnapshot(t, s, 1, 1, "data", writeFile(t, t.TempDir(), "segment", "sealed"))
		appendFile(t, filepath.Join(s.dir, id, name), "x")
		if got := listed(t, s); len(got) != want {
			t.Errorf("%s: list = %v", name, got)
		}
	}
}

func TestSnapshotFallsBackToTheOlder(t *testing.T) {
	for _, name := range []string{snapshotMetaFile, snapshotDataFile, "001.part"} {
		for damage, apply := range map[string]func(path string) error{
			"missing": os.Remove,
			"short":   func(path string) error { return os.Truncate(path, 1) },
		} {
			t.Run(name+" "+damage, func(t *testing.T) {
				s := openTestSnapshots(t, t.TempDir())
				part := writeFile(t, t.TempDir(), "segment", "sealed")
				oldest := takeSnapshot(t, s, 1, 1, "older", part)
				newest := takeSnapshot(t, s, 2, 1, "newer", part)
				path := filepath.Join(s.dir, newest, name)
				if name == "001.part" { // it must not lose its link with the other's
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
					writeFile(t, filepath.Dir(path), name, "sealed")
				}
				if err := apply(path); err != nil {
					t.Fatal(err)
				}
				if got := listed(t, s); !slices.Equal(got, []string{oldest}) {
					t.Fatalf("list = %v", got)
				}
				if _, _, err := s.Open(newest); err == nil {
					t.Error("the damaged one was opened")
				}
				// It goes when two intact ones are newer.
				takeSnapshot(t, s, 3, 1, "3", part)
				takeSnapshot(t, s, 4, 1, "4", part)
				if got := folders(t, s.dir); len(got) != 2 {
					t.Errorf("folders = %v", got)
				}
			})
		}
	}
}

func FuzzSnapshotMeta(f *testing.F) {
	dir := f.TempDir()
	if err := (snapshotMeta{Format: snapshotFormat, Version: 1, ID: "1-1-1", Files: []snapshotFile{{Name: "data"}}}).write(dir); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, snapshotMetaFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeSnapshotMeta(b)
		for _, file := range m.Files {
			if err == nil && strings.ContainsAny(file.Name, "/\x00") {
				t.Errorf("file %q", file.Name)
			}
		}
	})
}
