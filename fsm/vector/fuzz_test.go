package vector

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// FuzzFrames reads a vectors.bin that may be anything. What is read must be
// what is written for it again.
func FuzzFrames(f *testing.F) {
	h := header{dim: 3, metric: record.Dot, incarnation: 7, id: 8}
	whole := h.append(nil)
	for _, fr := range []frame{
		{kind: framePut, offset: 9, id: []byte("a"), meta: []byte("{}"), vector: make([]byte, 12)},
		{kind: frameDelete, offset: 10, id: []byte("a")},
	} {
		whole, _ = fr.append(whole)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = resealed(b)
		r := bytes.NewReader(b)
		h, err := readHeader(r)
		if err != nil {
			return
		}
		again := h.append(nil)
		d := newData(min(h.dim, 8), h.metric, newMemoryFile(h))
		_, _, err = frames(r, int64(len(b)-headerBytes), func(payload []byte) error {
			fr, err := decodeFrame(payload, d.dim)
			if err != nil {
				return err
			}
			again, _ = fr.append(again)
			return d.take(&fr)
		})
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("read %x, written again %x", b, again)
		}
	})
}

// resealed gives the header and every frame of b its right checksum, so that
// what is behind them is looked at.
func resealed(b []byte) []byte {
	if len(b) < headerBytes {
		return b
	}
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
	for rest := b[headerBytes:]; len(rest) >= frameHead; {
		length := int(binary.LittleEndian.Uint32(rest))
		if length > len(rest)-frameHead {
			break
		}
		payload := rest[frameHead : frameHead+length]
		binary.LittleEndian.PutUint32(rest[4:], crc32.Checksum(payload, castagnoli))
		rest = rest[frameHead+length:]
	}
	return b
}

// FuzzRestore adds a block that may be anything to a restore, and reads what
// it says from attached bytes that may be anything too.
func FuzzRestore(f *testing.F) {
	b := newBed(f, Config{})
	b.create("c", 3, record.Cosine)
	b.put("c", points(rand.New(rand.NewPCG(1, 1)), 0, 3, 3)...)
	disk := newBed(f, Config{Dir: f.TempDir()})
	disk.create("c", 3, record.Cosine)
	disk.put("c", points(rand.New(rand.NewPCG(1, 1)), 0, 3, 3)...)
	for _, s := range []*snapshot{b.snapshot(), disk.snapshot()} {
		f.Add(s.blocks[0], s.blocks[1], s.attached.Bytes())
	}
	s := b.s
	f.Fuzz(func(t *testing.T, first, second, attached []byte) {
		x := s.NewRestore()
		for _, block := range [][]byte{first, second} {
			if x.Add(block) != nil {
				return
			}
		}
		if !x.Done() || !x.Local() && x.Read(bytes.NewReader(attached)) != nil {
			return
		}
		for _, one := range x.collections {
			if one.data != nil && uint64(len(one.data.ids)) != one.c.figures.live {
				t.Errorf("%d points where %d are said to be", len(one.data.ids), one.c.figures.live)
			}
		}
	})
}
