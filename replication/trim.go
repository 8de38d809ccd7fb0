package replication

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"
)

// Snapshot takes a snapshot now, beside everything else, and returns when it
// is durable. It holds at least what had been applied before the call. That
// nothing was applied since the start is no error, and then none is taken.
// When ctx ends first, the snapshot goes on without the caller.
func (r *Replica) Snapshot(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- r.raft.Snapshot().Error() }() // waits for one that is being taken
	select {
	case err := <-done:
		if errors.Is(err, raft.ErrNothingNewToSnapshot) {
			return nil
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.dead:
		return raft.ErrRaftShutdown
	}
}

// Trim takes a snapshot and removes the older ones, so that room freed by the
// state machine comes back to the disk: files that it has replaced live on in
// the snapshots that hold them. The new snapshot is read once, in full, before
// any other goes. One that is being read, for a follower say, goes when its
// reader ends. Where nothing was applied since the start, the newest snapshot
// stays as it is, and only the older ones go.
func (r *Replica) Trim(ctx context.Context) error {
	if err := r.Snapshot(ctx); err != nil {
		return err
	}
	s, ok := r.storage.snapshots.(*snapshotStore)
	if !ok {
		return nil // in memory: there are none
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(raft.ErrRaftShutdown) })()
	return s.trim(ctx)
}

// sizePeriod is how often the bytes since the last snapshot are looked at.
const sizePeriod = 5 * time.Second

// watchSize takes a snapshot when many bytes were applied since the last
// one, also where none is taken by time: raft itself counts entries only, and
// without snapshots the log would grow for ever.
func (r *Replica) watchSize() {
	tick := time.NewTicker(sizePeriod)
	defer tick.Stop()
	for due := r.dueBytes(); ; {
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
		if r.machine.bytes.value() < due {
			continue
		}
		due = r.dueBytes()
		if err := r.Snapshot(r.ctx); err != nil && r.ctx.Err() == nil {
			r.log.Warn("snapshot failed", "error", err)
		}
	}
}

// dueBytes is how many bytes make the next snapshot due, up to half as many
// again as configured: all members apply the same bytes, and should not all
// write their snapshots at the same moment. raft itself spreads those by time.
func (r *Replica) dueBytes() uint64 {
	return r.cfg.SnapshotBytes + rand.Uint64N(r.cfg.SnapshotBytes/2+1)
}
