package replication

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"go.etcd.io/bbolt"
)

// storage is what raft keeps on disk: the log (raft-wal: one fsync per
// append, checksummed, monotonic), term, vote and identity (raft-boltdb) and
// the snapshots. With an empty directory all of it is in memory.
type storage struct {
	logs      *logStore
	stable    raft.StableStore
	snapshots raft.SnapshotStore
	closers   []func() error
}

const (
	snapshotsDir    = "snapshots"
	retainSnapshots = 2
)

// openStorage opens or creates the storage under dir. fatal is told of every
// failed write: raft itself would go on after some of them.
func openStorage(dir string, log hclog.Logger, snapshots func(dir string) (raft.SnapshotStore, error), fatal func(error)) (*storage, error) {
	s := &storage{}
	if dir == "" {
		mem := raft.NewInmemStore()
		s.logs = newLogStore(memoryLog{mem}, fatal)
		s.stable = &stableStore{StableStore: mem, fatal: fatal}
		s.snapshots = raft.NewDiscardSnapshotStore()
		return s, nil
	}
	err := s.open(dir, log, snapshots, fatal)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *storage) open(dir string, log hclog.Logger, snapshots func(dir string) (raft.SnapshotStore, error), fatal func(error)) error {
	walDir := filepath.Join(dir, "log")
	if err := os.MkdirAll(walDir, 0o700); err != nil {
		return err
	}
	// One file for term, vote and identity. The timeout turns a second process
	// on the same directory into an error instead of a hang.
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path:        filepath.Join(dir, "stable.db"),
		BoltOptions: &bbolt.Options{Timeout: time.Second},
	})
	if err != nil {
		return fmt.Errorf("open stable store: %w", err)
	}
	s.closers = append(s.closers, bolt.Close)
	s.stable = &stableStore{StableStore: bolt, fatal: fatal}

	// The log does not close its own catalogue of segments, and would wait for
	// ever to open one that is still open.
	catalogue := &metadb.BoltMetaDB{}
	s.closers = append(s.closers, catalogue.Close)
	w, err := wal.Open(walDir, wal.WithLogger(log.Named("wal")), wal.WithMetaStore(catalogue))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	s.closers = append(s.closers, w.Close)
	s.logs = newLogStore(w, fatal)

	s.snapshots, err = snapshots(filepath.Join(dir, snapshotsDir))
	if err != nil {
		return fmt.Errorf("open snapshots: %w", err)
	}
	return nil
}

func (s *storage) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

// monotonicLog is a log store that never holds a hole: raft then empties it
// when it installs a snapshot, so that no divergent entry is left behind the
// snapshot to be replicated later as if it had been committed.
type monotonicLog interface {
	raft.LogStore
	raft.MonotonicLogStore
}

// memoryLog is raft's in-memory log. Only a node alone uses it, and a node
// alone never installs a snapshot.
type memoryLog struct{ *raft.InmemStore }

// IsMonotonic implements raft.MonotonicLogStore.
func (memoryLog) IsMonotonic() bool { return true }

// logStore ends the process on a failed write (an error after bytes were
// handed to the log is not a result) and knows its last index without a lock.
type logStore struct {
	monotonicLog
	fatal  func(error)
	last   atomic.Uint64
	stored chan struct{} // signalled, never blocking, after entries were stored
}

func newLogStore(l monotonicLog, fatal func(error)) *logStore {
	s := &logStore{monotonicLog: l, fatal: fatal, stored: make(chan struct{}, 1)}
	if last, err := l.LastIndex(); err == nil {
		s.last.Store(last)
	}
	return s
}

// StoreLog implements raft.LogStore.
func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	if err := s.monotonicLog.StoreLogs(logs); err != nil {
		s.fatal(fmt.Errorf("append to the log: %w", err))
		return err
	}
	if n := len(logs); n > 0 {
		s.last.Store(logs[n-1].Index)
	}
	select {
	case s.stored <- struct{}{}:
	default:
	}
	return nil
}

// GetLog implements raft.LogStore. What DeleteRange has removed stays gone:
// raft-wal itself still finds it in the segment it writes to, and a leader
// would then go on sending a tail it has promised to keep no longer.
func (s *logStore) GetLog(index uint64, log *raft.Log) error {
	first, err := s.monotonicLog.FirstIndex()
	if err != nil {
		return err
	}
	if index < first {
		return raft.ErrLogNotFound
	}
	return s.monotonicLog.GetLog(index, log)
}

// DeleteRange implements raft.LogStore.
func (s *logStore) DeleteRange(first, last uint64) error {
	if err := s.monotonicLog.DeleteRange(first, last); err != nil {
		s.fatal(fmt.Errorf("truncate the log: %w", err))
		return err
	}
	if n, err := s.monotonicLog.LastIndex(); err == nil {
		s.last.Store(n)
	}
	return nil
}

// stableStore ends the process on a failed write of term, vote or identity.
type stableStore struct {
	raft.StableStore
	fatal func(error)
}

// Set implements raft.StableStore.
func (s *stableStore) Set(key, val []byte) error { return s.check(s.StableStore.Set(key, val)) }

// SetUint64 implements raft.StableStore.
func (s *stableStore) SetUint64(key []byte, val uint64) error {
	return s.check(s.StableStore.SetUint64(key, val))
}

func (s *stableStore) check(err error) error {
	if err != nil {
		s.fatal(fmt.Errorf("write term, vote or identity: %w", err))
	}
	return err
}
