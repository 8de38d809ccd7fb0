package replication

import (
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"testing"
)

// TestSnapshotKnownPartKeepsItsChecksum: a segment that was damaged after an
// older snapshot took it is found out, not blessed with a new checksum.
func TestSnapshotKnownPartKeepsItsChecksum(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	part := writeFile(t, t.TempDir(), "segment", "sealed")
	takeSnapshot(t, s, 1, 1, "", part)
	if err := os.WriteFile(part, []byte("sEaled"), 0o600); err != nil { // same inode
		t.Fatal(err)
	}
	id := takeSnapshot(t, s, 2, 1, "", part)
	if got, err := readSnapshot(t, s, id); !errors.Is(err, errSnapshotDamaged) {
		t.Errorf("%q %v", got, err)
	}
}

// TestSnapshotContinuesAChecksum: of a file that has grown only the new bytes
// are read. The old ones are damaged here: their old checksum is what is
// continued, and so whoever reads the snapshot finds out.
func TestSnapshotContinuesAChecksum(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	path := writeFile(t, t.TempDir(), "vectors.bin", "0123")
	snapshotOf(t, s, 1, openFile(t, path), 2)
	snapshotOf(t, s, 2, openFile(t, path), 4)
	if err := os.WriteFile(path, []byte("0X234567"), 0o600); err != nil { // same inode
		t.Fatal(err)
	}
	id := snapshotOf(t, s, 3, openFile(t, path), 7)
	m, err := readSnapshotMeta(s.dir, id)
	if err != nil {
		t.Fatal(err)
	}
	part := m.Files[1]
	if want := crc32.Checksum([]byte("0123456"), castagnoli); part.Size != 7 || part.Sum != want {
		t.Errorf("part = %+v, want the checksum %d", part, want)
	}
	if got, err := readSnapshot(t, s, id); !errors.Is(err, errSnapshotDamaged) {
		t.Errorf("%q %v", got, err)
	}
}

// TestSnapshotOfFewerBytesThanKnown: a snapshot that covers less of a file
// than the older ones has nothing to continue.
func TestSnapshotOfFewerBytesThanKnown(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	f := openFile(t, writeFile(t, t.TempDir(), "vectors.bin", "01234567"))
	for i, size := range []int64{8, 3, 0, 5} {
		id := snapshotOf(t, s, uint64(i+1), f, size)
		if got, err := readSnapshot(t, s, id); err != nil || got != "01234567"[:size] {
			t.Errorf("%d bytes: %q %v", size, got, err)
		}
	}
}

// TestSnapshotKeepsWhatItContinues: the snapshots whose checksums a sink may
// continue stay until it is closed, or another file could take the place of
// one of theirs.
func TestSnapshotKeepsWhatItContinues(t *testing.T) {
	for name, end := range map[string]func(*snapshotSink) error{
		"close": (*snapshotSink).Close, "cancel": (*snapshotSink).Cancel,
	} {
		t.Run(name, func(t *testing.T) {
			s := openTestSnapshots(t, t.TempDir())
			part := writeFile(t, t.TempDir(), "segment", "sealed")
			older := takeSnapshot(t, s, 1, 1, "", part)
			sink := createSnapshot(t, s, 2, 1)
			if err := attach(t, sink, part); err != nil {
				t.Fatal(err)
			}
			takeSnapshot(t, s, 3, 1, "", part)
			takeSnapshot(t, s, 4, 1, "", part)
			if got := folders(t, s.dir); !slices.Contains(got, older) {
				t.Errorf("folders = %v", got)
			}
			if err := end(sink); err != nil {
				t.Fatal(err)
			}
			if got := folders(t, s.dir); len(got) != 2 {
				t.Errorf("folders = %v", got)
			}
		})
	}
}
