package replication

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/hashicorp/raft"
)

// TestDeletedEntriesAreGone: the log answers only what lies between its first
// and its last index, whatever its segments still hold.
func TestDeletedEntriesAreGone(t *testing.T) {
	discard := func(string) (raft.SnapshotStore, error) { return raft.NewDiscardSnapshotStore(), nil }
	fatal := func(err error) { t.Error(err) }
	s, err := openStorage(t.TempDir(), newRaftLogger(slog.New(slog.DiscardHandler), "raft"), discard, fatal)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for i := range uint64(20) {
		if err := s.logs.StoreLog(&raft.Log{Index: i + 1, Term: 1, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.logs.DeleteRange(1, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.logs.DeleteRange(19, 20); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(22) {
		var l raft.Log
		err := s.logs.GetLog(i, &l)
		if there := 11 <= i && i <= 18; there && (err != nil || l.Index != i) || !there && !errors.Is(err, raft.ErrLogNotFound) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}
