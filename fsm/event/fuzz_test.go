package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// rawSeed returns a raw segment's bytes.
func rawSeed(head uint64) []byte {
	m, b := maker{value: 30, vectors: true}, appendHeader(nil, rawMagic, 1, 0)
	for offset := uint64(1); offset <= head; offset++ {
		e := m.event(offset)
		b = appendFrame(b, &e)
	}
	return b
}

func fuzzLog(f *testing.F) *Log {
	l, err := Open(testConfig(""))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	return l
}

// resum puts the right checksum behind the bytes before at, so that the fuzzer
// gets behind it.
func resum(b []byte, from, at int) {
	if from >= 0 && at >= from && at+4 <= len(b) {
		binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[from:at], castagnoli))
	}
}

// FuzzRawSegment opens a directory with any bytes as its segment: the log
// holds a dense prefix of valid records and takes more.
func FuzzRawSegment(f *testing.F) {
	whole := rawSeed(5)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		resum(b, 0, headerSize-4)
		cfg := testConfig(t.TempDir())
		if err := os.WriteFile(rawPath(cfg.Dir, 1), b, 0o644); err != nil {
			t.Fatal(err)
		}
		l := open(t, cfg)
		if l.Head()+1 < l.Oldest() {
			t.Fatalf("holds %d..%d", l.Oldest(), l.Head())
		}
		c := l.Cursor(l.Oldest() - 1)
		for c.Position() < l.Head() {
			before := c.Position()
			batch, err := c.Next(t.Context(), 3)
			if err != nil || batch.Gap != nil || batch.Events[0].Offset != before+1 {
				t.Fatalf("%+v, %v", batch, err)
			}
		}
		if l.Head() < math.MaxInt64 {
			next := maker{}.event(1)
			next.Offset = l.Head() + 1
			if err := l.Append([]record.Event{next}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzSealedSegment reads any bytes as a sealed segment, with the checksums of
// its header and its index made right.
func FuzzSealedSegment(f *testing.F) {
	l := fuzzLog(f)
	for _, n := range []int{0, 1, 300} {
		var b bytes.Buffer
		s, err := newSealer(&b, l.enc, 1, 0)
		if err != nil {
			f.Fatal(err)
		}
		var chain uint64
		for offset := 1; offset <= n; offset++ {
			e := maker{value: 400, vectors: true}.event(uint64(offset))
			frame := appendFrame(nil, &e)
			chain = nextChain(chain, frame[frameHeader:])
			if err := s.add(frame); err != nil {
				f.Fatal(err)
			}
		}
		if _, err := s.finish(chain); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		resum(b, 0, headerSize-4)
		if len(b) >= headerSize+trailerSize {
			blocks := int64(binary.LittleEndian.Uint32(b[len(b)-12:]))
			if from := int64(len(b)) - trailerSize - blocks*indexEntry; from >= headerSize {
				sum := crc32.Update(crc32.Checksum(b[:headerSize], castagnoli), castagnoli, b[from:len(b)-4])
				binary.LittleEndian.PutUint32(b[len(b)-4:], sum)
			}
		}
		file := bytes.NewReader(b)
		seg, err := loadSealed(file, file.Size())
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		_, err = scan(file, l.dec, seg, seg.last, func(*scanned) error { return nil })
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		for _, from := range []uint64{seg.first, seg.first + (seg.last-seg.first)/2, seg.last} {
			var r reader
			r.seek(seg, from)
			if events, err := r.events(file, l.dec, from, seg.last, 10, 1000); err == nil && len(events) > 0 && events[0].Offset != from {
				t.Fatalf("offset %d where %d belongs", events[0].Offset, from)
			}
		}
	})
}

// FuzzRestore restores any bytes, with the checksum of the manifest made
// right. What is refused leaves the log as it was.
func FuzzRestore(f *testing.F) {
	m := maker{value: 60, vectors: true}
	for _, head := range []uint64{0, 1, 100} {
		l, err := Open(testConfig(""))
		if err != nil {
			f.Fatal(err)
		}
		fill(f, l, m, head, 9)
		frozen := l.Freeze()
		f.Add(snapshot(f, frozen))
		frozen.Release()
		if err := l.Close(); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		if len(b) >= manifestHeader {
			resum(b, 0, manifestHeader+manifestEntry*int(binary.LittleEndian.Uint32(b[24:])))
		}
		for _, dir := range []string{"", t.TempDir()} {
			l := open(t, testConfig(dir))
			fill(t, l, m, 10, 5)
			if err := restore(l, bytes.NewReader(b)); err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				wantHistory(t, l, m, 1, 10)
				continue
			}
			if l.Oldest() > l.Head()+1 {
				t.Fatalf("holds %d..%d", l.Oldest(), l.Head())
			}
		}
	})
}
