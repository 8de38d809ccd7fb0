package event

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestFreezeOutlivesTheLog persists long after Freeze, when retention,
// compression and new events have changed every file.
func TestFreezeOutlivesTheLog(t *testing.T) {
	m := maker{value: 120}
	l, release := mixedLog(t, m)
	f := l.Freeze()
	head := l.Head()
	release()
	l.cfg.Retention = 2
	fill(t, l, m, head+200, 7)
	await(t, "the frozen segments are retired", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.trash) >= len(f.segs)
	})
	b := snapshot(t, f)
	if f.Offset() != head || f.Chain() != m.chain(head) {
		t.Fatalf("frozen at %d", f.Offset())
	}
	f.Release()
	f.Release()
	awaitSealed(t, l)

	for _, dir := range []string{"", t.TempDir()} {
		cfg := testConfig(dir)
		cfg.BufferSize = 1000
		other := open(t, cfg)
		if err := restore(other, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, other, m, 1, head)
		fill(t, other, m, head+50, 3)
		wantHistory(t, other, m, 1, other.Head())
	}
}

// TestRestoreUnderCursors restores logs that are behind, equal, ahead and of
// another history, with cursors open.
func TestRestoreUnderCursors(t *testing.T) {
	m := maker{value: 120}
	source, release := mixedLog(t, m)
	defer release()
	f := source.Freeze()
	b, head := snapshot(t, f), source.Head()
	f.Release()
	for _, local := range []uint64{0, 1, 50, head, head + 30} {
		cfg := testConfig(t.TempDir())
		cfg.Ring = 8
		l := open(t, cfg)
		fill(t, l, m, local, 6)
		var cursors []*Cursor
		for after := uint64(0); after <= l.Head(); after += 10 {
			c := l.Cursor(after)
			if after < l.Head() {
				if _, err := c.Next(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			cursors = append(cursors, c)
		}
		if err := restore(l, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, l, m, 1, head)
		fill(t, l, m, l.Head()+60, 6)
		for _, c := range cursors {
			next := c.Position() + 1
			got, err := c.Next(t.Context(), 1)
			if err != nil || got.Gap != nil || got.Events[0].Offset != next || string(got.Events[0].SSE()) != m.frame(next) {
				t.Fatalf("local %d: behind %d: %+v, %v", local, next-1, got, err)
			}
		}
		awaitSealed(t, l)
		head := l.Head()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantHistory(t, open(t, cfg), m, 1, head)
	}
}

func TestRestoreKeepsRetention(t *testing.T) {
	m := maker{value: 120}
	source, release := mixedLog(t, m)
	defer release()
	f := source.Freeze()
	b := snapshot(t, f)
	f.Release()
	cfg := testConfig(t.TempDir())
	cfg.Retention = 2
	l := open(t, cfg)
	old := l.Cursor(0)
	if err := restore(l, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	segs := source.view.Load().segs
	oldest := segs[len(segs)-2].first
	wantHistory(t, l, m, oldest, source.Head())
	if got, err := old.Next(t.Context(), 1); err != nil || got.Gap == nil || *got.Gap != (Gap{1, oldest - 1}) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestRestoreEmpty(t *testing.T) {
	m := maker{value: 10}
	for _, from := range []string{"", t.TempDir()} {
		source := open(t, testConfig(from))
		if err := source.Truncate(77, m.chain(77)); err != nil {
			t.Fatal(err)
		}
		f := source.Freeze()
		b := snapshot(t, f)
		f.Release()
		for _, to := range []string{"", t.TempDir()} {
			l := open(t, testConfig(to))
			fill(t, l, m, 20, 4)
			if err := restore(l, bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
			fill(t, l, m, 79, 1)
			wantHistory(t, l, m, 78, 79)
		}
	}
}

// TestRestoreRefusesDamage flips bits and cuts the stream: the log must stay as
// it was and go on.
func TestRestoreRefusesDamage(t *testing.T) {
	m := maker{value: 120}
	source, release := mixedLog(t, m)
	defer release()
	f := source.Freeze()
	b := snapshot(t, f)
	f.Release()
	for _, dir := range []string{"", t.TempDir()} {
		l := open(t, testConfig(dir))
		fill(t, l, m, 30, 6)
		try := func(what string, damaged []byte) {
			err := restore(l, bytes.NewReader(damaged))
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("dir %q, %s: %v", dir, what, err)
			}
		}
		for at := 0; at < len(b); at += max(1, len(b)/101) {
			damaged := bytes.Clone(b)
			damaged[at] ^= 1 << (at % 8)
			try(fmt.Sprintf("byte %d flipped", at), damaged)
			try(fmt.Sprintf("cut at %d", at), b[:at])
		}
		wantHistory(t, l, m, 1, 30)
		fill(t, l, m, 60, 6)
		wantHistory(t, l, m, 1, 60)
		if dir != "" {
			awaitSealed(t, l)
		}
	}
}

// TestCrashWhileRestoring opens directories as a crash at each step of a
// restore leaves them: the history is the old one or the new one.
func TestCrashWhileRestoring(t *testing.T) {
	m := maker{value: 120}
	source, release := mixedLog(t, m)
	defer release()
	f := source.Freeze()
	b, head := snapshot(t, f), source.Head()
	f.Release()

	cfg := testConfig(t.TempDir())
	l := open(t, cfg)
	fill(t, l, m, 35, 5)
	s, err := l.Stage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	awaitStaged := func() bool { // sealed beside the staging directory
		segs := l.view.Load().segs
		return len(files(t, cfg.Dir)) == len(segs)+1 && l.nextToSeal(nil) == nil
	}
	await(t, "the old segments are sealed", awaitStaged)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	old, stage := cfg.Dir, filepath.Join(cfg.Dir, stageName)
	_ = s.file.Close()

	check := func(name string, want uint64, crash func(dir, restored string)) {
		t.Run(name, func(t *testing.T) {
			cfg.Dir = t.TempDir()
			copyDir(t, old, cfg.Dir)
			crash(cfg.Dir, filepath.Join(cfg.Dir, fmt.Sprintf("%s%06d", restoredName, s.first)))
			l := open(t, cfg)
			wantHistory(t, l, m, 1, want)
			awaitSealed(t, l)
		})
	}
	commit := func(dir, restored string) {
		if err := os.Rename(filepath.Join(dir, stageName), restored); err != nil {
			t.Fatal(err)
		}
	}
	staged := files(t, stage)
	if len(staged) < 4 {
		t.Fatalf("staged %v", staged)
	}
	check("before the commit", 35, func(dir, _ string) {})
	for moved := range len(staged) + 1 {
		check(fmt.Sprintf("%d files moved", moved), head, func(dir, restored string) {
			commit(dir, restored)
			for _, name := range staged[:moved] {
				name = filepath.Base(name)
				if err := os.Rename(filepath.Join(restored, name), filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	check("old files not removed", head, func(dir, restored string) {
		commit(dir, restored)
		if err := errors.Join(moveFiles(restored, dir), os.Remove(restored)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDiscard(t *testing.T) {
	m := maker{value: 20}
	for _, dir := range []string{"", t.TempDir()} {
		l := open(t, testConfig(dir))
		fill(t, l, m, 30, 6)
		f := l.Freeze()
		b := snapshot(t, f)
		f.Release()
		s, err := l.Stage(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if s.Offset() != 30 || s.Chain() != m.chain(30) {
			t.Fatalf("staged %d", s.Offset())
		}
		if err := s.Discard(); err != nil {
			t.Fatal(err)
		}
		fill(t, l, m, 40, 2)
		wantHistory(t, l, m, 1, 44)
	}
}
