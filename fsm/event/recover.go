package event

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kissvdb/kissvdb/fsm/durable"
)

// recover brings the log to what its directory holds: the longest run of
// segments that ends with the newest and has no hole, up to the last valid
// record. Everything else in the directory that is a segment is removed.
func (l *Log) recover() error {
	if err := os.MkdirAll(l.cfg.Dir, 0o755); err != nil {
		return err
	}
	if err := finishRestore(l.cfg.Dir); err != nil {
		return err
	}
	numbers, err := cleanDir(l.cfg.Dir)
	if err != nil {
		return err
	}
	if len(numbers) > 0 {
		l.number = numbers[len(numbers)-1]
	}
	if err := l.assemble(numbers); err != nil {
		return err
	}
	for len(l.segs) > max(l.cfg.Retention, 1) {
		if err := os.Remove(l.segs[0].path); err != nil {
			return err
		}
		l.segs = l.segs[1:]
	}
	return l.openActive()
}

// cleanDir removes what a crash left half-made and returns the numbers of the
// segments, ascending.
func cleanDir(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		name := e.Name()
		if number, _, ok := parseName(name); ok {
			numbers = append(numbers, number)
			continue
		}
		if strings.HasPrefix(name, "events-") && strings.HasSuffix(name, durable.Tmp) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), os.RemoveAll(filepath.Join(dir, stageName))
}

// assemble loads the segments into l.segs. A newer file wins over older ones
// from its first offset on. Damage ends the log: what lies behind it came
// after, and comes again from the replicated log.
func (l *Log) assemble(numbers []uint64) error {
	for i, number := range numbers {
		seg, sound, err := l.load(number)
		if err != nil {
			return err
		}
		if seg != nil {
			if err := l.join(seg); err != nil {
				return err
			}
		}
		if sound {
			continue
		}
		for _, newer := range slices.Backward(numbers[i+1:]) {
			l.log.Error("event segment behind a damaged one is removed", "file", filepath.Base(rawPath(l.cfg.Dir, newer)))
			if err := removeSegment(l.cfg.Dir, newer); err != nil {
				return err
			}
		}
		break
	}
	return nil
}

// join appends seg to l.segs and removes what it replaces.
func (l *Log) join(seg *segment) error {
	for n := len(l.segs) - 1; n >= 0; n-- {
		last := l.segs[n]
		if last.last+1 == seg.first && last.end == seg.chain {
			break
		}
		if last.first < seg.first {
			// A hole, or another history: nothing before it can be served.
			l.log.Warn("event segment does not continue the one before it", "file", filepath.Base(seg.path), "offset", seg.first)
			for _, old := range l.segs[:n+1] {
				if err := os.Remove(old.path); err != nil {
					return err
				}
			}
			l.segs = nil
			break
		}
		if err := os.Remove(last.path); err != nil {
			return err
		}
		l.segs = l.segs[:n]
	}
	l.segs = append(l.segs, seg)
	return nil
}

// load reads the description of a segment, with its records if it is raw. It
// returns no segment when not even its start is valid; sound is false when
// something behind the last valid record was found.
func (l *Log) load(number uint64) (seg *segment, sound bool, err error) {
	seg, err = l.loadSealedFile(number)
	if err == nil {
		// The raw form is the same; it was about to be removed.
		return seg, true, removeFile(rawPath(l.cfg.Dir, number))
	}
	switch {
	case errors.Is(err, ErrCorrupt):
		l.corrupt(sealedPath(l.cfg.Dir, number), err)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, err
	}
	seg, sound, err = l.loadRawFile(number)
	if err == nil {
		return seg, sound, removeFile(sealedPath(l.cfg.Dir, number))
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		l.log.Warn("event segment has no valid start and is removed", "file", filepath.Base(rawPath(l.cfg.Dir, number)), "error", err)
		return nil, false, removeSegment(l.cfg.Dir, number)
	}
	return nil, false, err
}

func (l *Log) loadSealedFile(number uint64) (*segment, error) {
	path := sealedPath(l.cfg.Dir, number)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	seg, err := loadSealed(f, info.Size())
	if err != nil {
		return nil, err
	}
	seg.number, seg.path = number, path
	return seg, nil
}

func (l *Log) loadRawFile(number uint64) (seg *segment, sound bool, err error) {
	path := rawPath(l.cfg.Dir, number)
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(f, header); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, false, corruptf("segment header is short")
		}
		return nil, false, err
	}
	first, chain, err := parseHeader(header, rawMagic)
	if err != nil {
		return nil, false, err
	}
	seg = &segment{
		number: number, path: path, first: first, chain: chain, size: headerSize,
		last: first - 1, index: newSparseIndex(first),
	}
	seg.end = chain
	reached := seg.last
	_, err = scan(f, l.dec, seg, math.MaxUint64, func(r *scanned) error {
		reached = r.event.Offset
		seg.index.add(reached, r.pos)
		if reached >= r.event.TxLast {
			seg.last, seg.end, seg.size = reached, r.chain, r.pos+int64(len(r.frame))
		}
		return nil
	})
	switch {
	case errors.Is(err, io.EOF) && reached == seg.last:
		return seg, true, nil
	case errors.Is(err, io.EOF) || errors.Is(err, ErrCorrupt):
		l.log.Warn("event segment is cut behind its last valid record or whole transaction",
			"file", filepath.Base(path), "offset", seg.last, "position", seg.size, "error", err)
		seg.index = seg.index.upTo(seg.last)
		return seg, false, nil
	}
	return nil, false, err
}

// openActive makes the last raw segment the active one, or starts one behind
// the last sealed.
func (l *Log) openActive() error {
	if n := len(l.segs); n > 0 {
		last := l.segs[n-1]
		l.head, l.chain = last.last, last.end
		if !last.sealed {
			file, err := openEnd(last.path, last.size)
			l.active, l.file, l.size = last, file, last.size
			return err
		}
	}
	file, active, err := createRaw(rawPath(l.cfg.Dir, l.number+1), l.number+1, l.head+1, l.chain)
	if err != nil {
		return err
	}
	l.number++
	l.active, l.file, l.size = active, file, headerSize
	l.segs = append(l.segs, active)
	return nil
}

// openEnd opens a raw segment for appending behind its first size bytes.
func openEnd(path string, size int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		_ = f.Close()
		return nil, err
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func removeSegment(dir string, number uint64) error {
	if err := removeFile(rawPath(dir, number)); err != nil {
		return err
	}
	return removeFile(sealedPath(dir, number))
}
