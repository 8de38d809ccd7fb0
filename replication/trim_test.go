package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// startLedger starts a node alone whose state is a ledger. The ledger may be
// looked at while nothing is being written.
func startLedger(t *testing.T, dir string) (*testNode, *ledger) {
	t.Helper()
	l := openLedger(t, t.TempDir())
	r, err := Open(Config{
		ID: "n1", Address: freeAddr(t), Dir: dir, Machine: l, SnapshotInterval: -1,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return &testNode{id: "n1", Replica: r}, l
}

// diskOf is how many bytes the files below dir have, each once.
func diskOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	var seen []os.FileInfo
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		same := func(other os.FileInfo) bool { return os.SameFile(info, other) }
		if err == nil && !info.IsDir() && !slices.ContainsFunc(seen, same) {
			seen = append(seen, info)
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTrimGivesRoomBack: what the state machine has let go of leaves the disk
// with the snapshots that held it.
func TestTrimGivesRoomBack(t *testing.T) {
	dir := t.TempDir()
	n, _ := startLedger(t, dir)
	snapshots := filepath.Join(dir, snapshotsDir)
	big := strings.Repeat("x", 10_000)
	for range 2 {
		for range 5 {
			propose(t, n, big)
		}
		if err := n.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, disk := folders(t, snapshots), diskOf(t, snapshots); len(got) != 2 || disk < 100_000 || disk > 110_000 {
		t.Errorf("%d bytes of snapshots in %v: two links to one file were to be expected", disk, got)
	}
	propose(t, n, "small")
	propose(t, n, "vacuum")
	for range 2 { // there may be nothing new
		if err := n.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, disk := folders(t, snapshots), diskOf(t, snapshots); len(got) != 1 || disk > 10_000 {
			t.Errorf("%d bytes of snapshots in %v", disk, got)
		}
	}
	propose(t, n, "after")
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, l := startLedger(t, dir)
	propose(t, n, "again")
	if got := l.lines(); !slices.Equal(got, []string{"small", "after", "again"}) {
		t.Errorf("lines = %q", got)
	}
}

// TestTrimWithNothingApplied: a node that has applied nothing since it was
// started, here since it is without a majority, keeps the snapshot it stands on.
func TestTrimWithNothingApplied(t *testing.T) {
	c := startCluster(t, 3, nil)
	n := c.follower()
	for i := range 3 {
		propose(t, n, fmt.Sprint(i))
		if err := n.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id := range c.nodes {
		c.stop(id)
	}
	before := listed(t, openTestSnapshots(t, filepath.Join(n.dir, snapshotsDir)))
	c.start(n.id, nil)
	for range 2 {
		if err := n.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := folders(t, filepath.Join(n.dir, snapshotsDir)); !slices.Equal(got, before[:1]) {
			t.Errorf("folders = %v, were %v", got, before)
		}
	}
	if got := n.tape.records(t); len(got) != 3 {
		t.Errorf("records = %q", got)
	}
}

func TestTrimWithoutSnapshots(t *testing.T) {
	for name, tune := range map[string]func(*Config){
		"in memory": func(cfg *Config) { cfg.Dir, cfg.Peers = "", nil },
		"never founded": func(cfg *Config) {
			cfg.Peers = append(cfg.Peers, Member{"n2", "127.0.0.1:1"}, Member{"n3", "127.0.0.1:2"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 1, tune)
			if err := c.nodes["n1"].Trim(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSnapshotEndsWithItsContext(t *testing.T) {
	n := startCluster(t, 1, nil).nodes["n1"]
	propose(t, n, "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// It may be done before anybody looks at the context.
	if err := n.Snapshot(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Trim(t.Context()); !errors.Is(err, raft.ErrRaftShutdown) {
		t.Errorf("after Close: %v", err)
	}
}

// TestSnapshotBytesAreSpread: the members of a cluster do not come to the
// same conclusion at the same byte.
func TestSnapshotBytesAreSpread(t *testing.T) {
	r := &Replica{cfg: Config{SnapshotBytes: 1 << 20}}
	seen := map[uint64]bool{}
	for range 20 {
		due := r.dueBytes()
		if due < 1<<20 || due > 1<<20+1<<19 {
			t.Fatalf("due after %d bytes", due)
		}
		seen[due] = true
	}
	if len(seen) < 2 {
		t.Error("always the same")
	}
}
