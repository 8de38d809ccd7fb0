package fsm

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

// restored is what a snapshot says, read and checked.
type restored struct {
	offset    uint64
	time      int64
	chain     uint64
	checksums []Checksum
	state     *state.Store
	vectors   *vector.Restore
	events    func() error // puts the events in place
	staged    *event.Staged
}

// Restore replaces all stores by those of a snapshot. It reads and checks
// everything beside them and then swaps: after an error they are as they
// were. r may be left unread: where this node's own files hold what was
// attached to the snapshot, as after a restart, it is not looked at.
func (f *FSM) Restore(r io.Reader) error {
	if f.failed != nil {
		return f.failed
	}
	s := &restored{vectors: f.view.Vectors.NewRestore()}
	if err := f.read(bufio.NewReaderSize(r, snapshotBuffer), s); err != nil {
		return fmt.Errorf("restore: %w", errors.Join(err, s.discard()))
	}
	if err := f.swap(s); err != nil {
		f.failed = fmt.Errorf("restore: %w", err)
		return f.failed
	}
	return nil
}

// read reads a snapshot beside the stores.
func (f *FSM) read(r io.Reader, s *restored) error {
	if err := s.readBlocks(r); err != nil {
		return err
	}
	s.events = func() error { return f.events.Truncate(s.offset, s.chain) }
	haveEvents, haveVectors := f.events.Covers(s.offset, s.chain), s.vectors.Local()
	switch {
	case haveEvents && haveVectors:
		return nil
	case haveEvents:
		if err := event.Skip(r); err != nil {
			return err
		}
	default:
		if err := f.stageEvents(r, s); err != nil {
			return err
		}
	}
	if haveVectors {
		return nil
	}
	return s.vectors.Read(r)
}

// stageEvents reads the events of a snapshot beside the event log.
func (f *FSM) stageEvents(r io.Reader, s *restored) (err error) {
	if s.staged, err = f.events.Stage(r); err != nil {
		return err
	}
	if s.staged.Offset() != s.offset || s.staged.Chain() != s.chain {
		return corrupt("events end at offset %d, the state is at %d", s.staged.Offset(), s.offset)
	}
	s.events = s.staged.Commit
	return nil
}

// discard gives up what was read.
func (s *restored) discard() error {
	err := s.vectors.Discard()
	if s.staged != nil {
		err = errors.Join(err, s.staged.Discard())
	}
	return err
}

// swap puts what was restored in place. Readers wait for it: they must not
// see one store without the others.
func (f *FSM) swap(s *restored) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := s.events(); err != nil {
		return err
	}
	if err := s.vectors.Commit(); err != nil {
		return err
	}
	f.view.Offset, f.view.Time, f.view.State = s.offset, s.time, s.state
	f.started = true
	f.clock.restored(s.time)
	f.checksums.restore(s.checksums)
	f.announce()
	return nil
}

// readBlocks reads a snapshot up to its events.
func (s *restored) readBlocks(r io.Reader) error {
	blocks, err := newBlockReader(r)
	if err != nil {
		return err
	}
	defer blocks.close()
	header, err := blocks.next()
	if err != nil {
		return cutShort(err)
	}
	if err := s.parseHeader(header); err != nil {
		return err
	}
	return s.readStores(blocks)
}

func (s *restored) parseHeader(block []byte) error {
	r := record.NewReader(block)
	s.offset = r.Uint("snapshot offset")
	s.time = r.Time("snapshot time")
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

// readStores reads the state's blocks and then those of the collections.
func (s *restored) readStores(blocks *blockReader) error {
	b := state.NewBuilder()
	for {
		block, err := blocks.next()
		switch {
		case errors.Is(err, io.EOF):
			if !s.vectors.Done() {
				return corrupt("no end of the collections")
			}
			s.state, err = b.Store()
			return err
		case err != nil:
			return err
		case b.Done():
			err = s.vectors.Add(block)
		default:
			err = b.Add(block)
		}
		if err != nil {
			return err
		}
	}
}
