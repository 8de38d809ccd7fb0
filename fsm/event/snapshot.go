package event

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// A snapshot of the log is a manifest, then the segments that are not sealed
// files yet, each as a sealed segment in chunks, then, attached, the sealed
// files. Everything has its checksums.
//
//	manifest: magic u32, version u32, head u64, chain u64, number of segments u32,
//	          per segment: first u64, last u64, bytes of the attached file u64 (0 = in chunks),
//	          crc32c u32
//	chunk:    length u32 and so many bytes; a length of 0 ends the segment
const (
	snapshotMagic  = 0x5356454b // "KEVS"
	manifestHeader = 28
	manifestEntry  = 24
	// maxManifest bounds the segments in a snapshot; of more, the newest.
	maxManifest = 1 << 16
)

// manifest is the start of a snapshot.
type manifest struct {
	head, chain uint64
	segs        []manifestSegment
}

type manifestSegment struct {
	first, last uint64
	size        int64 // of the attached file, 0 = in chunks
}

// append appends the encoded manifest to dst.
func (m *manifest) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, snapshotMagic)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint64(dst, m.head)
	dst = binary.LittleEndian.AppendUint64(dst, m.chain)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.segs)))
	for _, seg := range m.segs {
		dst = binary.LittleEndian.AppendUint64(dst, seg.first)
		dst = binary.LittleEndian.AppendUint64(dst, seg.last)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(seg.size))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// noEOF makes of an early end what it is here: a damaged snapshot.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corruptf("the snapshot ends early")
	}
	return err
}

func readManifest(r io.Reader) (*manifest, error) {
	header := make([]byte, manifestHeader)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, noEOF(err)
	}
	count := binary.LittleEndian.Uint32(header[24:])
	if binary.LittleEndian.Uint32(header) != snapshotMagic || count > maxManifest {
		return nil, corruptf("snapshot header")
	}
	if v := binary.LittleEndian.Uint32(header[4:]); v != formatVersion {
		return nil, corruptf("snapshot version %d", v)
	}
	body := make([]byte, int(count)*manifestEntry+4)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, noEOF(err)
	}
	entries, sum := body[:len(body)-4], binary.LittleEndian.Uint32(body[len(body)-4:])
	if crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, entries) != sum {
		return nil, corruptf("snapshot manifest checksum")
	}
	m := &manifest{head: binary.LittleEndian.Uint64(header[8:]), chain: binary.LittleEndian.Uint64(header[16:])}
	for b := entries; len(b) > 0; b = b[manifestEntry:] {
		m.segs = append(m.segs, manifestSegment{
			first: binary.LittleEndian.Uint64(b), last: binary.LittleEndian.Uint64(b[8:]),
			size: int64(binary.LittleEndian.Uint64(b[16:])),
		})
	}
	return m, m.check()
}

// check makes sure of what the reading relies on: no hole, up to the head.
func (m *manifest) check() error {
	for i, seg := range m.segs {
		if seg.first == 0 || seg.last+1 < seg.first || seg.size < 0 || i > 0 && seg.first != m.segs[i-1].last+1 {
			return corruptf("snapshot manifest, segment %d", i)
		}
	}
	if n := len(m.segs); n > 0 && m.segs[n-1].last != m.head {
		return corruptf("snapshot manifest ends at offset %d, not %d", m.segs[n-1].last, m.head)
	}
	return nil
}

// each calls fn with the bytes of every segment, in the order of the stream:
// those in chunks first. fn need not read them all.
func (m *manifest) each(r io.Reader, fn func(i int, seg io.Reader) error) error {
	for _, attached := range []bool{false, true} {
		for i, seg := range m.segs {
			if seg.size > 0 != attached {
				continue
			}
			var body io.Reader = &chunkReader{r: r}
			if attached {
				body = &exactReader{r: r, left: seg.size}
			}
			if err := fn(i, body); err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunkWriter writes what has no known length yet.
type chunkWriter struct{ w io.Writer }

func (c *chunkWriter) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if _, err := c.w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

func (c *chunkWriter) end() error {
	_, err := c.w.Write(make([]byte, 4))
	return err
}

// chunkReader reads what chunkWriter wrote, up to its end.
type chunkReader struct {
	r    io.Reader
	left uint32
	done bool
}

func (c *chunkReader) Read(b []byte) (int, error) {
	for c.left == 0 && !c.done {
		var n [4]byte
		if _, err := io.ReadFull(c.r, n[:]); err != nil {
			return 0, corruptf("the snapshot ends early")
		}
		c.left = binary.LittleEndian.Uint32(n[:])
		c.done = c.left == 0
	}
	if c.done {
		return 0, io.EOF
	}
	n, err := c.r.Read(b[:min(len(b), int(c.left))])
	c.left -= uint32(n)
	if errors.Is(err, io.EOF) && c.left > 0 {
		err = corruptf("the snapshot ends early")
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// exactReader reads left bytes, and fails where there are fewer.
type exactReader struct {
	r    io.Reader
	left int64
}

func (x *exactReader) Read(b []byte) (int, error) {
	if x.left == 0 {
		return 0, io.EOF
	}
	n, err := x.r.Read(b[:min(int64(len(b)), x.left)])
	x.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if x.left > 0 {
			err = corruptf("the snapshot ends early")
		}
	}
	return n, err
}
