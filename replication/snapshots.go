package replication

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/kissvdb/kissvdb/fault"
)

var (
	_ raft.SnapshotStore = (*snapshotStore)(nil)
	_ raft.SnapshotSink  = (*snapshotSink)(nil)
)

// Layout of the folder of snapshots:
//
//	<term>-<index>-<ms>/       one snapshot, complete
//	    meta.json              what it is, with the size and checksum of every file
//	    data                   what was written to the sink
//	    001.part, 002.part ... files that were attached, as hard links: of each only
//	                           the first bytes, as many as meta.json says, are the
//	                           snapshot's, and these never change
//	<term>-<index>-<ms>.tmp/   one being written, or being removed
//
// The content of a snapshot is data and then the parts in order.
const (
	snapshotTmp      = ".tmp"
	snapshotMetaFile = "meta.json"
	snapshotDataFile = "data"
)

// snapshotReserve is the room that must be left when a snapshot begins and
// while it is written. It is small: a snapshot is what lets the log shrink.
const snapshotReserve = 64 << 20

// snapshotStore keeps the newest snapshots as folders of checksummed files.
// A snapshot that is pinned, say because it is being read, is never removed. All methods are safe for
// concurrent use.
type snapshotStore struct {
	dir    string
	retain int
	log    *slog.Logger
	link   func(from, to string) error      // os.Link
	free   func(dir string) (uint64, error) // bytes left on the disk

	mu     sync.Mutex      // guards what follows
	floor  snapshotName    // all that are older have to go
	pins   map[string]int  // by id, who reads it or has need of its files
	warned map[string]bool // damaged snapshots the log speaks of already
}

// openSnapshots opens or creates the folder of snapshots and removes what a
// crash has left half done.
func openSnapshots(dir string, retain int, free func(dir string) (uint64, error), log *slog.Logger) (*snapshotStore, error) {
	s := &snapshotStore{
		dir: dir, retain: retain, log: log, link: os.Link, free: free,
		pins: map[string]int{}, warned: map[string]bool{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), snapshotTmp) {
			log.Info("removing an unfinished snapshot", "name", e.Name())
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// snapshotName is the parsed name of a snapshot's folder.
type snapshotName struct {
	term, index uint64
	millis      int64
}

func (n snapshotName) String() string { return fmt.Sprintf("%d-%d-%d", n.term, n.index, n.millis) }

func (n snapshotName) compare(m snapshotName) int {
	return cmp.Or(cmp.Compare(n.term, m.term), cmp.Compare(n.index, m.index), cmp.Compare(n.millis, m.millis))
}

func parseSnapshotName(id string) (n snapshotName, ok bool) {
	f := strings.Split(id, "-")
	if len(f) != 3 {
		return n, false
	}
	var e1, e2, e3 error
	n.term, e1 = strconv.ParseUint(f[0], 10, 64)
	n.index, e2 = strconv.ParseUint(f[1], 10, 64)
	n.millis, e3 = strconv.ParseInt(f[2], 10, 64)
	return n, e1 == nil && e2 == nil && e3 == nil && n.String() == id
}

// names returns the complete folders, newest first, the damaged ones included.
func (s *snapshotStore) names() ([]snapshotName, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var names []snapshotName
	for _, e := range entries {
		if n, ok := parseSnapshotName(e.Name()); ok && e.IsDir() {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b snapshotName) int { return b.compare(a) })
	return names, nil
}

// intact returns the snapshots that can be read as far as their meta data and
// the sizes of their files tell, newest first. The others are logged once.
func (s *snapshotStore) intact() ([]snapshotMeta, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var metas []snapshotMeta
	for _, n := range names {
		m, err := readSnapshotMeta(s.dir, n.String())
		switch {
		case err == nil:
			metas = append(metas, m)
		case errors.Is(err, fs.ErrNotExist) && !s.exists(n.String()):
			// It was removed a moment ago.
		default:
			s.warn(n.String(), err)
		}
	}
	return metas, nil
}

func (s *snapshotStore) exists(id string) bool {
	_, err := os.Stat(filepath.Join(s.dir, id))
	return err == nil
}

func (s *snapshotStore) warn(id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.warned[id] {
		s.warned[id] = true
		s.log.Warn("snapshot is damaged, an older one will have to do", "snapshot", id, "error", err)
	}
}

// List implements raft.SnapshotStore: the newest intact snapshots.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	metas, err := s.intact()
	if err != nil {
		return nil, err
	}
	var list []*raft.SnapshotMeta
	for _, m := range metas[:min(len(metas), s.retain)] {
		list = append(list, m.raft())
	}
	return list, nil
}

// Create implements raft.SnapshotStore.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if version != snapshotVersionOfRaft {
		return nil, fmt.Errorf("snapshot version %d is not supported", version)
	}
	if err := s.checkRoom(); err != nil {
		return nil, err
	}
	name, err := s.newName(term, index)
	if err != nil {
		return nil, err
	}
	for ; ; name.millis++ { // another is being written
		err := os.Mkdir(filepath.Join(s.dir, name.String()+snapshotTmp), 0o700)
		if err == nil && s.exists(name.String()) {
			err = errors.Join(fs.ErrExist, os.Remove(filepath.Join(s.dir, name.String()+snapshotTmp)))
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("create snapshot: %w", err)
		}
	}
	return newSnapshotSink(s, snapshotMeta{
		Format: snapshotFormat, ID: name.String(), Version: version,
		Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	})
}

// newName returns a name that is newer than those of all snapshots of the
// same entry, also when the clock was set back.
func (s *snapshotStore) newName(term, index uint64) (snapshotName, error) {
	name := snapshotName{term: term, index: index, millis: time.Now().UnixMilli()}
	names, err := s.names()
	for _, n := range names {
		if n.term == term && n.index == index {
			name.millis = max(name.millis, n.millis+1)
		}
	}
	return name, err
}

// checkRoom refuses to eat into the disk's reserve.
func (s *snapshotStore) checkRoom() error {
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	if free < snapshotReserve {
		return fault.New(fault.InsufficientStorage, "no room for a snapshot: %d MiB are free in %s, %d are kept", free>>20, s.dir, snapshotReserve>>20)
	}
	return nil
}

// Open implements raft.SnapshotStore. The snapshot stays until the reader is
// closed. A file that is not what it was when it was written ends the reader
// with an error, before its last bytes are handed out.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.pin(id)
	m, err := readSnapshotMeta(s.dir, id)
	if err != nil {
		s.unpin(id)
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, err)
	}
	return m.raft(), newSnapshotReader(filepath.Join(s.dir, id), m.Files, func() { s.unpin(id) }), nil
}
