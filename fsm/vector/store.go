package vector

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Config says where collections live.
type Config struct {
	Dir     string // holds a folder per collection; empty = memory only
	Workers int    // goroutines that build a graph; 0 = one per core, at most 4
	Graph   int    // rows below which a collection gets no graph; 0 = 4096
	// Room is asked before a file of so many bytes is written that could be done
	// without for now; an error refuses it. nil = there is room.
	Room func(bytes int64) error
	// Saved is called after a graph was written to disk: a snapshot taken now
	// lets a start load the points that are in it. It must not block. nil =
	// nobody wants to know.
	Saved func()
	// Vacuumed is called after a collection's file was replaced by a shorter
	// one. It must not block. nil = nobody wants to know.
	Vacuumed func()
	Logger   *slog.Logger
}

// Store is all collections.
//
// Threads: Create, Drop, Put, Update, Delete, the batches, RequestVacuum,
// Flush, Commit, Abort, Freeze and Stage belong to the writer, the goroutine that
// applies entries. Commit and Staged.Commit are called with readers excluded
// by a lock of the caller's; Reader, Readers and Get under the same lock,
// shared. The rest may be called from anywhere.
type Store struct {
	cfg    Config
	log    *slog.Logger
	keeper *keeper

	// mu holds off the maintenance from the first change of an entry to its
	// commit, and the writer while the maintenance puts new data in place.
	mu     sync.Mutex
	locked bool // by the entry that is being applied; the writer's

	// collections is what readers see. It changes with mu held and readers
	// excluded, so either is enough to read it.
	collections map[string]*collection

	staged  map[string]*collection // created (or, nil, dropped) by the entry that is being applied
	touched []*collection          // by that entry
	dropped []*collection          // by that entry
}

// Names in Config.Dir that are no collection's: those have no leading dot.
const (
	restoreDir    = ".restore"
	droppedPrefix = ".dropped-"
)

// Open opens the store. It is empty until a snapshot is restored or the log
// is applied from its start.
func Open(cfg Config) (*Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Room == nil {
		cfg.Room = func(int64) error { return nil }
	}
	if cfg.Saved == nil {
		cfg.Saved = func() {}
	}
	if cfg.Vacuumed == nil {
		cfg.Vacuumed = func() {}
	}
	if cfg.Graph == 0 {
		cfg.Graph = minGraph
	}
	s := &Store{cfg: cfg, log: cfg.Logger, collections: map[string]*collection{}, staged: map[string]*collection{}}
	if cfg.Dir != "" {
		if err := s.tidy(); err != nil {
			return nil, fmt.Errorf("vector: open: %w", err)
		}
	}
	s.keeper = newKeeper(s)
	return s, nil
}

// tidy removes what a crash has left half done.
func (s *Store) tidy() error {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			if err := os.RemoveAll(filepath.Join(s.cfg.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends the maintenance and closes the files. It may be called again.
func (s *Store) Close() error {
	s.keeper.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for _, c := range s.collections {
		if err := c.data.Load().file.release(); err != nil && first == nil {
			first = fmt.Errorf("vector: close: %w", err)
		}
	}
	clear(s.collections)
	return first
}

// Reader returns a collection as it is at offset, which is the store's.
func (s *Store) Reader(name string, offset uint64) (*Reader, bool) {
	c, ok := s.collections[name]
	if !ok {
		return nil, false
	}
	return c.reader(offset), true
}

// Get returns a point, and whether there is such a collection at all.
func (s *Store) Get(name, id string) (p Point, collection, found bool) {
	c, ok := s.collections[name]
	if !ok {
		return Point{}, false, false
	}
	d := c.data.Load()
	row, ok := d.ids[id]
	if !ok {
		return Point{}, true, false
	}
	at := d.published.point(row)
	return Point{ID: at.id, Vector: d.published.values(row), Meta: at.meta}, true, true
}

// Readers returns all collections as they are at offset, by name.
func (s *Store) Readers(offset uint64) []*Reader {
	readers := make([]*Reader, 0, len(s.collections))
	for _, name := range slices.Sorted(maps.Keys(s.collections)) {
		readers = append(readers, s.collections[name].reader(offset))
	}
	return readers
}

// dirOf returns the folder of a collection.
func (s *Store) dirOf(name string) string {
	if s.cfg.Dir == "" {
		return ""
	}
	return filepath.Join(s.cfg.Dir, name)
}
