package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
)

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
