package event

import (
	"fmt"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// Append writes events behind the newest one, with a single write to the
// active segment and no fsync. They stay invisible until Publish. The offsets
// must go on without a hole, and a transaction must come whole. After an error
// the log must not be used further: the node stops.
//
// The events are copied; their byte slices may be reused.
func (l *Log) Append(events []record.Event) error {
	if len(events) == 0 {
		return nil
	}
	size := 0
	for i := range events {
		if events[i].Offset != l.head+1+uint64(i) {
			return fmt.Errorf("event: append of offset %d behind %d", events[i].Offset, l.head+uint64(i))
		}
		size += frameHeader + maxFixed + payload(&events[i])
	}
	// The ring's events live in the bytes that are written: one allocation
	// for all that a call's events hold.
	buf := make([]byte, 0, size)
	batch := make([]Event, len(events))
	ends := make([]int, len(events))
	chain := l.chain
	for i := range events {
		start := len(buf)
		buf = appendFrame(buf, &events[i])
		frame := buf[start:]
		decoded, err := decodeFrame(frame, events[i].Offset)
		if err != nil {
			return fmt.Errorf("event: append: %w", err)
		}
		chain = nextChain(chain, frame[frameHeader:])
		batch[i].Event, batch[i].chain = decoded, chain
		ends[i] = len(buf)
	}
	if l.cfg.Dir != "" {
		if err := l.write(buf, ends); err != nil {
			return fmt.Errorf("event: append: %w", err)
		}
	}
	l.head += uint64(len(events))
	l.chain = chain
	for i := range batch {
		l.pending = append(l.pending, &batch[i])
	}
	return nil
}

// maxFixed bounds an encoded event without its payload.
const maxFixed = 96

// write appends buf, whose records end at ends, to the active segment, or to
// a new one where it would grow beyond SegmentBytes.
func (l *Log) write(buf []byte, ends []int) error {
	if l.size > headerSize && l.size+int64(len(buf)) > l.cfg.SegmentBytes {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if _, err := l.file.Write(buf); err != nil {
		return err
	}
	start := 0
	for i, end := range ends {
		l.active.index.add(l.head+1+uint64(i), l.size+int64(start))
		start = end
	}
	l.size += int64(len(buf))
	return nil
}

// rotate closes the active segment behind head and starts the next one. What
// retention no longer keeps leaves the list here and the disk in the
// background.
func (l *Log) rotate() error {
	number := l.number + 1
	file, active, err := createRaw(rawPath(l.cfg.Dir, number), number, l.head+1, l.chain)
	if err != nil {
		return err
	}
	if err := l.file.Close(); err != nil {
		_ = file.Close()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.segs) - 1
	full := *l.segs[n]
	full.last, full.end, full.size = l.head, l.chain, l.size
	segs := make([]*segment, 0, n+2)
	segs = append(segs, l.segs[:n]...)
	segs = append(segs, &full, active)
	if drop := len(segs) - max(l.cfg.Retention, 1); drop > 0 {
		for _, seg := range segs[:drop] {
			l.dropped = append(l.dropped, seg.path)
		}
		segs = segs[drop:]
	}
	l.segs = segs
	l.number, l.active, l.file, l.size = number, active, file, headerSize
	l.rotated = true
	return nil
}

// Publish makes everything appended visible and wakes the cursors.
func (l *Log) Publish() {
	if len(l.pending) == 0 {
		return
	}
	for _, e := range l.pending {
		l.ring.add(e)
	}
	clear(l.pending)
	l.pending = l.pending[:0]
	l.mu.Lock()
	l.show()
	l.trash = append(l.trash, l.dropped...) // not before no view names them
	l.dropped = nil
	l.mu.Unlock()
	l.changed.raise()
	if l.rotated {
		l.rotated = false
		l.wakeBackground()
	}
}
