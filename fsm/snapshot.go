package fsm

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

// snapshotBuffer is how much of a snapshot is written or read at once.
const snapshotBuffer = 256 << 10

// frozen is all stores as they were after one entry, but for the events.
type frozen struct {
	index   uint64 // of the entry, where it matters
	offset  uint64
	time    int64
	chain   uint64 // of the events, at offset
	state   *state.Frozen
	vectors *vector.Frozen
}

// freeze returns the stores as they are, in O(1). With files they can be
// written down, and are to be released.
func (f *FSM) freeze(index uint64, files bool) *frozen {
	f.mu.Lock() // copying a tree marks it, which excludes its readers
	defer f.mu.Unlock()
	return &frozen{
		index: index, offset: f.view.Offset, time: f.view.Time,
		chain: f.events.Chain(), state: f.view.State.Freeze(), vectors: f.view.Vectors.Freeze(f.view.Offset, files),
	}
}

// appendPosition appends where in the order of changes z stands.
func (z *frozen) appendPosition(dst []byte) []byte {
	dst = record.AppendUint(dst, z.offset)
	dst = record.AppendUint(dst, uint64(z.time))
	return record.AppendUint(dst, z.chain)
}

// Snapshot freezes all stores, in O(1). persist writes them to w and then has
// the event segments attached behind that; it may run on any goroutine, beside
// everything else. release must be called once persist is done, or instead.
func (f *FSM) Snapshot() (persist func(w io.Writer, attach func(f *os.File, size int64) error) error, release func(), err error) {
	if f.failed != nil {
		return nil, nil, f.failed
	}
	if err := f.start(); err != nil {
		return nil, nil, err
	}
	s := &snapshot{stores: f.freeze(0, true), events: f.events.Freeze(), checksums: f.checksums.list()}
	return s.persist, func() { f.release(s) }, nil
}

func (f *FSM) release(s *snapshot) {
	s.events.Release()
	if err := s.stores.vectors.Release(); err != nil {
		f.log.Warn("release a snapshot's files", "error", err)
	}
}

// snapshot is what Snapshot froze.
type snapshot struct {
	stores    *frozen
	events    *event.Frozen
	checksums []Checksum
}

// persist writes the stores in blocks, behind them the events in their own
// format, and then has the files of events and vectors attached.
func (s *snapshot) persist(w io.Writer, attach func(f *os.File, size int64) error) error {
	bw := bufio.NewWriterSize(w, snapshotBuffer)
	if err := s.writeBlocks(bw); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := s.events.Persist(w, attach); err != nil {
		return err
	}
	return s.stores.vectors.Attach(attach)
}

// writeBlocks writes the position and the checksums in a first block, then the
// state and the collections.
func (s *snapshot) writeBlocks(w io.Writer) error {
	blocks, err := newBlockWriter(w)
	if err != nil {
		return err
	}
	if err := blocks.write(s.appendHeader(nil)); err != nil {
		return err
	}
	if err := s.stores.state.Encode(blocks.write); err != nil {
		return err
	}
	if err := s.stores.vectors.Encode(blocks.write); err != nil {
		return err
	}
	return blocks.end()
}

func (s *snapshot) appendHeader(dst []byte) []byte {
	dst = s.stores.appendPosition(dst)
	dst = record.AppendUint(dst, uint64(len(s.checksums)))
	for _, sum := range s.checksums {
		dst = record.AppendUint(dst, sum.Index)
		dst = record.AppendUint(dst, sum.Offset)
		dst = record.AppendBytes(dst, sum.Hash)
	}
	return dst
}
