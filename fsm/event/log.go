package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

const (
	// ringBytes bounds the memory of the ring where the files hold the same.
	ringBytes = 64 << 20
	// maxReplays is how many cursors read files at once, the others wait
	// their turn: it bounds open files, memory and the load of a herd.
	maxReplays = 8
)

// Config says where a log lives and how much of it is kept. What is kept may
// differ by node; offsets and bytes never do.
type Config struct {
	Dir          string // "" = memory mode: only a ring of BufferSize events
	SegmentBytes int64  // a segment closes before it grows beyond this
	Retention    int    // segments kept, the active one included
	Ring         int    // newest events held in memory beside the files
	BufferSize   int    // events kept in memory mode
	Logger       *slog.Logger
}

// Log is the ordered log of all changes.
//
// Append, Publish, Truncate, Freeze, Stage and Staged.Commit belong to one
// goroutine, the one that applies entries. Everything else may be called from
// any goroutine.
type Log struct {
	cfg     Config
	log     *slog.Logger
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	changed *signal
	replays chan struct{}
	counts  counters

	view atomic.Pointer[view]

	// Of the applying goroutine alone.
	head    uint64 // newest appended offset
	chain   uint64
	pending []*Event // appended, not yet visible
	ring    *ring
	number  uint64   // of the newest segment file
	active  *segment // what Append writes to, nil in memory mode
	file    *os.File // of active
	size    int64    // bytes written to it
	dropped []string // files that retention has passed, still in the view
	rotated bool     // since the last Publish

	// files is held by whoever renames or rewrites segment files: the
	// background for one job, Truncate and Commit. It is taken before mu.
	files sync.Mutex
	// hurry makes the background give up its job for one of the others.
	hurry atomic.Int32

	mu    sync.Mutex     // guards what follows, and replacing view
	segs  []*segment     // copied on write; the last one is active
	pins  map[string]int // by path: how many Frozen need the file
	trash []string       // files to remove, once unpinned

	cancel context.CancelFunc
	work   chan struct{} // one place: there may be something to seal or remove
	wg     sync.WaitGroup
}

// Open opens the log in cfg.Dir, creating it if need be, and cuts it behind
// its last valid record.
func Open(cfg Config) (*Log, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		cfg: cfg, log: cfg.Logger, changed: newSignal(),
		replays: make(chan struct{}, maxReplays),
		pins:    map[string]int{}, work: make(chan struct{}, 1),
	}
	if err := l.openCodecs(); err != nil {
		return nil, err
	}
	if cfg.Dir != "" {
		if err := l.recover(); err != nil {
			return nil, errors.Join(fmt.Errorf("open event log: %w", err), l.closeFiles())
		}
	}
	l.ring = l.newRing()
	l.mu.Lock()
	l.show()
	l.mu.Unlock()

	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.wg.Go(func() { l.changed.run(ctx) })
	if cfg.Dir != "" {
		l.wg.Go(func() { l.background(ctx) })
		l.wakeBackground()
	}
	return l, nil
}

func (l *Log) openCodecs() (err error) {
	l.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(blockSize))
	if err != nil {
		return err
	}
	l.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlock))
	return err
}

func (l *Log) newRing() *ring {
	if l.cfg.Dir == "" {
		return newRing(l.cfg.BufferSize, 0, l.head, l.chain)
	}
	return newRing(l.cfg.Ring, ringBytes, l.head, l.chain)
}

// show replaces the view by what the applying goroutine has reached. It is
// called with mu held.
func (l *Log) show() {
	l.view.Store(&view{
		head: l.head, chain: l.chain, low: l.ring.low, segs: l.segs, active: l.size,
		ring: l.ring,
	})
}

// showSegments replaces only the segments of the view, from any goroutine.
// It is called with mu held.
func (l *Log) showSegments() {
	v := *l.view.Load()
	v.segs = l.segs
	l.view.Store(&v)
}

// Close ends all cursors with ErrClosed. It must not run beside the methods of
// the applying goroutine.
func (l *Log) Close() error {
	l.mu.Lock()
	v := *l.view.Load()
	v.closed = true
	l.view.Store(&v)
	l.mu.Unlock()
	l.hurry.Add(1)
	l.cancel()
	l.wg.Wait()
	l.emptyTrash() // what was retired stays so at the next Open
	return l.closeFiles()
}

func (l *Log) closeFiles() error {
	l.dec.Close()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Head returns the newest visible offset, 0 when there has been none.
func (l *Log) Head() uint64 { return l.view.Load().head }

// Oldest returns the oldest retained offset, Head()+1 when there is none.
func (l *Log) Oldest() uint64 { return l.view.Load().oldest() }

// Chain returns the hash chain over all events up to Head: of a log, equal
// chains mean equal bytes since offset 1.
func (l *Log) Chain() uint64 { return l.view.Load().chain }

type counters struct {
	corrupt, fromRing, fromFiles atomic.Uint64
}

// Stats are figures about the log at one moment. The last three count since
// Open.
type Stats struct {
	Head, Oldest uint64
	Segments     int
	Bytes        int64 // of all segment files
	SealedBytes  int64 // of the compressed ones
	Corrupt      uint64
	RingEvents   uint64 // delivered from memory
	FileEvents   uint64 // delivered from segment files
}

// Stats returns the log's figures.
func (l *Log) Stats() Stats {
	v := l.view.Load()
	s := Stats{
		Head: v.head, Oldest: v.oldest(), Segments: len(v.segs), Bytes: v.active,
		Corrupt: l.counts.corrupt.Load(), RingEvents: l.counts.fromRing.Load(), FileEvents: l.counts.fromFiles.Load(),
	}
	for _, seg := range v.segs[:max(len(v.segs)-1, 0)] {
		s.Bytes += seg.size
		if seg.sealed {
			s.SealedBytes += seg.size
		}
	}
	return s
}

// corrupt counts and logs damage, where and once found.
func (l *Log) corrupt(path string, err error) {
	l.counts.corrupt.Add(1)
	l.log.Error("event segment is damaged", "file", filepath.Base(path), "error", err)
}
