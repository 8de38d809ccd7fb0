package event

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

func TestAppendIsInvisibleUntilPublish(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		l, m := open(t, testConfig(dir)), maker{value: 50}
		c := l.Cursor(0)
		if err := l.Append(m.events(1, 3)); err != nil {
			t.Fatal(err)
		}
		if l.Head() != 0 || l.Oldest() != 1 || !blocked(t, c) {
			t.Fatalf("dir %q: head %d, oldest %d before Publish", dir, l.Head(), l.Oldest())
		}
		l.Publish()
		wantHistory(t, l, m, 1, 3)
		if b, err := c.Next(t.Context(), 0); err != nil || len(b.Events) != 3 || b.Last != 3 {
			t.Fatalf("dir %q: Next = %+v, %v", dir, b, err)
		}
	}
}

func TestAppendRefusesHoles(t *testing.T) {
	l, m := open(t, testConfig(t.TempDir())), maker{value: 5}
	fill(t, l, m, 2, 1)
	for _, first := range []uint64{2, 4} {
		if err := l.Append(m.events(first, first)); err == nil {
			t.Errorf("offset %d behind 2 was taken", first)
		}
	}
}

func TestAppendCopies(t *testing.T) {
	l := open(t, testConfig(""))
	key := []byte("aaa")
	if err := l.Append([]record.Event{{Offset: 1, Type: record.StateDeleted, Key: key, Reason: record.Explicit}}); err != nil {
		t.Fatal(err)
	}
	l.Publish()
	copy(key, "bbb")
	b, err := l.Cursor(0).Next(t.Context(), 1)
	if err != nil || !strings.Contains(string(b.Events[0].SSE()), `"key":"aaa"`) {
		t.Fatalf("%v, %v", b, err)
	}
}

func TestReopen(t *testing.T) {
	dir, m := t.TempDir(), maker{value: 200}
	var head uint64
	for range 5 {
		l := open(t, testConfig(dir))
		wantHistory(t, l, m, 1, head)
		fill(t, l, m, head+57, 10)
		head = l.Head()
		wantHistory(t, l, m, 1, head)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRetentionKeepsTheNewestSegments(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 300}
	cfg.Retention = 3
	l := open(t, cfg)
	fill(t, l, m, 200, 5)
	awaitSealed(t, l)
	s := l.Stats()
	if s.Segments != 3 || s.Oldest < 100 || len(files(t, cfg.Dir)) != 3 {
		t.Fatalf("%+v, files %v", s, files(t, cfg.Dir))
	}
	if s.SealedBytes == 0 || s.Bytes <= s.SealedBytes {
		t.Fatalf("%+v", s)
	}
	wantHistory(t, l, m, s.Oldest, l.Head())

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Retention = 2
	l = open(t, cfg)
	if l.Stats().Segments != 2 || l.Oldest() <= s.Oldest {
		t.Fatalf("%+v", l.Stats())
	}
	wantHistory(t, l, m, l.Oldest(), l.Head())
}

func TestCloseWakesCursors(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		l := open(t, testConfig(dir))
		errs := make(chan error, 10)
		for range cap(errs) {
			go func() {
				_, err := l.Cursor(0).Next(context.Background(), 1)
				errs <- err
			}()
		}
		await(t, "cursors wait", func() bool { return l.changed.waiting.Load() >= int64(cap(errs)) })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Fatalf("dir %q: %v", dir, err)
			}
		}
	}
}

// TestSealedIsCompressedInPlace checks that compression changes neither what is
// served nor a cursor that is in the middle of the segment.
func TestSealedIsCompressedInPlace(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 400}
	cfg.SegmentBytes = 1 << 20
	cfg.Ring = 1
	l := open(t, cfg)
	fill(t, l, m, 2000, 20)
	slow := l.Cursor(0)
	if _, err := slow.Next(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	l.cfg.SegmentBytes = 1 // the next append rotates
	fill(t, l, m, l.Head()+1, 1)
	awaitSealed(t, l)
	for slow.Position() < l.Head() {
		before := slow.Position()
		b, err := slow.Next(t.Context(), 100)
		if err != nil || b.Gap != nil || b.Events[0].Offset != before+1 {
			t.Fatalf("behind %d: %+v, %v", before, b.Gap, err)
		}
	}
	wantHistory(t, l, m, 1, l.Head())
	if s := l.Stats(); s.SealedBytes == 0 || s.SealedBytes*2 > 1<<20 {
		t.Fatalf("%+v", s)
	}
}

// TestCrashWhileSealing opens directories as a crash in the middle of a seal
// leaves them.
func TestCrashWhileSealing(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 300}
	l := open(t, cfg)
	if err := l.Append(m.events(1, 30)); err != nil {
		t.Fatal(err)
	}
	l.Publish()
	raw, err := os.ReadFile(rawPath(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, m, 60, 30)
	awaitSealed(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(sealedPath(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	write := func(path string, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, crash := range map[string]func(){
		"half a temporary file": func() {
			write(rawPath(cfg.Dir, 1), raw)
			write(sealedPath(cfg.Dir, 1)+".tmp", sealed[:len(sealed)/2])
			if err := os.Remove(sealedPath(cfg.Dir, 1)); err != nil {
				t.Fatal(err)
			}
		},
		"both files":                  func() { write(rawPath(cfg.Dir, 1), raw) },
		"both, the sealed one broken": func() { write(rawPath(cfg.Dir, 1), raw); write(sealedPath(cfg.Dir, 1), sealed[:100]) },
	} {
		t.Run(name, func(t *testing.T) {
			crash()
			l := open(t, cfg)
			wantHistory(t, l, m, 1, 60)
			awaitSealed(t, l)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestCursorsBesideTheWriter runs cursors of different speed beside a writer
// that rotates and seals. Each must see every offset once.
func TestCursorsBesideTheWriter(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		cfg, m := testConfig(dir), maker{value: 100}
		cfg.BufferSize = 4000
		l := open(t, cfg)
		const head = 3004
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				c, last := l.Cursor(0), uint64(0)
				for last < head {
					b, err := c.Next(t.Context(), 1+i*9)
					if err != nil || b.Gap != nil {
						t.Errorf("cursor %d: gap %+v, %v", i, b.Gap, err)
						return
					}
					for _, e := range b.Events {
						if last++; e.Offset != last || len(e.SSE()) == 0 {
							t.Errorf("cursor %d: offset %d where %d belongs", i, e.Offset, last)
							return
						}
					}
				}
			})
		}
		fill(t, l, m, head, 7)
		wg.Wait()
	}
}
