package replication

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hashicorp/raft"
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

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// attach attaches the whole file at path, as it is now.
func attach(t *testing.T, sink *snapshotSink, path string) error {
	t.Helper()
	f := openFile(t, path)
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
	return finish(t, sink)
}

// snapshotOf attaches the first size bytes of f.
func snapshotOf(t *testing.T, s *snapshotStore, index uint64, f *os.File, size int64) (id string) {
	t.Helper()
	sink := createSnapshot(t, s, index, 1)
	if err := sink.Attach(f, size); err != nil {
		t.Fatal(err)
	}
	return finish(t, sink)
}

func finish(t *testing.T, sink *snapshotSink) (id string) {
	t.Helper()
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

// appendFile appends to the file at path, in place.
func appendFile(t *testing.T, path, more string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(more); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
