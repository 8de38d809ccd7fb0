// Package node is one member: it turns a call on a model into a record on the
// log, and decides when a read may look at the store. It joins the two halves
// that know nothing of each other, the replicated log and the state machine.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/replication"
)

// Node is an open member. All methods may be called from any goroutine.
type Node struct {
	// State is the key-value model.
	State *State
	// Vectors is the model of collections of vectors.
	Vectors *Vectors

	cfg     Config
	log     *slog.Logger
	dir     *dataDir // nil = memory only
	disk    *disk
	fsm     *fsm.FSM
	replica *replication.Replica

	clocks  atomic.Pointer[replication.Replica] // replica, once the log is open
	failure atomic.Pointer[error]               // why the node stopped applying; nil while it works
	fatal   chan error

	vacuumed chan struct{} // one place each: files were replaced that snapshots still hold,
	saved    chan struct{} // or a graph was saved

	cancel context.CancelFunc
	loops  sync.WaitGroup
	once   sync.Once
}

// Open starts a node: it locks the data directory, recovers the store and
// joins the log. It returns before a leader is known; Ready tells when it is.
func Open(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg:   cfg,
		log:   cfg.Logger.With("component", "node", "node", cfg.ID),
		disk:  &disk{dir: cfg.Dir, probe: cfg.FreeSpace},
		fatal: make(chan error, 1),

		vacuumed: make(chan struct{}, 1),
		saved:    make(chan struct{}, 1),
	}
	n.State = &State{n: n}
	n.Vectors = &Vectors{n: n}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.closeStores())
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.loops.Go(func() { n.watchFatal(ctx) })
	n.loops.Go(func() { n.expire(ctx) })
	if n.dir != nil {
		n.loops.Go(func() { n.watchDisk(ctx) })
		n.loops.Go(func() { n.trim(ctx) })
		n.loops.Go(func() { n.snapshotGraphs(ctx) })
	}
	return n, nil
}

// open opens the parts, bottom up. What it opened before an error is closed
// by closeStores.
func (n *Node) open() (err error) {
	cfg := n.cfg
	raftDir := ""
	if cfg.Dir != "" {
		if n.dir, err = openDataDir(cfg.Dir, cfg.FreeSpace); err != nil {
			return err
		}
		raftDir = filepath.Join(cfg.Dir, "raft")
	}
	n.disk.measure()
	vectors := cfg.Vectors
	vectors.Vacuumed, vectors.Saved, vectors.Room = note(n.vacuumed), note(n.saved), n.disk.room
	n.fsm, err = fsm.Open(fsm.Config{
		Dir:     cfg.Dir,
		Wall:    n.wall,
		Events:  cfg.Events,
		Vectors: vectors,
		Logger:  cfg.Logger.With("component", "fsm", "node", cfg.ID),
	})
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	n.replica, err = replication.Open(n.replicationConfig(raftDir))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	n.clocks.Store(n.replica)
	return nil
}

// wall is what the store's clock slews towards: the time of day that most
// voters agree on, so that one wrong clock, this node's included, moves
// nothing. The log asks for it, also while Open is still opening the log.
func (n *Node) wall() time.Time {
	now := n.cfg.Wall()
	if r := n.clocks.Load(); r != nil {
		now = now.Add(r.ClockOffset())
	}
	return now
}

// watchFatal keeps the error after which this node must stop.
func (n *Node) watchFatal(ctx context.Context) {
	select {
	case <-ctx.Done():
	case err := <-n.replica.Fatal():
		n.failure.Store(&err)
		n.fatal <- err
	}
}

// Fatal delivers the error after which this node must stop serving and its
// process end: the store and the log can no longer be trusted to agree.
func (n *Node) Fatal() <-chan error { return n.fatal }

// ID returns this member's id.
func (n *Node) ID() string { return n.cfg.ID }

// ClusterID returns the cluster's id, empty until it is founded or joined.
func (n *Node) ClusterID() string { return n.replica.Status().Cluster }

// Offset returns how far this node has applied.
func (n *Node) Offset() uint64 { return n.fsm.Offset() }

// Close stops the node in reverse order: its own loops, the log, the store.
// A leader hands over first; ctx bounds that. The node answers errors, and
// no longer anything else, from then on.
func (n *Node) Close(ctx context.Context) (err error) {
	n.once.Do(func() {
		n.cancel()
		n.loops.Wait()
		err = errors.Join(n.replica.Close(ctx), n.closeStores())
	})
	return err
}

// closeStores closes what lies under the log.
func (n *Node) closeStores() error {
	var errs []error
	if n.fsm != nil {
		errs = append(errs, n.fsm.Close())
	}
	if n.dir != nil {
		errs = append(errs, n.dir.close())
	}
	return errors.Join(errs...)
}
