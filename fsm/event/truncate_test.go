package event

import (
	"testing"
)

// TestTruncate cuts logs at every kind of place and lets them be written
// again, as a start does.
func TestTruncate(t *testing.T) {
	m := maker{value: 120}
	for _, offset := range []uint64{0, 1, 2, 39, 44, 45, 60, 61, 70, 79} {
		l, release := mixedLog(t, m)
		head := l.Head()
		release()
		waiting, ahead := l.Cursor(offset), l.Cursor(head)
		if !l.Covers(offset, m.chain(offset)) || l.Covers(offset, m.chain(offset)+1) {
			t.Fatalf("Covers(%d) is wrong", offset)
		}
		if err := l.Truncate(offset, m.chain(offset)); err != nil {
			t.Fatalf("Truncate(%d): %v", offset, err)
		}
		wantHistory(t, l, m, 1, offset)
		if !blocked(t, waiting) || !blocked(t, ahead) {
			t.Fatalf("Truncate(%d): a cursor reads what was cut", offset)
		}
		fill(t, l, m, head+10, 3)
		for c, after := range map[*Cursor]uint64{waiting: offset, ahead: head} {
			if b, err := c.Next(t.Context(), 1); err != nil || b.Gap != nil || b.Events[0].Offset != after+1 {
				t.Fatalf("Truncate(%d): behind %d: %+v, %v", offset, after, b, err)
			}
		}
		wantHistory(t, l, m, 1, l.Head())
		awaitSealed(t, l)
		head = l.Head()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, open(t, l.cfg), m, 1, head)
	}
}

// TestTruncateOtherHistory empties logs that do not have the asked place.
func TestTruncateOtherHistory(t *testing.T) {
	m := maker{value: 120}
	for name, at := range map[string]struct{ offset, chain uint64 }{
		"another chain":          {30, 1},
		"another chain at head":  {60, 1},
		"shorter than asked":     {70, m.chain(70)},
		"shorter, another chain": {70, 5},
	} {
		for _, dir := range []string{"", t.TempDir()} {
			t.Run(name, func(t *testing.T) {
				l := open(t, testConfig(dir))
				fill(t, l, m, 60, 6)
				old := l.Cursor(10)
				if l.Covers(at.offset, at.chain) {
					t.Fatal("Covers")
				}
				if err := l.Truncate(at.offset, at.chain); err != nil {
					t.Fatal(err)
				}
				if l.Head() != at.offset || l.Oldest() != at.offset+1 || l.Chain() != at.chain {
					t.Fatalf("%d..%d", l.Oldest(), l.Head())
				}
				if l.Covers(at.offset, at.chain) {
					t.Fatal("a log without events covers")
				}
				b, err := old.Next(t.Context(), 1)
				if err != nil || b.Gap == nil || *b.Gap != (Gap{11, at.offset}) {
					t.Fatalf("%+v, %v", b, err)
				}
				fill(t, l, m, at.offset+3, 3)
				if dir == "" {
					return
				}
				head, chain := l.Head(), l.Chain()
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				if l = open(t, l.cfg); l.Head() != head || l.Chain() != chain || l.Oldest() != at.offset+1 {
					t.Fatalf("reopened: %d..%d", l.Oldest(), l.Head())
				}
			})
		}
	}
}

func TestTruncateMemoryMode(t *testing.T) {
	m := maker{value: 20}
	cfg := testConfig("")
	cfg.BufferSize = 30
	for offset := uint64(30); offset <= 60; offset++ {
		if e := m.event(offset); offset < e.TxLast {
			continue // a store is never there
		}
		l := open(t, cfg)
		fill(t, l, m, 60, 6)
		covered := offset >= l.Oldest()
		if l.Covers(offset, m.chain(offset)) != covered {
			t.Fatalf("Covers(%d) = %v, oldest %d", offset, !covered, l.Oldest())
		}
		oldest := min(l.Oldest(), offset+1)
		if err := l.Truncate(offset, m.chain(offset)); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, l, m, oldest, offset)
		fill(t, l, m, 60, 6)
		wantHistory(t, l, m, oldest, 60)
	}
}

// TestTruncateWakesCursors moves the head over a waiting cursor.
func TestTruncateWakesCursors(t *testing.T) {
	m := maker{value: 20}
	for _, dir := range []string{"", t.TempDir()} {
		l := open(t, testConfig(dir))
		fill(t, l, m, 60, 6)
		got := make(chan Batch, 1)
		go func() {
			b, err := l.Cursor(60).Next(t.Context(), 1)
			if err != nil {
				t.Error(err)
			}
			got <- b
		}()
		await(t, "the cursor waits", func() bool { return l.changed.waiting.Load() > 0 })
		if err := l.Truncate(70, 5); err != nil {
			t.Fatal(err)
		}
		if b := <-got; b.Gap == nil || *b.Gap != (Gap{61, 70}) {
			t.Fatalf("dir %q: %+v", dir, b)
		}
	}
}
