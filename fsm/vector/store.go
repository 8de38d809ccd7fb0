package vector

import (
	"context"
	"errors"
	"log/slog"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// Config says where collections live.
type Config struct {
	Dir     string // holds a folder per collection; empty = memory only
	Workers int    // goroutines that build graphs; 0 = one per core, at most 4
	Logger  *slog.Logger
}

// Store is all collections.
type Store struct{}

var errTODO = errors.New("not there yet")

// Reader returns a collection as it is at offset. The caller holds off the writer.
func (s *Store) Reader(name string, offset uint64) (*Reader, bool) { return nil, false }

// Get returns a point. The caller holds off the writer.
func (s *Store) Get(name, id string) (p Point, collection, found bool) { return Point{}, false, false }

// Info describes a collection. The caller holds off the writer.
func (s *Store) Info(name string) (Info, bool) { return Info{}, false }

// List describes all collections, by name. The caller holds off the writer.
func (s *Store) List() []Info { return nil }

// Vacuum gives back the room of a collection's dead rows, beside reads and
// writes, and returns how many bytes its file got shorter.
func (s *Store) Vacuum(ctx context.Context, name string) (reclaimed int64, err error) {
	return 0, errTODO
}

// Search returns the points nearest to q.Vector, best first, those of equal
// scores by id: min(q.K, matches) of them.
func (r *Reader) Search(ctx context.Context, q *Query) ([]Hit, error) { return nil, errTODO }

// The writer's methods stage changes and add their events to c. An error is an
// I/O error, and fatal; a refusal is a result.

func (s *Store) Create(c *record.Change, r *record.VectorCreate) (record.Result, error) {
	return record.Result{}, errTODO
}
