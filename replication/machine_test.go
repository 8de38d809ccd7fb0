package replication

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// tape is a state machine that keeps the entries it was given.
type tape struct {
	entries [][]byte
	err     error
}

func (t *tape) Frame(dst []byte, _ uint64, records [][]byte) []byte {
	return encodeList(dst, records)
}

func (t *tape) Apply(_, _ uint64, entry []byte) ([][]byte, error) {
	if t.err != nil {
		return nil, t.err
	}
	records, err := decodeList(entry)
	if err != nil {
		return nil, err
	}
	t.entries = append(t.entries, bytes.Clone(entry))
	return records, nil
}

func (t *tape) Snapshot() (func(io.Writer, func(*os.File, int64) error) error, func(), error) {
	frozen := encodeList(nil, t.entries)
	persist := func(w io.Writer, _ func(*os.File, int64) error) error {
		_, err := w.Write(frozen)
		return err
	}
	return persist, func() {}, nil
}

func (t *tape) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	t.entries, err = decodeList(b)
	return err
}

func dataEntry(index, term uint64, records ...[]byte) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: encodeList([]byte{entryData}, records)}
}

func TestMachineAppliesAndAdvances(t *testing.T) {
	m := &machine{sm: &tape{}, fatal: func(err error) { t.Fatal(err) }, adopt: func(clusterID) error { return nil }}
	id := newClusterID()
	responses := m.ApplyBatch([]*raft.Log{
		{Index: 2, Term: 1, Type: raft.LogCommand, Data: append([]byte{entryOpening}, id[:]...)},
		{Index: 3, Term: 1, Type: raft.LogConfiguration},
		dataEntry(4, 1, []byte("a"), []byte("b")),
	})
	a, ok := responses[2].(applied)
	if !ok || len(a.results) != 2 || a.term != 1 {
		t.Fatalf("response %+v", responses[2])
	}
	if m.cluster != id || m.applied.position() != (position{4, 1}) {
		t.Fatalf("cluster %s, applied %+v", m.cluster, m.applied.position())
	}
}

// TestMachineKeepsItsClusterID: a later opening entry, of a leader that drew
// an id before it knew the cluster's, changes nothing.
func TestMachineKeepsItsClusterID(t *testing.T) {
	adopted := 0
	m := &machine{sm: &tape{}, fatal: func(err error) { t.Fatal(err) }, adopt: func(clusterID) error { adopted++; return nil }}
	first, second := newClusterID(), newClusterID()
	for i, id := range []clusterID{first, second} {
		m.Apply(&raft.Log{Index: uint64(i + 1), Term: 1, Type: raft.LogCommand, Data: append([]byte{entryOpening}, id[:]...)})
	}
	if m.cluster != first || adopted != 1 {
		t.Fatalf("cluster %s, adopted %d times", m.cluster, adopted)
	}
}

// TestMachineStopsAtTheFirstError: nothing is applied after an I/O error, and
// no snapshot is taken.
func TestMachineStopsAtTheFirstError(t *testing.T) {
	var fatal error
	sm := &tape{err: errors.New("disk")}
	m := &machine{sm: sm, fatal: func(err error) { fatal = err }}
	if err, ok := m.Apply(dataEntry(1, 1, []byte("a"))).(error); !ok || !errors.Is(err, errMachineFailed) {
		t.Fatalf("response %v", err)
	}
	sm.err = nil
	m.Apply(dataEntry(2, 1, []byte("b")))
	if fatal == nil || len(sm.entries) != 0 || m.applied.position().index != 0 {
		t.Fatalf("fatal %v, applied %d entries", fatal, len(sm.entries))
	}
	if _, err := m.Snapshot(); err == nil {
		t.Fatal("a failed machine took a snapshot")
	}
}

func TestMachineRefusesUnknownEntries(t *testing.T) {
	for _, data := range [][]byte{nil, {99}, {entryOpening, 1, 2}} {
		failed := false
		m := &machine{sm: &tape{}, fatal: func(error) { failed = true }, adopt: func(clusterID) error { return nil }}
		m.Apply(&raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: data})
		if !failed {
			t.Errorf("entry % x was accepted", data)
		}
	}
}

func TestWatermarkWait(t *testing.T) {
	var w watermark
	done := make(chan error, 1)
	go func() { done <- w.wait(context.Background(), 3) }()
	for i := uint64(1); i <= 3; i++ {
		w.advance(position{index: i, term: 1})
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.advance(position{index: 2, term: 9})
	if w.position() != (position{3, 1}) {
		t.Fatal("the watermark went back")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := w.wait(ctx, 4); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("err = %v", err)
	}
}

func TestTruncateBoundsBytes(t *testing.T) {
	entry := func(size int) *raft.Log { return &raft.Log{Data: make([]byte, size)} }
	for _, c := range []struct {
		name  string
		sizes []int
		want  int
	}{
		{"none", nil, 0},
		{"small", []int{10, 10, 10}, 3},
		{"one too large stays", []int{maxAppendBytes + 1}, 1},
		{"large first", []int{maxAppendBytes + 1, 1}, 1},
		{"cut in the middle", []int{maxAppendBytes / 2, maxAppendBytes / 2, 1, 1}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var args raft.AppendEntriesRequest
			for _, s := range c.sizes {
				args.Entries = append(args.Entries, entry(s))
			}
			truncate(&args)
			if len(args.Entries) != c.want {
				t.Fatalf("%d entries, want %d", len(args.Entries), c.want)
			}
		})
	}
}
