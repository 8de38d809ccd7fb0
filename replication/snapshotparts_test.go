package replication

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
)

func TestSnapshotFailedAttachLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openTestSnapshots(t, dir)
	sink := createSnapshot(t, s, 1, 1)
	f := openFile(t, writeFile(t, t.TempDir(), "segment", "sealed"))
	for _, size := range []int64{-1, 7} {
		if err := sink.Attach(f, size); err == nil {
			t.Errorf("%d bytes of six were attached", size)
		}
	}
	if err := sink.Cancel(); err != nil || len(folders(t, dir)) != 0 {
		t.Errorf("%v %v", err, folders(t, dir))
	}
}

func TestSnapshotPartsAreLinks(t *testing.T) {
	dir := t.TempDir()
	s := openTestSnapshots(t, filepath.Join(dir, "snapshots"))
	part := writeFile(t, dir, "segment", "sealed")
	id := takeSnapshot(t, s, 1, 1, "d", part)
	a, errA := os.Stat(part)
	b, errB := os.Stat(filepath.Join(s.dir, id, "001.part"))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Error("the part is a copy")
	}
	if err := os.Remove(part); err != nil { // retention takes the original away
		t.Fatal(err)
	}
	if got, err := readSnapshot(t, s, id); err != nil || got != "dsealed" {
		t.Errorf("%q %v", got, err)
	}
}

func TestSnapshotCopiesWhereLinksFail(t *testing.T) {
	path := writeFile(t, t.TempDir(), "segment", "sealed and more")
	for _, reason := range []error{syscall.EXDEV, syscall.EMLINK, syscall.EPERM} {
		s := openTestSnapshots(t, t.TempDir())
		s.link = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: reason} }
		id := snapshotOf(t, s, 1, openFile(t, path), 6)
		if got, err := readSnapshot(t, s, id); err != nil || got != "sealed" {
			t.Errorf("%v: %q %v", reason, got, err)
		}
	}
	s := openTestSnapshots(t, t.TempDir())
	s.link = func(string, string) error { return syscall.EIO }
	sink := createSnapshot(t, s, 1, 1)
	if err := attach(t, sink, path); !errors.Is(err, syscall.EIO) {
		t.Errorf("err = %v", err)
	}
	_ = sink.Cancel()
}

// TestSnapshotOfAFileThatLostItsName: the bytes are those of the file that
// was opened, whatever its name stands for when it is attached.
func TestSnapshotOfAFileThatLostItsName(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, path string) error{
		"removed": func(_ *testing.T, path string) error { return os.Remove(path) },
		"renamed": func(_ *testing.T, path string) error { return os.Rename(path, path+".old") },
		"replaced": func(t *testing.T, path string) error {
			return os.Rename(writeFile(t, filepath.Dir(path), "new", "another file"), path)
		},
		"symbolic link": func(_ *testing.T, path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Symlink(path+".old", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTestSnapshots(t, t.TempDir())
			f := openFile(t, writeFile(t, t.TempDir(), "vectors.bin", "0123456789"))
			if err := lose(t, f.Name()); err != nil {
				t.Fatal(err)
			}
			id := snapshotOf(t, s, 1, f, 8)
			if got, err := readSnapshot(t, s, id); err != nil || got != "01234567" {
				t.Errorf("%q %v", got, err)
			}
			info, err := os.Lstat(filepath.Join(s.dir, id, "001.part"))
			if err != nil || info.Size() != 8 || !info.Mode().IsRegular() {
				t.Errorf("the part is no copy: %v %v", info, err)
			}
			if got := folders(t, filepath.Join(s.dir, id)); len(got) != 3 {
				t.Errorf("files = %v", got)
			}
		})
	}
}

// TestSnapshotPartMayGrow: what is appended after Attach is in no snapshot
// but the next, and damages none.
func TestSnapshotPartMayGrow(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	path := writeFile(t, t.TempDir(), "vectors.bin", "0123")
	sink := createSnapshot(t, s, 1, 1)
	appendFile(t, path, "45") // between freeze and attach
	if err := sink.Attach(openFile(t, path), 4); err != nil {
		t.Fatal(err)
	}
	appendFile(t, path, "67")
	older := finish(t, sink)
	appendFile(t, path, "89")
	newer := snapshotOf(t, s, 2, openFile(t, path), 8)
	appendFile(t, path, "ab")
	s = openTestSnapshots(t, s.dir)
	if got := listed(t, s); !slices.Equal(got, []string{newer, older}) {
		t.Errorf("list = %v", got)
	}
	for id, want := range map[string]string{older: "0123", newer: "01234567"} {
		if got, err := readSnapshot(t, s, id); err != nil || got != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
}

// TestSnapshotTruncatedPart: a file that became shorter than the newest
// snapshot needs is damage, and the older one, which needs less, will do.
func TestSnapshotTruncatedPart(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	path := writeFile(t, t.TempDir(), "vectors.bin", "01234567")
	older := snapshotOf(t, s, 1, openFile(t, path), 4)
	newer := snapshotOf(t, s, 2, openFile(t, path), 8)
	if err := os.Truncate(path, 6); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s); !slices.Equal(got, []string{older}) {
		t.Errorf("list = %v", got)
	}
	if _, _, err := s.Open(newer); !errors.Is(err, errSnapshotDamaged) {
		t.Errorf("open: %v", err)
	}
	if got, err := readSnapshot(t, s, older); err != nil || got != "0123" {
		t.Errorf("%q %v", got, err)
	}
	appendFile(t, path, "xx") // it grew again, with other bytes
	if got, err := readSnapshot(t, s, newer); !errors.Is(err, errSnapshotDamaged) {
		t.Errorf("%q %v", got, err)
	}
}

// TestSnapshotOfManySteps attaches more than is sent to the disk at once, as
// a link, as its continuation from an odd place, and as a copy.
func TestSnapshotOfManySteps(t *testing.T) {
	const size = 2*flushStep + attachBuffer + 5
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	f := openFile(t, writeFile(t, t.TempDir(), "vectors.bin", string(b)))
	linked, copied := openTestSnapshots(t, t.TempDir()), openTestSnapshots(t, t.TempDir())
	copied.link = func(string, string) error { return syscall.EXDEV }
	for _, s := range []*snapshotStore{linked, copied} {
		for i, n := range []int64{flushStep/2 + 1, size} {
			id := snapshotOf(t, s, uint64(i+1), f, n)
			if got, err := readSnapshot(t, s, id); err != nil || got != string(b[:n]) {
				t.Errorf("%d of %d bytes, %v", len(got), n, err)
			}
		}
	}
}

// TestSnapshotCopyNeedsRoom: a copy does not eat into the disk's reserve.
func TestSnapshotCopyNeedsRoom(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	s.link = func(string, string) error { return syscall.EXDEV }
	sink := createSnapshot(t, s, 1, 1)
	s.free = func(string) (uint64, error) { return snapshotReserve - 1, nil }
	if err := attach(t, sink, writeFile(t, t.TempDir(), "segment", "sealed")); !fault.Is(err, fault.InsufficientStorage) {
		t.Errorf("err = %v", err)
	}
	_ = sink.Cancel()
}
