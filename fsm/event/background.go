package event

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/durable"
)

// errHurry ends a background job because someone else needs the files.
var errHurry = errors.New("event: interrupted")

func (l *Log) wakeBackground() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// background removes files that retention has passed and seals full segments,
// oldest first, so that the applying goroutine does neither.
func (l *Log) background(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.work:
		}
		l.files.Lock()
		l.emptyTrash()
		l.files.Unlock()
		l.sealAll(ctx)
	}
}

// sealAll seals what is full and raw. What fails is tried again when the next
// segment is full.
func (l *Log) sealAll(ctx context.Context) {
	failed := map[*segment]bool{}
	for ctx.Err() == nil {
		l.files.Lock()
		seg := l.nextToSeal(failed)
		var err error
		if seg != nil {
			err = l.seal(seg)
		}
		l.files.Unlock()
		if seg == nil || errors.Is(err, errHurry) {
			return
		}
		failed[seg] = err != nil
	}
}

// emptyTrash removes the files nobody needs any more. A file that stays, for
// an error or a crash, is removed at the next Open.
func (l *Log) emptyTrash() {
	l.mu.Lock()
	var gone []string
	l.trash = slices.DeleteFunc(l.trash, func(path string) bool {
		if l.pins[path] > 0 {
			return false
		}
		gone = append(gone, path)
		return true
	})
	l.mu.Unlock()
	for _, path := range gone {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.log.Warn("event segment was not removed", "error", err)
		}
	}
}

// nextToSeal returns the oldest full segment that is still raw.
func (l *Log) nextToSeal(skip map[*segment]bool) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seg := range l.segs[:len(l.segs)-1] {
		if !seg.sealed && !skip[seg] {
			return seg
		}
	}
	return nil
}

// seal writes the compressed form of a full segment beside it and puts it in
// its place. Until the rename the raw file is the segment; a crash leaves one
// of the two, or both, with the same events. It is called with files held.
func (l *Log) seal(seg *segment) error {
	path := sealedPath(l.cfg.Dir, seg.number)
	sealed, err := l.writeSealed(seg, path)
	switch {
	case errors.Is(err, errHurry), errors.Is(err, os.ErrNotExist):
		return err // for another time, or retention was faster
	case errors.Is(err, ErrCorrupt):
		l.corrupt(seg.path, err)
		return err
	case err != nil:
		l.log.Warn("event segment was not compressed", "error", err)
		return err
	}
	l.mu.Lock()
	i := slices.Index(l.segs, seg)
	if i < 0 {
		l.trash = append(l.trash, path)
	} else {
		l.segs = slices.Clone(l.segs)
		l.segs[i] = sealed
		l.trash = append(l.trash, seg.path)
		l.showSegments()
	}
	l.mu.Unlock()
	l.emptyTrash()
	return nil
}

func (l *Log) writeSealed(seg *segment, path string) (*segment, error) {
	var sealed *segment
	err := durable.Write(path, func(w io.Writer) (err error) {
		sealed, err = l.copySealed(w, seg, seg.last, l.interrupted)
		if err == nil && sealed.end != seg.end {
			err = corruptf("hash chain at offset %d", seg.last)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	sealed.number, sealed.path = seg.number, path
	return sealed, nil
}

// copySealed writes the events of a raw segment up to offset last to w, as a
// sealed segment, and returns its description. check may end it early.
func (l *Log) copySealed(w io.Writer, seg *segment, last uint64, check func() error) (*segment, error) {
	src, err := os.Open(seg.path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	s, err := newSealer(w, l.enc, seg.first, seg.chain)
	if err != nil {
		return nil, err
	}
	chain, err := scan(src, l.dec, seg, last, func(r *scanned) error {
		if err := check(); err != nil {
			return err
		}
		return s.add(r.frame)
	})
	if errors.Is(err, io.EOF) {
		return nil, corruptf("the file ends before offset %d", last)
	}
	if err != nil {
		return nil, err
	}
	return s.finish(chain)
}

// interrupted returns errHurry when someone waits for the files.
func (l *Log) interrupted() error {
	if l.hurry.Load() > 0 {
		return errHurry
	}
	return nil
}

// lockFiles takes the segment files from the background, which gives up what
// it is doing and starts again after unlock.
func (l *Log) lockFiles() (unlock func()) {
	l.hurry.Add(1)
	l.files.Lock()
	l.hurry.Add(-1)
	return func() {
		l.files.Unlock()
		l.wakeBackground()
	}
}
