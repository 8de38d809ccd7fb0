package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/replication"
)

// trimPause is the least time between two trims of snapshots.
const trimPause = 10 * time.Second

// trim lets go of the files that a vacuum has replaced: snapshots hold them
// until there are newer ones.
func (n *Node) trim(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.vacuumed:
		}
		if err := n.replica.Trim(ctx); err != nil && ctx.Err() == nil {
			// Such as: a change of the members is not applied yet.
			n.log.Warn("the room of a vacuumed collection is not given back yet", "error", err)
			note(n.vacuumed)()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(trimPause):
		}
	}
}

// snapshotPause is the least time between two snapshots that are taken for
// the sake of new graphs.
const snapshotPause = 30 * time.Second

// snapshotGraphs takes a snapshot after graphs were saved, though it is not
// due yet: a start then loads the points instead of applying them again. The
// points are not copied for it.
func (n *Node) snapshotGraphs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.saved:
		}
		if err := n.replica.Snapshot(ctx); err != nil && ctx.Err() == nil {
			n.log.Info("no snapshot of new graphs", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(snapshotPause):
		}
	}
}

// note returns a function that wakes who waits for c. It never blocks.
func note(c chan<- struct{}) func() {
	return func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// VacuumOffline gives back the room of a collection's dead rows in the data
// directory of a node that is not running, and returns how many bytes its file
// got shorter. It fails when a process holds the directory. What is only in
// the log, behind the newest snapshot, is left as it is.
func VacuumOffline(ctx context.Context, cfg Config, collection string) (reclaimed int64, err error) {
	if err := cfg.validate(); err != nil {
		return 0, err
	}
	if cfg.Dir == "" {
		return 0, errors.New("a vacuum needs a data directory")
	}
	dir, err := openDataDir(cfg.Dir, cfg.FreeSpace)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	store, err := fsm.Open(fsm.Config{Dir: cfg.Dir, Events: cfg.Events, Vectors: cfg.Vectors, Logger: cfg.Logger})
	if err != nil {
		return 0, fmt.Errorf("open store: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	err = replication.RewriteSnapshot(filepath.Join(cfg.Dir, "raft"), store, cfg.Logger, func() (err error) {
		reclaimed, err = store.Vectors().Vacuum(ctx, collection)
		return err
	})
	if errors.Is(err, replication.ErrNoSnapshot) {
		return 0, errors.New("nothing to vacuum: all data is still in the log")
	}
	return reclaimed, err
}
