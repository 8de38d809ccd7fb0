package event

import (
	"errors"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/kissvdb/kissvdb/fsm/durable"
)

// Covers reports whether the log holds the event at offset, with this hash
// chain: a snapshot of that offset then has no history that is newer than the
// log's own, and Truncate brings the log to it without reading any.
func (l *Log) Covers(offset, chain uint64) bool {
	unlock := l.lockFiles()
	defer unlock()
	v := l.view.Load()
	if offset == 0 {
		return chain == 0 && v.oldest() == 1
	}
	if offset < v.oldest() {
		return false
	}
	p, ok := l.locate(v, offset)
	return ok && p.chain == chain
}

// Truncate cuts off everything above offset, where the hash chain must be
// chain: what comes again is written by Append. A log that does not reach
// offset, or has another history, is emptied and goes on behind offset; what
// is lost is then a gap to its readers. A Frozen of before may fail to persist
// after it.
func (l *Log) Truncate(offset, chain uint64) error {
	l.Publish()
	unlock := l.lockFiles()
	defer unlock()
	v := l.view.Load()
	p, known := l.locate(v, offset)
	switch {
	case !known || p.chain != chain:
		l.log.Warn("event log has no such history and starts anew",
			"offset", offset, "head", v.head, "oldest", v.oldest(), "other_chain", known)
		return l.reset(offset, chain)
	case offset == v.head:
		return nil
	case offset < v.oldest():
		return l.reset(offset, chain)
	case l.cfg.Dir == "":
		l.ring = l.ring.cut(offset, chain)
		l.rewrite(nil, offset, chain)
		return nil
	}
	return l.cut(v.segs, offset, p)
}

// place is what the log knows about the end of one event.
type place struct {
	chain uint64
	pos   int64 // in its segment's file, if that is raw
}

// locate finds the end of the event at offset. It is called with files held,
// so that no segment is replaced meanwhile.
func (l *Log) locate(v *view, offset uint64) (p place, ok bool) {
	switch {
	case offset == v.head:
		return place{chain: v.chain, pos: v.active}, true
	case offset > v.head || offset+1 < v.oldest():
		return place{}, false
	case l.cfg.Dir == "" && offset+1 == v.low:
		return place{chain: l.ring.base}, true
	case l.cfg.Dir == "":
		return place{chain: l.ring.get(offset).chain}, true
	case offset < v.oldest():
		return place{chain: v.segs[0].chain}, true
	}
	seg := v.segs[segmentOf(v.segs, offset)]
	p = place{chain: seg.chain, pos: headerSize}
	f, err := os.Open(seg.path)
	if err == nil {
		defer f.Close()
		_, err = scan(f, l.dec, seg, offset, func(r *scanned) error {
			p = place{chain: r.chain, pos: r.pos + int64(len(r.frame))}
			return nil
		})
	}
	if err != nil {
		l.corrupt(seg.path, err)
		return place{}, false
	}
	return p, true
}

// segmentOf returns the place in segs of the segment that holds offset, -1
// when all begin behind it.
func segmentOf(segs []*segment, offset uint64) int {
	return sort.Search(len(segs), func(i int) bool { return segs[i].first > offset }) - 1
}

// rewrite makes the log, in memory, end at offset with the given segments.
// The head may have moved forward, so that cursors have a gap to read.
func (l *Log) rewrite(segs []*segment, offset, chain uint64) {
	l.head, l.chain = offset, chain
	l.mu.Lock()
	l.segs = segs
	l.show()
	l.mu.Unlock()
	l.changed.raise()
}

// reset empties the log. The new segment is there before the old ones go: a
// newer file wins when a crash leaves both.
func (l *Log) reset(offset, chain uint64) error {
	l.ring = newRing(len(l.ring.slots), l.ring.limit, offset, chain)
	if l.cfg.Dir == "" {
		l.rewrite(nil, offset, chain)
		return nil
	}
	number := l.number + 1
	file, active, err := createRaw(rawPath(l.cfg.Dir, number), number, offset+1, chain)
	if err != nil {
		return err
	}
	obsolete := l.view.Load().segs
	if err := l.activate(file, active); err != nil {
		return err
	}
	l.rewrite([]*segment{active}, offset, chain)
	return removeAll(obsolete)
}

// activate makes a raw segment the one that Append writes to.
func (l *Log) activate(file *os.File, active *segment) error {
	err := l.file.Close()
	l.file, l.active, l.size = file, active, active.size
	l.number = max(l.number, active.number)
	return err
}

// cut makes the segment that holds offset the active one, without its end. A
// raw file is cut, after the ones behind it are gone; of a sealed one a raw
// copy with a higher number is made, which wins over it. A crash between
// leaves the log as it was, as it will be, or shorter than one and longer than
// the other.
func (l *Log) cut(segs []*segment, offset uint64, end place) error {
	i := segmentOf(segs, offset)
	active, obsolete := segs[i].upTo(offset, end), segs[i+1:]
	if segs[i].sealed {
		var err error
		if active, err = l.unseal(segs[i], offset, l.number+1, l.cfg.Dir); err != nil {
			return err
		}
		obsolete = segs[i:]
	}
	l.ring = l.ring.cut(offset, end.chain)
	l.size = active.size
	l.rewrite(append(slices.Clone(segs[:i]), active), offset, end.chain)
	if err := removeAll(obsolete); err != nil {
		return err
	}
	file, err := openEnd(active.path, active.size)
	if err != nil {
		return err
	}
	return l.activate(file, active)
}

// removeAll removes segment files, the newest first: what a crash leaves has
// no hole.
func removeAll(segs []*segment) error {
	for _, seg := range slices.Backward(segs) {
		if err := removeFile(seg.path); err != nil {
			return err
		}
	}
	return nil
}

// upTo describes the same raw segment without what is behind offset.
func (s *segment) upTo(offset uint64, end place) *segment {
	c := *s
	c.last, c.end, c.size = offset, end.chain, end.pos
	if s.index != nil {
		c.index = s.index.upTo(offset)
	}
	return &c
}

// unseal writes the events of seg up to offset as a raw segment into dir.
func (l *Log) unseal(seg *segment, offset, number uint64, dir string) (*segment, error) {
	src, err := os.Open(seg.path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	raw := &segment{
		number: number, path: rawPath(dir, number), first: seg.first, chain: seg.chain,
		last: offset, size: headerSize, index: newSparseIndex(seg.first),
	}
	err = durable.Write(raw.path, func(w io.Writer) error {
		if _, err := w.Write(appendHeader(nil, rawMagic, seg.first, seg.chain)); err != nil {
			return err
		}
		raw.end, err = scan(src, l.dec, seg, offset, func(r *scanned) error {
			raw.index.add(r.event.Offset, raw.size)
			n, err := w.Write(r.frame)
			raw.size += int64(n)
			return err
		})
		if errors.Is(err, io.EOF) {
			return corruptf("the file ends before offset %d", offset)
		}
		return err
	})
	return raw, err
}
