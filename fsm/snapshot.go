package fsm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
)

// snapshotBuffer is how much of a snapshot is written or read at once.
const snapshotBuffer = 256 << 10

// frozen is all stores as they were after one entry, but for the events.
type frozen struct {
	index  uint64 // of the entry, where it matters
	offset uint64
	time   int64
	chain  uint64 // of the events, at offset
	state  *state.Frozen
}

// freeze returns the stores as they are, in O(1).
func (f *FSM) freeze(index uint64) *frozen {
	f.mu.Lock() // copying a tree marks it, which excludes its readers
	defer f.mu.Unlock()
	return &frozen{
		index: index, offset: f.view.Offset, time: f.view.Time,
		chain: f.events.Chain(), state: f.view.State.Freeze(),
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
	s := &snapshot{stores: f.freeze(0), events: f.events.Freeze(), checksums: f.checksums.list()}
	return s.persist, s.events.Release, nil
}

// snapshot is what Snapshot froze.
type snapshot struct {
	stores    *frozen
	events    *event.Frozen
	checksums []Checksum
}

// persist writes the stores in blocks, and behind them the events in their
// own format.
func (s *snapshot) persist(w io.Writer, attach func(f *os.File, size int64) error) error {
	bw := bufio.NewWriterSize(w, snapshotBuffer)
	if err := s.writeBlocks(bw); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return s.events.Persist(w, attach)
}

// writeBlocks writes the position and the checksums in a first block, then the
// state.
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

// restored is what a snapshot says, read and checked.
type restored struct {
	view      View
	chain     uint64
	checksums []Checksum
}

// Restore replaces all stores by those of a snapshot. It reads and checks
// everything beside them and then swaps: after an error they are as they
// were. r may be left unread: where the event log's own history reaches the
// snapshot, as after a restart, the events in r are not looked at.
func (f *FSM) Restore(r io.Reader) error {
	if f.failed != nil {
		return f.failed
	}
	br := bufio.NewReaderSize(r, snapshotBuffer)
	s, err := readSnapshot(br)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	swap := func() error { return f.events.Truncate(s.view.Offset, s.chain) }
	if !f.events.Covers(s.view.Offset, s.chain) {
		staged, err := f.stageEvents(br, s)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		swap = staged.Commit
	}
	if err := f.swap(s, swap); err != nil {
		f.failed = fmt.Errorf("restore: %w", err)
		return f.failed
	}
	return nil
}

// stageEvents reads the events of a snapshot beside the event log.
func (f *FSM) stageEvents(r io.Reader, s *restored) (*event.Staged, error) {
	staged, err := f.events.Stage(r)
	if err != nil {
		return nil, err
	}
	if staged.Offset() != s.view.Offset || staged.Chain() != s.chain {
		err := corrupt("events end at offset %d, the state is at %d", staged.Offset(), s.view.Offset)
		return nil, errors.Join(err, staged.Discard())
	}
	return staged, nil
}

// swap puts a restored state in place, with the events by the given function.
// Readers wait for it: they must not see one without the other.
func (f *FSM) swap(s *restored, events func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := events(); err != nil {
		return err
	}
	f.view = s.view
	f.started = true
	f.clock.restored(s.view.Time)
	f.checksums.restore(s.checksums)
	f.announce()
	return nil
}

// readSnapshot reads a snapshot up to its events.
func readSnapshot(r io.Reader) (*restored, error) {
	blocks, err := newBlockReader(r)
	if err != nil {
		return nil, err
	}
	defer blocks.close()
	header, err := blocks.next()
	if err != nil {
		return nil, cutShort(err)
	}
	s := &restored{}
	if err := s.parseHeader(header); err != nil {
		return nil, err
	}
	s.view.State, err = readState(blocks)
	return s, err
}

func (s *restored) parseHeader(block []byte) error {
	r := record.NewReader(block)
	s.view.Offset = r.Uint("snapshot offset")
	s.view.Time = r.Time("snapshot time")
	s.chain = r.Uint("snapshot chain")
	for range r.Count("snapshot checksums") {
		s.checksums = append(s.checksums, Checksum{
			Index: r.Uint("checksum index"), Offset: r.Uint("checksum offset"), Hash: string(r.Bytes("checksum")),
		})
		if r.Failed() {
			break
		}
	}
	return r.Done("snapshot header")
}

func readState(blocks *blockReader) (*state.Store, error) {
	b := state.NewBuilder()
	for {
		block, err := blocks.next()
		if errors.Is(err, io.EOF) {
			return b.Store()
		}
		if err != nil {
			return nil, err
		}
		if err := b.Add(block); err != nil {
			return nil, err
		}
	}
}
