package replication

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// rewritable is the data directory of a node that was stopped: two snapshots,
// of "a" and of "a", "secret", "b"; and "c" in the log behind them.
func rewritable(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	n, _ := startLedger(t, dir)
	for _, records := range [][]string{{"a"}, {"secret", "b"}} {
		for _, rec := range records {
			propose(t, n, rec)
		}
		if err := n.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	propose(t, n, "c")
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// expectLines starts a node on dir and looks at its state.
func expectLines(t *testing.T, dir string, want ...string) {
	t.Helper()
	n, l := startLedger(t, dir)
	propose(t, n, "end")
	if got := l.lines(); !slices.Equal(got, append(want, "end")) {
		t.Errorf("lines = %q, want %q", got, want)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, dir string, change func(*ledger) error) error {
	t.Helper()
	l := openLedger(t, t.TempDir())
	return RewriteSnapshot(dir, l, slog.New(slog.NewTextHandler(t.Output(), nil)), func() error { return change(l) })
}

func TestRewriteSnapshot(t *testing.T) {
	dir := rewritable(t)
	before, err := openTestSnapshots(t, filepath.Join(dir, snapshotsDir)).intact()
	if err != nil {
		t.Fatal(err)
	}
	err = rewrite(t, dir, func(l *ledger) error {
		if got := l.lines(); !slices.Equal(got, []string{"a", "secret", "b"}) {
			t.Errorf("restored %q", got)
		}
		return errors.Join(l.vacuum(), l.append("and more\n"))
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := openTestSnapshots(t, filepath.Join(dir, snapshotsDir)).intact()
	if err != nil || len(after) != 1 || len(folders(t, filepath.Join(dir, snapshotsDir))) != 1 {
		t.Fatalf("%+v %v", after, err)
	}
	a, b := after[0], before[0]
	if a.ID == b.ID || a.Index != b.Index || a.Term != b.Term || a.ConfigurationIndex != b.ConfigurationIndex ||
		!slices.Equal(a.Configuration.Servers, b.Configuration.Servers) {
		t.Errorf("meta = %+v\nwas    %+v", a, b)
	}
	expectLines(t, dir, "b", "and more", "c")
	expectLines(t, dir, "b", "and more", "c", "end")
}

// TestRewriteSnapshotFails: whatever fails, the snapshots are as they were.
func TestRewriteSnapshotFails(t *testing.T) {
	dir := rewritable(t)
	before := folders(t, filepath.Join(dir, snapshotsDir))
	errChange := errors.New("no change")
	if err := rewrite(t, dir, func(*ledger) error { return errChange }); !errors.Is(err, errChange) {
		t.Errorf("err = %v", err)
	}
	if err := rewrite(t, dir, func(l *ledger) error { return os.Remove(l.path) }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("freeze fails: %v", err)
	}
	if err := rewrite(t, dir, func(l *ledger) error { l.size++; return nil }); err == nil {
		t.Error("attach fails: no error")
	}
	if got := folders(t, filepath.Join(dir, snapshotsDir)); !slices.Equal(got, before) {
		t.Errorf("folders = %v, were %v", got, before)
	}
	expectLines(t, dir, "a", "secret", "b", "c")
}

// TestRewriteSnapshotCrash: the new snapshot is there, and the old ones too.
func TestRewriteSnapshotCrash(t *testing.T) {
	dir := rewritable(t)
	s := openTestSnapshots(t, filepath.Join(dir, snapshotsDir))
	meta, err := s.newestWhole()
	if err != nil {
		t.Fatal(err)
	}
	l := openLedger(t, t.TempDir())
	m := &machine{sm: l, adopt: func(clusterID) error { return nil }}
	_, r, err := s.Open(meta.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Restore(r), l.vacuum()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.replace(meta, m); err != nil {
		t.Fatal(err)
	}
	expectLines(t, dir, "b", "c")
}

// TestRewriteSnapshotOfDamage: an older snapshot is rewritten where the newest
// is damaged, which then goes; where none is intact nothing is.
func TestRewriteSnapshotOfDamage(t *testing.T) {
	dir := rewritable(t)
	snapshots := filepath.Join(dir, snapshotsDir)
	before := listed(t, openTestSnapshots(t, snapshots))
	writeFile(t, filepath.Join(snapshots, before[0]), snapshotDataFile, "x")
	if err := rewrite(t, dir, func(l *ledger) error { return l.append("older\n") }); err != nil {
		t.Fatal(err)
	}
	if got := folders(t, snapshots); len(got) != 1 || slices.Contains(before, got[0]) {
		t.Errorf("folders = %v, were %v", got, before)
	}
	expectLines(t, dir, "a", "older", "secret", "b", "c")
	for _, id := range folders(t, snapshots) {
		writeFile(t, filepath.Join(snapshots, id), snapshotDataFile, "x")
	}
	err := rewrite(t, dir, func(*ledger) error { return nil })
	if !errors.Is(err, errSnapshotDamaged) || errors.Is(err, ErrNoSnapshot) {
		t.Errorf("none is intact: %v", err)
	}
}

func TestRewriteNoSnapshot(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := rewrite(t, dir, func(*ledger) error { return nil }); !errors.Is(err, ErrNoSnapshot) {
			t.Errorf("err = %v", err)
		}
		if err := os.MkdirAll(filepath.Join(dir, snapshotsDir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
