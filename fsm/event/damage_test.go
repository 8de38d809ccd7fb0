package event

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestTornTail cuts the active segment at every byte of its last records. The
// log must end with the last record that is whole, and take new ones.
func TestTornTail(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 20}
	l := open(t, cfg)
	var ends []int64
	for offset := uint64(1); offset <= 12; offset++ {
		fill(t, l, m, offset, 1)
		ends = append(ends, l.size)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(rawPath(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for size := int64(0); size <= int64(len(whole)); size++ {
		if size > headerSize && size < ends[8] {
			continue
		}
		want := uint64(0)
		for _, end := range ends {
			if end <= size {
				want++
			}
		}
		cfg.Dir = t.TempDir()
		if err := os.WriteFile(rawPath(cfg.Dir, 1), whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		l := open(t, cfg)
		wantHistory(t, l, m, 1, want)
		fill(t, l, m, 14, 1)
		wantHistory(t, l, m, 1, 14)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestZeroedTail covers a file that was made longer before its bytes arrived.
func TestZeroedTail(t *testing.T) {
	cfg, m := testConfig(t.TempDir()), maker{value: 20}
	l := open(t, cfg)
	fill(t, l, m, 5, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(rawPath(cfg.Dir, 1), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantHistory(t, open(t, cfg), m, 1, 5)
}

// mixedLog returns a log with sealed segments, raw full ones and an active one,
// whose background rests until release.
func mixedLog(t *testing.T, m maker) (l *Log, release func()) {
	t.Helper()
	cfg := testConfig(t.TempDir())
	cfg.SegmentBytes, cfg.Ring = 2<<10, 1
	l = open(t, cfg)
	fill(t, l, m, 60, 6)
	awaitSealed(t, l)
	l.files.Lock()
	for segments := len(l.view.Load().segs); len(l.view.Load().segs) < segments+2; {
		fill(t, l, m, l.Head()+1, 1)
	}
	fill(t, l, m, l.Head()+5, 1)
	return l, l.files.Unlock
}

// flips calls fn with copies of the file's content that have one wrong bit.
func flips(t *testing.T, path string, fn func(at int, content []byte)) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(content); at += max(1, len(content)/41) {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1 << (at % 8)
		fn(at, damaged)
	}
	writeFileRaw(t, path, content)
}

func writeFileRaw(t *testing.T, path string, content []byte) {
	t.Helper()
	// In place: the log may have the file open.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFlippedBitUnderOpenLog flips bits in the files of a running log: what is
// served is right, and damage among the records is found.
func TestFlippedBitUnderOpenLog(t *testing.T) {
	m := maker{value: 120}
	l, release := mixedLog(t, m)
	defer release()
	segs := l.view.Load().segs
	for i, seg := range segs {
		flips(t, seg.path, func(at int, content []byte) {
			writeFileRaw(t, seg.path, content)
			before := l.Stats().Corrupt
			_, _, err := drain(t, l, m, seg.first-1, 5)
			if err != nil && (!errors.Is(err, ErrCorrupt) || l.Stats().Corrupt == before) {
				t.Fatalf("segment %d, byte %d: %v, counted %d", i, at, err, l.Stats().Corrupt-before)
			}
			end := seg.size
			switch {
			case seg.sealed:
				end -= trailerSize + indexEntry*int64(len(seg.blocks))
			case i == len(segs)-1:
				end = l.size / 2 // the last event is served from the ring
			}
			if err == nil && int64(at) >= headerSize && int64(at) < end {
				t.Fatalf("segment %d, byte %d: not found", i, at)
			}
		})
	}
	wantHistory(t, l, m, 1, l.Head())
}

// TestFlippedBitBeforeOpen opens directories with one wrong bit. The log may
// be shorter or refuse to read on, but what it serves is right.
func TestFlippedBitBeforeOpen(t *testing.T) {
	m := maker{value: 120}
	l, release := mixedLog(t, m)
	head, cfg := l.Head(), l.cfg
	l.hurry.Add(1) // what is raw stays so
	release()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	from := cfg.Dir
	for _, name := range files(t, from) {
		flips(t, name, func(at int, content []byte) {
			cfg.Dir = t.TempDir()
			copyDir(t, from, cfg.Dir)
			writeFileRaw(t, filepath.Join(cfg.Dir, filepath.Base(name)), content)
			l := open(t, cfg)
			gap, n, err := drain(t, l, m, 0, 5)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s, byte %d: %v", name, at, err)
			}
			if err == nil && gap == nil && uint64(n) == head && l.Stats().Corrupt == 0 {
				t.Fatalf("%s, byte %d: not found", name, at)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDamageDoesNotSpread persists a log with a damaged segment: the snapshot
// has what is behind it, and can be restored.
func TestDamageDoesNotSpread(t *testing.T) {
	m := maker{value: 120}
	l, release := mixedLog(t, m)
	defer release()
	segs := l.view.Load().segs
	for _, i := range []int{0, len(segs) - 4, len(segs) - 2, len(segs) - 1} {
		seg := segs[i]
		content, err := os.ReadFile(seg.path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(content)
		damaged[100] ^= 4
		writeFileRaw(t, seg.path, damaged)
		f := l.Freeze()
		b := snapshot(t, f)
		f.Release()
		writeFileRaw(t, seg.path, content)

		oldest := l.Head() + 1
		if i+1 < len(segs) {
			oldest = segs[i+1].first
		}
		for _, dir := range []string{"", t.TempDir()} {
			other := open(t, testConfig(dir))
			if err := restore(other, bytes.NewReader(b)); err != nil {
				t.Fatalf("segment %d: %v", i, err)
			}
			wantHistory(t, other, m, oldest, l.Head())
		}
	}
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
