package replication

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSnapshotListsNewestFirstAndKeepsTwo(t *testing.T) {
	dir := t.TempDir()
	s := openTestSnapshots(t, dir)
	takeSnapshot(t, s, 9, 1, "old")
	second := takeSnapshot(t, s, 10, 1, "2")
	third := takeSnapshot(t, s, 5, 2, "3") // a newer term counts more than the index
	if got := listed(t, s); !slices.Equal(got, []string{third, second}) {
		t.Errorf("list = %v", got)
	}
	twin := takeSnapshot(t, s, 5, 2, "4")
	if twin == third {
		t.Fatal("two snapshots have one id")
	}
	if got := listed(t, s); !slices.Equal(got, []string{twin, third}) {
		t.Errorf("list = %v", got)
	}
	if got := folders(t, dir); len(got) != 2 {
		t.Errorf("folders = %v", got)
	}
}

func TestSnapshotIsNotReapedWhileRead(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	data := strings.Repeat("x", 1<<20)
	id := takeSnapshot(t, s, 1, 1, data, writeFile(t, t.TempDir(), "segment", "sealed"))
	var readers []io.ReadCloser
	for range 2 {
		_, r, err := s.Open(id)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	if _, err := io.CopyN(io.Discard, readers[0], 10); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(3) {
		takeSnapshot(t, s, 2+i, 1, "new")
	}
	if got := folders(t, s.dir); len(got) != 3 || !slices.Contains(got, id) {
		t.Fatalf("folders = %v", got)
	}
	for i, r := range readers {
		rest, err := io.ReadAll(r)
		if want := len(data) + len("sealed") - 10*(1-i); err != nil || len(rest) != want {
			t.Errorf("reader %d: %d bytes, %v", i, len(rest), err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		if kept := slices.Contains(folders(t, s.dir), id); kept != (i == 0) {
			t.Errorf("after closing reader %d: kept = %v", i, kept)
		}
	}
}

func TestSnapshotTrim(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	if err := s.trim(t.Context()); err != nil {
		t.Fatalf("without any: %v", err)
	}
	takeSnapshot(t, s, 1, 1, "1")
	read := takeSnapshot(t, s, 2, 1, "2")
	_, r, err := s.Open(read)
	if err != nil {
		t.Fatal(err)
	}
	newest := takeSnapshot(t, s, 3, 1, "3")
	for range 2 {
		if err := s.trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := folders(t, s.dir); !slices.Equal(got, []string{read, newest}) {
			t.Errorf("folders = %v", got)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := folders(t, s.dir); !slices.Equal(got, []string{newest}) {
		t.Errorf("folders after the reader ended = %v", got)
	}
	// From now on there are two again.
	takeSnapshot(t, s, 4, 1, "4")
	if got := folders(t, s.dir); len(got) != 2 {
		t.Errorf("folders = %v", got)
	}
}

// TestSnapshotTrimKeepsWhatIsNeeded: the older ones stay when the newest is
// damaged, or could not be read to its end.
func TestSnapshotTrimKeepsWhatIsNeeded(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	takeSnapshot(t, s, 1, 1, "1")
	newest := takeSnapshot(t, s, 2, 1, "2")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.trim(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	writeFile(t, filepath.Join(s.dir, newest), snapshotDataFile, "x")
	if err := s.trim(t.Context()); !errors.Is(err, errSnapshotDamaged) {
		t.Errorf("err = %v", err)
	}
	if got := folders(t, s.dir); len(got) != 2 {
		t.Errorf("folders = %v", got)
	}
}

// TestSnapshotAfterTheClockWentBack: of two snapshots of one entry the one
// that was taken later is the newer.
func TestSnapshotAfterTheClockWentBack(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	future := snapshotName{term: 1, index: 1, millis: 1 << 50}
	if err := os.Mkdir(filepath.Join(s.dir, future.String()), 0o700); err != nil {
		t.Fatal(err)
	}
	id := takeSnapshot(t, s, 1, 1, "1")
	if n, ok := parseSnapshotName(id); !ok || n.compare(future) <= 0 {
		t.Errorf("%s is older than %s", id, future)
	}
}
