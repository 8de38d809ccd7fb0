package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/hashicorp/raft"

	"github.com/kissvdb/kissvdb/fault"
)

// plenty of room is left everywhere.
func plenty(string) (uint64, error) { return 1 << 40, nil }

func openTestSnapshots(t *testing.T, dir string) *snapshotStore {
	t.Helper()
	s, err := openSnapshots(dir, 2, plenty, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var testConfiguration = raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "a:1"}, {ID: "n2", Address: "b:2", Suffrage: raft.Nonvoter}}}

func createSnapshot(t *testing.T, s *snapshotStore, index, term uint64) *snapshotSink {
	t.Helper()
	sink, err := s.Create(1, index, term, testConfiguration, index-1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sink.(*snapshotSink)
}

// attach attaches the whole file at path, as it is now.
func attach(t *testing.T, sink *snapshotSink, path string) error {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return sink.Attach(f, info.Size())
}

// takeSnapshot writes data and attaches files.
func takeSnapshot(t *testing.T, s *snapshotStore, index, term uint64, data string, files ...string) (id string) {
	t.Helper()
	sink := createSnapshot(t, s, index, term)
	if _, err := io.Copy(sink, iotest.HalfReader(strings.NewReader(data))); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := attach(t, sink, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	return sink.ID()
}

func readSnapshot(t *testing.T, s *snapshotStore, id string) (string, error) {
	t.Helper()
	meta, r, err := s.Open(id)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	if err == nil && int64(len(b)) != meta.Size {
		t.Errorf("size is %d, content %d bytes", meta.Size, len(b))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return string(b), err
}

func listed(t *testing.T, s *snapshotStore) (ids []string) {
	t.Helper()
	metas, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metas {
		ids = append(ids, m.ID)
	}
	return ids
}

func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSnapshotRoundTrip(t *testing.T) {
	src := t.TempDir()
	big := strings.Repeat("0123456789abcdef", 100_000)
	tests := []struct {
		name  string
		data  string
		files []string
	}{
		{name: "empty"},
		{name: "data only", data: big},
		{name: "data and parts", data: "head", files: []string{"one", big, "", "three"}},
		{name: "parts only", files: []string{"a", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			for i, content := range tt.files {
				paths = append(paths, writeFile(t, src, fmt.Sprintf("%s-%d", tt.name, i), content))
			}
			s := openTestSnapshots(t, dir)
			id := takeSnapshot(t, s, 10, 3, tt.data, paths...)
			want := tt.data + strings.Join(tt.files, "")
			for range 2 {
				got, err := readSnapshot(t, s, id)
				if err != nil || got != want {
					t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(want))
				}
				s = openTestSnapshots(t, dir)
			}
			metas, err := s.List()
			if err != nil || len(metas) != 1 {
				t.Fatalf("list: %v %v", metas, err)
			}
			m := metas[0]
			if m.Index != 10 || m.Term != 3 || m.Version != 1 || m.ConfigurationIndex != 9 || m.Size != int64(len(want)) ||
				!slices.Equal(m.Configuration.Servers, testConfiguration.Servers) {
				t.Errorf("meta = %+v", m)
			}
		})
	}
}

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

func TestSnapshotCloseAndCancel(t *testing.T) {
	dir := t.TempDir()
	s := openTestSnapshots(t, dir)
	sink := createSnapshot(t, s, 1, 1)
	if len(listed(t, s)) != 0 {
		t.Error("listed before Close")
	}
	for range 2 {
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Cancel(); err != nil || len(listed(t, s)) != 1 {
		t.Errorf("Cancel after Close: %v, %v", err, listed(t, s))
	}
	sink = createSnapshot(t, s, 2, 1)
	if err := attach(t, sink, writeFile(t, t.TempDir(), "x", "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write([]byte("late")); !errors.Is(err, errSnapshotSequence) {
		t.Errorf("write after attach: %v", err)
	}
	for range 2 {
		if err := sink.Cancel(); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	if got := folders(t, dir); len(got) != 1 {
		t.Errorf("folders = %v", got)
	}
	if err := sink.Attach(nil, 0); !errors.Is(err, errSnapshotSequence) {
		t.Errorf("attach after cancel: %v", err)
	}
	if _, err := s.Create(0, 1, 1, testConfiguration, 1, nil); err == nil {
		t.Error("version 0 was accepted")
	}
}

func TestSnapshotFailedAttachLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openTestSnapshots(t, dir)
	sink := createSnapshot(t, s, 1, 1)
	f, err := os.Open(writeFile(t, t.TempDir(), "segment", "sealed"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int64{-1, 7} {
		if err := sink.Attach(f, size); err == nil {
			t.Errorf("%d bytes of six were attached", size)
		}
	}
	if err := sink.Cancel(); err != nil || len(folders(t, dir)) != 0 {
		t.Errorf("%v %v", err, folders(t, dir))
	}
}

func TestSnapshotCrashLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := openTestSnapshots(t, dir)
	id := takeSnapshot(t, s, 1, 1, "whole")
	sink := createSnapshot(t, s, 2, 1)
	if _, err := sink.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	// The process ends here; another opens the folder.
	s = openTestSnapshots(t, dir)
	if got := folders(t, dir); !slices.Equal(got, []string{id}) {
		t.Errorf("folders = %v", got)
	}
	if got, err := readSnapshot(t, s, id); err != nil || got != "whole" {
		t.Errorf("%q %v", got, err)
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
	for _, reason := range []error{syscall.EXDEV, syscall.EMLINK, syscall.EPERM} {
		s := openTestSnapshots(t, t.TempDir())
		s.link = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: reason} }
		id := takeSnapshot(t, s, 1, 1, "d", writeFile(t, t.TempDir(), "segment", "sealed"))
		if got, err := readSnapshot(t, s, id); err != nil || got != "dsealed" {
			t.Errorf("%v: %q %v", reason, got, err)
		}
	}
	s := openTestSnapshots(t, t.TempDir())
	s.link = func(string, string) error { return syscall.EIO }
	sink := createSnapshot(t, s, 1, 1)
	if err := attach(t, sink, writeFile(t, t.TempDir(), "segment", "sealed")); !errors.Is(err, syscall.EIO) {
		t.Errorf("err = %v", err)
	}
	_ = sink.Cancel()
}

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

func TestSnapshotNeedsRoom(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	room := uint64(snapshotReserve)
	s.free = func(string) (uint64, error) { return room, nil }
	sink := createSnapshot(t, s, 1, 1)
	room--
	if _, err := s.Create(1, 2, 1, testConfiguration, 1, nil); !fault.Is(err, fault.InsufficientStorage) {
		t.Errorf("create: %v", err)
	}
	_, err := io.Copy(sink, io.LimitReader(zeros{}, roomStep+1))
	if !fault.Is(err, fault.InsufficientStorage) {
		t.Errorf("write: %v", err)
	}
	if err := sink.Cancel(); err != nil || len(folders(t, s.dir)) != 0 {
		t.Errorf("%v %v", err, folders(t, s.dir))
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestSnapshotConcurrently takes, lists and reads at once: whatever is listed
// and can be opened is whole.
func TestSnapshotConcurrently(t *testing.T) {
	s := openTestSnapshots(t, t.TempDir())
	part := writeFile(t, t.TempDir(), "segment", "sealed")
	done := make(chan struct{})
	finished := make(chan struct{})
	for range 3 {
		go func() {
			defer func() { finished <- struct{}{} }()
			for {
				select {
				case <-done:
					return
				default:
				}
				metas, err := s.List()
				if err != nil {
					t.Error(err)
					return
				}
				for _, m := range metas {
					_, r, err := s.Open(m.ID)
					if errors.Is(err, os.ErrNotExist) {
						continue // reaped meanwhile
					}
					if err != nil {
						t.Error(err)
						return
					}
					b, err := io.ReadAll(r)
					if err != nil || int64(len(b)) != m.Size || !bytes.HasSuffix(b, []byte("sealed")) {
						t.Errorf("%s: %d of %d bytes, %v", m.ID, len(b), m.Size, err)
					}
					_ = r.Close()
				}
			}
		}()
	}
	for i := range uint64(30) {
		takeSnapshot(t, s, i+1, 1, strings.Repeat("x", rand.IntN(100_000)), part)
	}
	close(done)
	for range 3 {
		<-finished
	}
	if got := folders(t, s.dir); len(got) != 2 {
		t.Errorf("folders = %v", got)
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
