package node

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kissvdb/kissvdb/fault"
)

const (
	// diskReserve is the room a node keeps for itself: below it the leader
	// takes no writes, so that log, snapshots and segments already begun can
	// still be written.
	diskReserve = 256 << 20
	// hardReserve is where a follower takes no more entries: what it has, it
	// goes on serving, and it catches up when there is room again.
	hardReserve = 64 << 20
	// diskInterval is how often the room is measured. 256 MiB are not
	// written in one second at the rate a log is written.
	diskInterval = time.Second
)

// disk knows how much room is left for the data directory.
type disk struct {
	dir   string // empty = memory only: never full
	probe func(dir string) (uint64, error)
	free  atomic.Uint64
	low   atomic.Bool
	err   atomic.Pointer[error] // why the last probe failed; nil when it did not
}

// freeSpace is the room left on the file system of dir for this process.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// measure probes the disk. A probe that fails counts as a full disk: a
// directory that cannot be asked cannot be written either.
func (d *disk) measure() {
	if d.dir == "" {
		return
	}
	free, err := d.probe(d.dir)
	if err != nil {
		free = 0
		d.err.Store(&err)
	} else {
		d.err.Store(nil)
	}
	d.free.Store(free)
	d.low.Store(free < diskReserve)
}

// admit refuses a write while the disk is low. Nothing was written then.
func (d *disk) admit() error {
	if !d.low.Load() {
		return nil
	}
	return fault.New(fault.InsufficientStorage, "the leader's disk has %d MiB left, %d MiB are kept in reserve",
		d.free.Load()>>20, diskReserve>>20)
}

// room refuses a file of so many bytes that would eat into the reserve.
func (d *disk) room(bytes int64) error {
	free, err := d.probe(d.dir)
	if err != nil {
		return fault.New(fault.InsufficientStorage, "the room left on the disk is not known: %v", err)
	}
	if free < diskReserve+uint64(bytes) {
		return fault.New(fault.InsufficientStorage, "the disk has %d MiB left, %d MiB are needed and %d MiB kept in reserve",
			free>>20, bytes>>20, diskReserve>>20)
	}
	return nil
}

// full reports whether not even a follower may write.
func (d *disk) full() bool { return d.low.Load() && d.free.Load() < hardReserve }

// watchDisk measures the disk every second and, while this node leads on a
// low disk, hands leadership to a member that has room.
func (n *Node) watchDisk(ctx context.Context) {
	tick := time.NewTicker(diskInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		was := n.disk.low.Load()
		n.disk.measure()
		low := n.disk.low.Load()
		if low != was {
			n.log.Warn("disk reserve", "low", low, "free_bytes", n.disk.free.Load())
		}
		if low && n.replica.Status().Leads {
			n.leaveLowDisk(ctx)
		}
	}
}

// leaveLowDisk hands leadership to the reachable voter with room that is
// furthest along. With none, this node goes on leading and refusing writes.
func (n *Node) leaveLowDisk(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	var best string
	var bestOffset uint64
	for _, m := range n.replica.Members(ctx) {
		info := decodeInfo(m.Info)
		if m.ID == n.cfg.ID || !m.Voter || !m.Reachable || info.DiskLow {
			continue
		}
		if best == "" || info.Offset > bestOffset {
			best, bestOffset = m.ID, info.Offset
		}
	}
	if best == "" {
		return
	}
	if err := n.replica.TransferLeadership(ctx, best); err != nil {
		n.log.Warn("low disk: leadership not handed over", "to", best, "error", err)
		return
	}
	n.log.Info("low disk: leadership handed over", "to", best)
}
