package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kissvdb/kissvdb/fsm/durable"
)

const (
	stageName    = "restore"   // directory that is being built
	restoredName = "restored-" // complete directory, to be moved into place; the first new number follows
)

// Staged is a history that was read from a snapshot and checked, beside the
// log it is for.
type Staged struct {
	log         *Log
	head, chain uint64
	first       uint64     // number of the first new segment file
	segs        []*segment // in the staging directory; the last one raw
	file        *os.File   // of the last one
	ring        *ring      // memory mode
}

// Stage reads what Frozen.Persist wrote, the attached files' bytes included,
// and builds a history from it. The log is not touched: after an error it is
// as it was. Between Stage and Commit or Discard nothing may be appended.
func (l *Log) Stage(r io.Reader) (*Staged, error) {
	m, err := readManifest(r)
	if err != nil {
		return nil, fmt.Errorf("event: restore: %w", err)
	}
	s := &Staged{log: l, head: m.head, chain: m.chain, first: l.number + 1}
	if l.cfg.Dir == "" {
		err = s.readMemory(r, m)
	} else {
		err = s.readFiles(r, m)
	}
	if err != nil {
		return nil, fmt.Errorf("event: restore: %w", errors.Join(noEOF(err), s.Discard()))
	}
	return s, nil
}

// Skip reads what Stage would read, and makes nothing of it.
func Skip(r io.Reader) error {
	m, err := readManifest(r)
	if err == nil {
		err = m.each(r, func(int, io.Reader) error { return nil })
	}
	if err != nil {
		return fmt.Errorf("event: skip: %w", noEOF(err))
	}
	return nil
}

// Offset returns the newest offset of the staged history.
func (s *Staged) Offset() uint64 { return s.head }

// Chain returns the hash chain at Offset.
func (s *Staged) Chain() uint64 { return s.chain }

// readFiles writes the segments that retention keeps here into the staging
// directory, the last one raw.
func (s *Staged) readFiles(r io.Reader, m *manifest) error {
	dir := filepath.Join(s.log.cfg.Dir, stageName)
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	skip := max(0, len(m.segs)-max(s.log.cfg.Retention, 1))
	s.segs = make([]*segment, len(m.segs)-skip)
	err := m.each(r, func(i int, body io.Reader) (err error) {
		if i >= skip {
			s.segs[i-skip], err = s.readFile(dir, s.first+uint64(i-skip), body, m.segs[i])
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := linked(s.segs, m); err != nil {
		return err
	}
	return s.stageActive(dir)
}

// readFile writes one segment to a file and checks every record of it.
func (s *Staged) readFile(dir string, number uint64, body io.Reader, want manifestSegment) (*segment, error) {
	path := sealedPath(dir, number)
	var size int64
	err := durable.Write(path, func(w io.Writer) (err error) {
		size, err = io.Copy(w, body)
		return err
	})
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seg, err := s.log.verify(f, size, want, func(*scanned) error { return nil })
	if err != nil {
		return nil, err
	}
	seg.number, seg.path = number, path
	return seg, nil
}

// verify reads a whole sealed segment and compares it with its manifest.
func (l *Log) verify(f io.ReaderAt, size int64, want manifestSegment, fn func(*scanned) error) (*segment, error) {
	seg, err := loadSealed(f, size)
	if err != nil {
		return nil, err
	}
	if seg.first != want.first || seg.last != want.last {
		return nil, corruptf("segment of offsets %d to %d where %d to %d belong", seg.first, seg.last, want.first, want.last)
	}
	chain, err := scan(f, l.dec, seg, seg.last, fn)
	if err != nil {
		return nil, err
	}
	if chain != seg.end {
		return nil, corruptf("hash chain at offset %d", seg.last)
	}
	return seg, nil
}

// linked checks that the hash chain goes through all segments to the head.
func linked(segs []*segment, m *manifest) error {
	for i, seg := range segs {
		if i > 0 && seg.chain != segs[i-1].end {
			return corruptf("hash chain before offset %d", seg.first)
		}
	}
	if n := len(segs); n > 0 && segs[n-1].end != m.chain {
		return corruptf("hash chain at offset %d", m.head)
	}
	return nil
}

// stageActive makes the last segment raw, so that it can be appended to.
func (s *Staged) stageActive(dir string) (err error) {
	number := s.first + uint64(len(s.segs))
	if len(s.segs) == 0 {
		var active *segment
		s.file, active, err = createRaw(rawPath(dir, number), number, s.head+1, s.chain)
		if err != nil {
			return err
		}
		s.segs = append(s.segs, active)
		return errors.Join(s.file.Sync(), durable.SyncDir(dir))
	}
	n := len(s.segs) - 1
	active, err := s.log.unseal(s.segs[n], s.head, number, dir)
	if err != nil {
		return err
	}
	if err := os.Remove(s.segs[n].path); err != nil {
		return err
	}
	s.segs[n] = active
	if s.file, err = openEnd(active.path, active.size); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// readMemory builds a ring of the newest events. All segments pass through
// memory: a snapshot of a log in memory mode has one.
func (s *Staged) readMemory(r io.Reader, m *manifest) error {
	data := make([]bytes.Buffer, len(m.segs))
	err := m.each(r, func(i int, body io.Reader) error {
		_, err := data[i].ReadFrom(body)
		return err
	})
	if err != nil {
		return err
	}
	segs := make([]*segment, len(m.segs))
	s.ring = newRing(s.log.cfg.BufferSize, 0, s.head, s.chain)
	for i := range segs {
		file := bytes.NewReader(data[i].Bytes())
		segs[i], err = s.log.verify(file, file.Size(), m.segs[i], func(r *scanned) error {
			if i == 0 && r.event.Offset == m.segs[0].first {
				s.ring = newRing(s.log.cfg.BufferSize, 0, r.event.Offset-1, 0)
			}
			e, err := decodeFrame(bytes.Clone(r.frame), r.event.Offset)
			s.ring.add(&Event{Event: e, chain: r.chain})
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(segs) > 0 && s.ring.low == segs[0].first {
		s.ring.base = segs[0].chain
	}
	return linked(segs, m)
}

// Discard gives the staged history up.
func (s *Staged) Discard() error {
	if s.log.cfg.Dir == "" {
		return nil
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	return os.RemoveAll(filepath.Join(s.log.cfg.Dir, stageName))
}

// Commit puts the staged history in the place of the log's own. Open cursors
// go on in it, or meet a gap. A crash leaves one of the two. After an error
// the log must not be used further.
func (s *Staged) Commit() error {
	l := s.log
	l.Publish()
	unlock := l.lockFiles()
	defer unlock()
	if l.cfg.Dir == "" {
		l.ring = s.ring
		l.rewrite(nil, s.head, s.chain)
		return nil
	}
	if err := s.move(); err != nil {
		return fmt.Errorf("event: restore: %w", err)
	}
	return nil
}

// move renames the staging directory, from which point on the new history is
// the log's, whatever happens, and then its files into place. Cursors learn of
// it before the old files go.
func (s *Staged) move() error {
	l := s.log
	restored := filepath.Join(l.cfg.Dir, fmt.Sprintf("%s%06d", restoredName, s.first))
	if err := os.Rename(filepath.Join(l.cfg.Dir, stageName), restored); err != nil {
		return err
	}
	if err := durable.SyncDir(l.cfg.Dir); err != nil {
		return err
	}
	if err := moveFiles(restored, l.cfg.Dir); err != nil {
		return err
	}
	for _, seg := range s.segs {
		seg.path = filepath.Join(l.cfg.Dir, filepath.Base(seg.path))
	}
	old := l.view.Load().segs
	if err := l.activate(s.file, s.segs[len(s.segs)-1]); err != nil {
		return err
	}
	l.ring = newRing(len(l.ring.slots), l.ring.limit, s.head, s.chain)
	l.rewrite(s.segs, s.head, s.chain)
	l.mu.Lock()
	for _, seg := range old {
		l.trash = append(l.trash, seg.path)
	}
	l.mu.Unlock()
	l.emptyTrash()
	return os.Remove(restored)
}

// finishRestore does what a crash has left of Commit.
func finishRestore(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		var first uint64
		name, ok := strings.CutPrefix(e.Name(), restoredName)
		if !ok || !e.IsDir() {
			continue
		}
		if _, err := fmt.Sscanf(name, "%d", &first); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		if err := removeBelow(dir, first); err != nil {
			return err
		}
		restored := filepath.Join(dir, e.Name())
		if err := errors.Join(moveFiles(restored, dir), os.RemoveAll(restored)); err != nil {
			return err
		}
	}
	return nil
}

func removeBelow(dir string, first uint64) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if number, _, ok := parseName(e.Name()); !ok || number >= first {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func moveFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return errors.Join(durable.SyncDir(to), durable.SyncDir(from))
}
