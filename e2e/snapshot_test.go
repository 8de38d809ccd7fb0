package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/node"
)

// smallLogs makes snapshots frequent and the log behind them short.
func smallLogs(cfg *node.Config) {
	cfg.SnapshotEntries, cfg.TrailingLogs = 50, 20
	cfg.SnapshotInterval = 50 * time.Millisecond
	cfg.Events.SegmentBytes = 4 << 10
}

// TestSnapshotInstall: a node that was away past the trailing logs gets the
// state and the history of the stream, not only what came after.
func TestSnapshotInstall(t *testing.T) {
	c := Start(t, 3, Options{Node: smallLogs})
	away := c.Followers()[0]
	before := c.Leader().set("before", "1")
	c.WaitApplied(before)
	away.Stop()
	var offset uint64
	leader := c.Leader()
	for i := range 300 {
		offset = leader.set(fmt.Sprintf("k%d", i%40), fmt.Sprint(i))
	}
	c.wait("a snapshot on the leader", func() error {
		found, err := filepath.Glob(filepath.Join(leader.config.Dir, "raft", "snapshots", "*"))
		if err != nil || slices.ContainsFunc(found, func(name string) bool { return filepath.Ext(name) != ".tmp" }) {
			return err
		}
		return errNotYet
	})
	away.Restart()
	c.WaitApplied(offset)
	away.expect("k39", "279", offset)
	// raft says so a moment after the state is there. Without an install this
	// test would show nothing.
	c.wait("the log to tell of an installed snapshot", func() error {
		if !c.log.has("Installed remote snapshot") {
			return errNotYet
		}
		return nil
	})
	events, floor, err := readStream(c.ctx(), away.Client, offset)
	if err != nil || floor != 1 {
		t.Fatalf("stream of the node that was away: from %d, %d bytes, %v", floor, len(events), err)
	}
	// And once more from its own disk.
	away.Crash()
	away.Restart()
	c.WaitApplied(offset)
}

// TestWipedNode: a voter that lost its directory comes back as a non-voter,
// since it has forgotten its promises, and votes again once it has caught up.
func TestWipedNode(t *testing.T) {
	c := Start(t, 3, Options{Node: smallLogs})
	leader := c.Leader()
	var offset uint64
	for i := range 120 {
		offset = leader.set(fmt.Sprintf("k%d", i%40), fmt.Sprint(i))
	}
	wiped := c.Followers()[0]
	wiped.Stop()
	c.must(os.RemoveAll(wiped.config.Dir))
	wiped.Restart()
	c.WaitApplied(offset)
	c.waitMembers(leader, map[string]bool{"n1": true, "n2": true, "n3": true})
	// Its vote counts: with one other node gone, the two go on.
	for _, m := range c.Followers() {
		if m != wiped {
			m.Crash()
		}
	}
	wiped.expect("with", "two", wiped.set("with", "two"))
	for _, m := range c.members {
		if !m.running {
			m.Restart()
		}
	}
}
