// Package fsm is the one function that changes state: it applies entries of
// the replicated log to all stores, and snapshots and restores them together.
// It knows nothing of the cluster.
//
// Apply is a pure function of the state and the entry: no clock, no
// randomness, no configuration, no order of a Go map reaches it. What it
// answers, the events it makes and their bytes are the same on every node.
//
// Threads: Apply, Snapshot and Restore belong to one goroutine, the applying
// one. Everything else may be called from any goroutine.
package fsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

// ErrClosed is what waits end with once the FSM is closed.
var ErrClosed = errors.New("fsm: closed")

// Config says where the stores live and whose clock they follow.
type Config struct {
	// Dir holds the stores' files; empty means memory only.
	Dir string
	// Wall tells the time of day that the store's clock slews towards. It is
	// called by Frame and Now, on any goroutine. nil means time.Now.
	Wall func() time.Time
	// Events configures the event log, and Vectors the collections; their Dir
	// and Logger are set here.
	Events  event.Config
	Vectors vector.Config
	Logger  *slog.Logger
}

// View is the stores after a whole number of entries.
type View struct {
	Offset  uint64        // of the newest event
	Time    int64         // the store's time, Unix ms
	State   *state.Store  // for its reads
	Vectors *vector.Store // for its reads; the same for the FSM's life
}

// FSM is all stores of one node, as far as entries were applied here.
type FSM struct {
	log       *slog.Logger
	events    *event.Log
	clock     *clock
	offset    *watermark
	deadline  *deadline
	checksums *checksums

	// mu guards view. The applying goroutine holds it for writing only to
	// put prepared changes in place: never during I/O, but for a restore.
	mu   sync.RWMutex
	view View

	// Of the applying goroutine alone. It may also read view without mu.
	change  record.Change
	started bool  // the event log stands where the state does
	failed  error // the stores may disagree: nothing more is applied
}

// Open opens the stores. They are empty until a snapshot is restored or the
// log is applied from its start.
func Open(cfg Config) (*FSM, error) {
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Events.Logger = cfg.Logger
	if cfg.Dir != "" {
		cfg.Events.Dir = filepath.Join(cfg.Dir, "events")
	}
	cfg.Vectors.Logger = cfg.Logger
	if cfg.Dir != "" {
		cfg.Vectors.Dir = filepath.Join(cfg.Dir, "vectors")
	}
	events, err := event.Open(cfg.Events)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	vectors, err := vector.Open(cfg.Vectors)
	if err != nil {
		return nil, errors.Join(err, events.Close())
	}
	start := time.Now()
	return &FSM{
		log:       cfg.Logger,
		events:    events,
		clock:     newClock(cfg.Wall, func() time.Duration { return time.Since(start) }),
		offset:    newWatermark(),
		deadline:  newDeadline(),
		checksums: newChecksums(),
		view:      View{State: state.New(), Vectors: vectors},
	}, nil
}

// Close ends all waits with ErrClosed and closes the stores. It must not run
// beside the methods of the applying goroutine.
func (f *FSM) Close() error {
	f.offset.close()
	f.checksums.close()
	return errors.Join(f.view.Vectors.Close(), f.events.Close())
}

// View calls fn with the stores as they are after a whole entry, and keeps
// them so until fn returns. fn must be short and must not keep v.
func (f *FSM) View(fn func(v *View)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fn(&f.view)
}

// Offset returns the offset of the newest event that was applied here.
func (f *FSM) Offset() uint64 { return f.offset.load() }

// WaitOffset returns once the events up to offset were applied here, or with
// ctx's error, or ErrClosed.
func (f *FSM) WaitOffset(ctx context.Context, offset uint64) error {
	return f.offset.wait(ctx, offset)
}

// Events returns the log of all changes.
func (f *FSM) Events() *event.Log { return f.events }

// Frame appends to dst an entry that holds records, stamped with the store's
// clock. It is called on the leader of term, once at a time, but beside Apply.
func (f *FSM) Frame(dst []byte, term uint64, records [][]byte) []byte {
	return record.AppendEntry(dst, f.clock.stamp(term), records)
}

// Now returns what Frame would stamp now, Unix ms; on a node that does not
// lead, an estimate of it.
func (f *FSM) Now() int64 { return f.clock.now() }

// NextExpiry returns the deadline of the key that falls due first, Unix ms.
func (f *FSM) NextExpiry() (deadlineMS int64, ok bool) { return f.deadline.next() }

// ExpiryChanged receives a value after NextExpiry got earlier, for the one
// goroutine that sleeps until then.
func (f *FSM) ExpiryChanged() <-chan struct{} { return f.deadline.changed }
