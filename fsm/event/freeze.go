package event

import (
	"bufio"
	"io"
	"os"
	"slices"
	"sync"
)

// Frozen is the log as it was at Freeze.
type Frozen struct {
	log    *Log
	head   uint64
	chain  uint64
	segs   []*segment
	events []*Event // memory mode
	base   uint64   // memory mode: hash chain before events

	release sync.Once
}

// Freeze pins what is retained now, without any I/O: the files stay until
// Release, whatever retention and compression do. All that was appended must
// have been published.
func (l *Log) Freeze() *Frozen {
	f := &Frozen{log: l, head: l.head, chain: l.chain}
	if l.cfg.Dir == "" {
		f.events, f.base = l.ring.events(), l.ring.base
		return f
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f.segs = slices.Clone(l.segs)
	f.segs[len(f.segs)-1] = l.active.upTo(l.head, place{chain: l.chain, pos: l.size})
	for _, seg := range f.segs {
		l.pins[seg.path]++
	}
	return f
}

// Offset returns the newest offset frozen.
func (f *Frozen) Offset() uint64 { return f.head }

// Chain returns the hash chain at Offset.
func (f *Frozen) Chain() uint64 { return f.chain }

// Release lets go of the files. It may be called more than once.
func (f *Frozen) Release() {
	f.release.Do(func() {
		f.log.mu.Lock()
		for _, seg := range f.segs {
			if f.log.pins[seg.path]--; f.log.pins[seg.path] == 0 {
				delete(f.log.pins, seg.path)
			}
		}
		f.log.mu.Unlock()
		f.log.wakeBackground()
	})
}

// Persist writes the snapshot to w and then attaches the sealed files, whose
// bytes follow what was written. It may run beside all methods of the log. A
// damaged segment is left out, with all before it: a snapshot never spreads
// damage, and is never refused for it.
func (f *Frozen) Persist(w io.Writer, attach func(f *os.File, size int64) error) error {
	bw := bufio.NewWriterSize(w, 4*blockSize)
	if f.log.cfg.Dir == "" {
		if err := f.persistEvents(bw); err != nil {
			return err
		}
		return bw.Flush()
	}
	segs := f.sound()
	if _, err := bw.Write(f.manifest(segs).append(nil)); err != nil {
		return err
	}
	for _, seg := range segs {
		if seg.sealed {
			continue
		}
		c := &chunkWriter{w: bw}
		if _, err := f.log.copySealed(c, seg, seg.last, func() error { return nil }); err != nil {
			return err
		}
		if err := c.end(); err != nil {
			return err
		}
	}
	if err := bw.Flush(); err != nil {
		return err
	}
	for _, seg := range segs {
		if !seg.sealed {
			continue
		}
		if err := attachSealed(seg, attach); err != nil {
			return err
		}
	}
	return nil
}

func attachSealed(seg *segment, attach func(f *os.File, size int64) error) error {
	file, err := os.Open(seg.path)
	if err != nil {
		return err
	}
	defer file.Close() // only read
	return attach(file, seg.size)
}

func (f *Frozen) manifest(segs []*segment) *manifest {
	m := &manifest{head: f.head, chain: f.chain}
	for _, seg := range segs {
		entry := manifestSegment{first: seg.first, last: seg.last}
		if seg.sealed {
			entry.size = seg.size
		}
		m.segs = append(m.segs, entry)
	}
	return m
}

// sound returns the newest frozen segments whose bytes are still what was
// written, checked one by one back to the first that is not.
func (f *Frozen) sound() []*segment {
	segs := f.segs[max(0, len(f.segs)-maxManifest):]
	for i, seg := range slices.Backward(segs) {
		if err := f.log.check(seg); err != nil {
			f.log.corrupt(seg.path, err)
			return segs[i+1:]
		}
	}
	return segs
}

// check reads a whole segment and compares its checksums. The blocks of a
// sealed one are not decoded for it.
func (l *Log) check(seg *segment) error {
	file, err := os.Open(seg.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if !seg.sealed {
		chain, err := scan(file, l.dec, seg, seg.last, func(*scanned) error { return nil })
		if err == nil && chain != seg.end {
			err = corruptf("hash chain at offset %d", seg.last)
		}
		return err
	}
	found, err := loadSealed(file, seg.size)
	if err != nil {
		return err
	}
	if found.first != seg.first || found.last != seg.last || found.chain != seg.chain || found.end != seg.end {
		return corruptf("segment of other events")
	}
	for _, k := range found.blocks {
		if _, err := readPacked(file, k); err != nil {
			return err
		}
	}
	return nil
}

// persistEvents writes the ring's events as the one segment of a snapshot.
func (f *Frozen) persistEvents(w io.Writer) error {
	var segs []*segment
	if len(f.events) > 0 {
		segs = []*segment{{first: f.events[0].Offset, last: f.head}}
	}
	if _, err := w.Write(f.manifest(segs).append(nil)); err != nil || len(segs) == 0 {
		return err
	}
	c := &chunkWriter{w: w}
	s, err := newSealer(c, f.log.enc, segs[0].first, f.base)
	if err != nil {
		return err
	}
	var frame []byte
	for _, e := range f.events {
		frame = appendFrame(frame[:0], &e.Event)
		if err := s.add(frame); err != nil {
			return err
		}
	}
	if _, err := s.finish(f.chain); err != nil {
		return err
	}
	return c.end()
}
