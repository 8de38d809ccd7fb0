package event

import (
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// TestSlowCursorGapsOnlyBehindRetention lets a cursor fall back step by step:
// it gets the next event as long as its segment is there, and the exact gap
// afterwards.
func TestSlowCursorGapsOnlyBehindRetention(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 300}
	cfg.Retention, cfg.Ring = 3, 4
	l := open(t, cfg)
	fill(t, l, m, 10, 1)
	for l.Head() < 400 {
		after := l.Head() - 9
		slow := l.Cursor(after)
		next := after + 1
		for range 12 {
			fill(t, l, m, l.Head()+3, 3)
			if oldest := l.Oldest(); oldest > next {
				b, err := slow.Next(t.Context(), 1)
				if err != nil || b.Gap == nil || *b.Gap != (Gap{next, oldest - 1}) || b.Last != oldest-1 || len(b.Events) != 0 {
					t.Fatalf("oldest %d, next %d: %+v, %v", oldest, next, b.Gap, err)
				}
				next = oldest
			}
			b, err := slow.Next(t.Context(), 1)
			if err != nil || b.Gap != nil || b.Events[0].Offset != next {
				t.Fatalf("oldest %d, next %d: gap %+v, %v", l.Oldest(), next, b.Gap, err)
			}
			next = b.Last + 1
		}
	}
}

func TestMemoryModeKeepsBufferSize(t *testing.T) {
	cfg, m := testConfig(""), maker{value: 10}
	cfg.BufferSize = 30
	l := open(t, cfg)
	fill(t, l, m, 30, 1)
	wantHistory(t, l, m, 1, 30)
	fill(t, l, m, 32, 1)
	wantHistory(t, l, m, 3, 32)
	slow := l.Cursor(2)
	fill(t, l, m, 37, 1)
	b, err := slow.Next(t.Context(), 1)
	if err != nil || b.Gap == nil || *b.Gap != (Gap{3, 7}) {
		t.Fatalf("%+v, %v", b, err)
	}
	if b, err = slow.Next(t.Context(), 1); err != nil || b.Events[0].Offset != 8 {
		t.Fatalf("%+v, %v", b, err)
	}
}

// TestMemoryModeDropsWholeTransactions also covers one that is larger than
// the ring: it is a gap as a whole.
func TestMemoryModeDropsWholeTransactions(t *testing.T) {
	cfg := testConfig("")
	cfg.BufferSize = 4
	l := open(t, cfg)
	next := uint64(1)
	appendGroup := func(size uint64) {
		var events []record.Event
		for i := range size {
			e := record.Event{Offset: next + i, Type: record.StateDeleted, Key: []byte("k"), Reason: record.TTL}
			if size > 1 {
				e.TxFirst, e.TxLast = next, next+size-1
			}
			events = append(events, e)
		}
		if err := l.Append(events); err != nil {
			t.Fatal(err)
		}
		l.Publish()
		next += size
	}
	for _, step := range []struct{ size, oldest uint64 }{
		{1, 1}, {3, 1}, {1, 2}, {1, 5}, {2, 5}, {6, 15}, {1, 15},
	} {
		appendGroup(step.size)
		if l.Oldest() != step.oldest {
			t.Fatalf("after %d: oldest %d, want %d", next-1, l.Oldest(), step.oldest)
		}
	}
	b, err := l.Cursor(0).Next(t.Context(), 10)
	if err != nil || b.Gap == nil || b.Gap.To != 14 {
		t.Fatalf("%+v, %v", b, err)
	}
}

// TestCursorAheadHolds covers an offset that this node has not applied yet.
func TestCursorAheadHolds(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		l, m := open(t, testConfig(dir)), maker{value: 10}
		fill(t, l, m, 5, 1)
		c := l.Cursor(10)
		fill(t, l, m, 10, 1)
		if !blocked(t, c) {
			t.Fatalf("dir %q: delivered before its position was passed", dir)
		}
		fill(t, l, m, 12, 1)
		b, err := c.Next(t.Context(), 10)
		if err != nil || b.Gap != nil || len(b.Events) != 2 || b.Events[0].Offset != 11 {
			t.Fatalf("dir %q: %+v, %v", dir, b, err)
		}
	}
}

// TestResumeInsideTransaction delivers the rest of it: the client has seen the
// start.
func TestResumeInsideTransaction(t *testing.T) {
	m := maker{value: 10}
	for name, ring := range map[string]int{"ring": 100, "files": 1} {
		cfg := testConfig(t.TempDir())
		cfg.Ring = ring
		l := open(t, cfg)
		fill(t, l, m, 60, 20)
		b, err := l.Cursor(41).Next(t.Context(), 1)
		if err != nil || len(b.Events) != 3 || b.Events[0].Offset != 42 || b.Last != 44 {
			t.Fatalf("%s: %+v, %v", name, b, err)
		}
	}
}

// TestRingAndFilesGiveTheSame reads the same events from memory and, after a
// reopening, from the files.
func TestRingAndFilesGiveTheSame(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 100}
	cfg.Ring = 1000
	l := open(t, cfg)
	fill(t, l, m, 300, 9)
	wantHistory(t, l, m, 1, 300)
	if s := l.Stats(); s.RingEvents != 300 || s.FileEvents != 0 {
		t.Fatalf("%+v", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, cfg)
	wantHistory(t, l, m, 1, 300)
	if s := l.Stats(); s.RingEvents != 0 || s.FileEvents != 300 {
		t.Fatalf("%+v", s)
	}
}

func TestRingIsBoundedByBytes(t *testing.T) {
	r := newRing(1000, 5000, 0, 0)
	for offset := uint64(1); offset <= 100; offset++ {
		e := &Event{Event: maker{value: 500}.event(offset)}
		r.add(e)
		if r.bytes > 5000 && r.low != r.high {
			t.Fatalf("%d bytes in %d..%d", r.bytes, r.low, r.high)
		}
		if r.get(offset) != e || r.get(r.low) == nil || r.low > 1 && r.get(r.low-1) != nil {
			t.Fatalf("offset %d: holds %d..%d", offset, r.low, r.high)
		}
	}
	if r.low < 50 {
		t.Fatalf("holds %d..%d", r.low, r.high)
	}
}

// TestReplaysTakeTurns checks the bound on files read at once.
func TestReplaysTakeTurns(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 100}
	cfg.Ring = 1
	l := open(t, cfg)
	fill(t, l, m, 200, 9)
	for range maxReplays {
		l.replays <- struct{}{}
	}
	c := l.Cursor(0)
	if !blocked(t, c) {
		t.Fatal("read files out of turn")
	}
	<-l.replays
	if b, err := c.Next(t.Context(), 1); err != nil || b.Last != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	for range maxReplays - 1 {
		<-l.replays
	}
}

// TestReaderForgetsHalfWrittenRecord reads up to the head while the next record
// is half in the file.
func TestReaderForgetsHalfWrittenRecord(t *testing.T) {
	l, m := open(t, testConfig("")), maker{value: 50}
	f, seg, err := createRaw(t.TempDir()+"/events-000001.log", 1, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first, second := m.event(1), m.event(2)
	frame := appendFrame(nil, &second)
	half := append(appendFrame(nil, &first), frame[:len(frame)/2]...)
	if _, err := f.Write(append(half, make([]byte, len(frame)-len(frame)/2)...)); err != nil {
		t.Fatal(err)
	}
	var r reader
	r.seek(seg, 1)
	if events, err := r.events(f, l.dec, 1, 1, 10, 1000); err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	if _, err := f.WriteAt(frame[len(frame)/2:], headerSize+int64(len(half))); err != nil {
		t.Fatal(err)
	}
	if events, err := r.events(f, l.dec, 2, 2, 10, 1000); err != nil || len(events) != 1 || events[0].Offset != 2 {
		t.Fatalf("%v, %v", events, err)
	}
}
