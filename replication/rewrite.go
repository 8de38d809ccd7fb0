package replication

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
)

// ErrNoSnapshot says that a data directory has no snapshot: all it holds is
// in its log.
var ErrNoSnapshot = errors.New("replication: the data directory has no snapshot")

// RewriteSnapshot changes the newest snapshot in the data directory of a
// Replica that is not running; the caller sees to it that no process holds the
// directory. It restores the newest snapshot whose checksums are right into
// machine, calls change, and writes what machine is then as the snapshot of
// the same entry, behind which the log goes on. All others are removed.
//
// The change must be one that the entries of the log behind it bear: on this
// node they are applied to its outcome. A crash or an error leaves the
// snapshots there were, or the new one. ErrNoSnapshot: there is none; when
// there are some and none of them is intact, the error says so.
func RewriteSnapshot(dir string, sm StateMachine, log *slog.Logger, change func() error) error {
	dir = filepath.Join(dir, snapshotsDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return ErrNoSnapshot
	}
	room := func(string) (uint64, error) { return math.MaxUint64, nil } // it may be all about a full disk
	s, err := openSnapshots(dir, retainSnapshots, room, log)
	if err != nil {
		return fmt.Errorf("open snapshots: %w", err)
	}
	meta, err := s.newestWhole()
	if err != nil {
		return err
	}
	m := &machine{sm: sm, adopt: func(clusterID) error { return nil }}
	_, r, err := s.Open(meta.ID)
	if err != nil {
		return err
	}
	if err := m.Restore(r); err != nil { // closes r
		return fmt.Errorf("restore snapshot %s: %w", meta.ID, err)
	}
	if err := change(); err != nil {
		return err
	}
	id, err := s.replace(meta, m)
	if err != nil {
		return err
	}
	return s.removeOthers(id)
}

// newestWhole reads the snapshots, from the newest on, until one is whole.
func (s *snapshotStore) newestWhole() (snapshotMeta, error) {
	metas, err := s.intact()
	if err != nil {
		return snapshotMeta{}, err
	}
	for _, m := range metas {
		err := s.verify(context.Background(), m.ID)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, errSnapshotDamaged) {
			return m, err
		}
		s.warn(m.ID, err)
	}
	names, err := s.names()
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%w: none of %d is intact", errSnapshotDamaged, len(names))
	} else if err == nil {
		err = ErrNoSnapshot
	}
	return snapshotMeta{}, err
}

// replace writes m's state as a newer snapshot of the same entry as old.
func (s *snapshotStore) replace(old snapshotMeta, m *machine) (id string, err error) {
	frozen, err := m.Snapshot()
	if err != nil {
		return "", err
	}
	defer frozen.Release()
	sink, err := s.Create(old.Version, old.Index, old.Term, old.Configuration, old.ConfigurationIndex, nil)
	if err != nil {
		return "", err
	}
	return sink.ID(), frozen.Persist(sink)
}

// removeOthers removes all snapshots but one.
func (s *snapshotStore) removeOthers(id string) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		if n.String() != id {
			errs = append(errs, s.remove(n.String()))
		}
	}
	return errors.Join(errs...)
}
