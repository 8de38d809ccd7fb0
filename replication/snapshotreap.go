package replication

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// pin keeps a snapshot from being removed until unpin.
func (s *snapshotStore) pin(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins[id]++
}

// unpin ends pins and removes what waited for them, and all that is too old.
func (s *snapshotStore) unpin(ids ...string) {
	s.mu.Lock()
	for _, id := range ids {
		if s.pins[id]--; s.pins[id] <= 0 {
			delete(s.pins, id)
		}
	}
	s.mu.Unlock()
	if err := s.reap(); err != nil {
		s.log.Warn("old snapshots could not be removed", "error", err)
	}
}

// trim removes every snapshot that is older than the newest one, damaged ones
// too, once it has read the newest in full and found it whole. Those that are
// pinned go with their last pin.
func (s *snapshotStore) trim(ctx context.Context) error {
	metas, err := s.intact()
	if err != nil || len(metas) == 0 {
		return err
	}
	if err := s.verify(ctx, metas[0].ID); err != nil {
		return err
	}
	s.mu.Lock()
	s.floor, _ = parseSnapshotName(metas[0].ID)
	s.mu.Unlock()
	return s.reap()
}

// verify reads a snapshot and compares its checksums.
func (s *snapshotStore) verify(ctx context.Context, id string) error {
	_, r, err := s.Open(id)
	if err != nil {
		return err
	}
	defer r.Close()
	for err == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, err = io.CopyN(io.Discard, r, flushStep)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reap removes every snapshot that is older than the newest intact ones to
// retain, or than the floor, damaged ones too, unless it is pinned.
func (s *snapshotStore) reap() error {
	metas, err := s.intact()
	if err != nil {
		return err
	}
	s.mu.Lock()
	oldest := s.floor
	s.mu.Unlock()
	if len(metas) >= s.retain {
		n, _ := parseSnapshotName(metas[s.retain-1].ID)
		oldest = slices.MaxFunc([]snapshotName{oldest, n}, snapshotName.compare)
	}
	names, err := s.names()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		if n.compare(oldest) < 0 {
			errs = append(errs, s.remove(n.String()))
		}
	}
	return errors.Join(errs...)
}

// remove takes a snapshot away in one step, so that a crash in the middle of
// the removal leaves nothing that looks like a snapshot.
func (s *snapshotStore) remove(id string) error {
	path := filepath.Join(s.dir, id)
	removed, err := s.hide(id, path)
	if err != nil || !removed {
		return err
	}
	return os.RemoveAll(path + snapshotTmp)
}

// hide renames the folder unless it is pinned.
func (s *snapshotStore) hide(id, path string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pins[id] > 0 {
		return false, nil
	}
	delete(s.warned, id)
	err := os.Rename(path, path+snapshotTmp)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // another reap was faster
	}
	return err == nil, err
}
