package event

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// A sealed segment holds the same frames in blocks that are compressed one by
// one, so that a reader decodes only from the block that has its offset.
//
//	header:  as a raw segment's, with its own magic
//	blocks:  zstd frames, each of whole record frames
//	index:   per block: first offset u64, position u64, length u32, raw length u32, xxhash64 of its bytes u64
//	trailer: last offset u64, chain after it u64, number of blocks u32, magic u32, crc32c of header, index and trailer u32
const (
	sealedMagic = 0x5a56454b // "KEVZ"
	blockSize   = 64 << 10   // bytes of frames that close a block
	indexEntry  = 32
	trailerSize = 28
)

// block is one entry of a sealed segment's index.
type block struct {
	first uint64
	pos   int64
	size  uint32
	raw   uint32
	sum   uint64
}

// sealer writes a sealed segment. Frames must come in order, from first.
type sealer struct {
	w      io.Writer
	zstd   *zstd.Encoder
	first  uint64
	chain  uint64 // before first
	header []byte
	blocks []block
	pos    int64
	next   uint64 // offset of the next frame
	start  uint64 // offset of the first frame in buf
	buf    []byte
	out    []byte
}

func newSealer(w io.Writer, enc *zstd.Encoder, first, chain uint64) (*sealer, error) {
	s := &sealer{
		w: w, zstd: enc, first: first, chain: chain, next: first, start: first,
		header: appendHeader(nil, sealedMagic, first, chain),
	}
	return s, s.write(s.header)
}

func (s *sealer) write(b []byte) error {
	n, err := s.w.Write(b)
	s.pos += int64(n)
	return err
}

func (s *sealer) add(frame []byte) error {
	s.buf = append(s.buf, frame...)
	s.next++
	if len(s.buf) < blockSize {
		return nil
	}
	return s.flush()
}

func (s *sealer) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	s.out = s.zstd.EncodeAll(s.buf, s.out[:0])
	s.blocks = append(s.blocks, block{
		first: s.start, pos: s.pos, size: uint32(len(s.out)), raw: uint32(len(s.buf)), sum: xxhash.Sum64(s.out),
	})
	s.buf, s.start = s.buf[:0], s.next
	return s.write(s.out)
}

// finish writes what is left, the index and the trailer, and returns the
// segment's description, all but its number and path. chain is the hash chain
// after the last frame.
func (s *sealer) finish(chain uint64) (*segment, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(s.blocks)*indexEntry+trailerSize)
	for _, k := range s.blocks {
		b = binary.LittleEndian.AppendUint64(b, k.first)
		b = binary.LittleEndian.AppendUint64(b, uint64(k.pos))
		b = binary.LittleEndian.AppendUint32(b, k.size)
		b = binary.LittleEndian.AppendUint32(b, k.raw)
		b = binary.LittleEndian.AppendUint64(b, k.sum)
	}
	b = binary.LittleEndian.AppendUint64(b, s.next-1)
	b = binary.LittleEndian.AppendUint64(b, chain)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.blocks)))
	b = binary.LittleEndian.AppendUint32(b, sealedMagic)
	sum := crc32.Update(crc32.Checksum(s.header, castagnoli), castagnoli, b)
	if err := s.write(binary.LittleEndian.AppendUint32(b, sum)); err != nil {
		return nil, err
	}
	return &segment{
		first: s.first, chain: s.chain, last: s.next - 1, end: chain,
		size: s.pos, blocks: s.blocks, sealed: true,
	}, nil
}

// loadSealed reads the header and the index of a sealed segment of size bytes.
// The blocks are checked when they are read.
func loadSealed(f io.ReaderAt, size int64) (*segment, error) {
	if size < headerSize+trailerSize {
		return nil, corruptf("sealed segment of %d bytes", size)
	}
	header, trailer := make([]byte, headerSize), make([]byte, trailerSize)
	if _, err := f.ReadAt(header, 0); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(trailer, size-trailerSize); err != nil {
		return nil, err
	}
	first, chain, err := parseHeader(header, sealedMagic)
	if err != nil {
		return nil, err
	}
	count := int64(binary.LittleEndian.Uint32(trailer[16:]))
	indexPos := size - trailerSize - count*indexEntry
	if binary.LittleEndian.Uint32(trailer[20:]) != sealedMagic || indexPos < headerSize {
		return nil, corruptf("sealed segment trailer")
	}
	index := make([]byte, count*indexEntry)
	if _, err := f.ReadAt(index, indexPos); err != nil {
		return nil, err
	}
	sum := crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, index)
	if crc32.Update(sum, castagnoli, trailer[:24]) != binary.LittleEndian.Uint32(trailer[24:]) {
		return nil, corruptf("sealed segment index checksum")
	}
	s := &segment{
		first: first, chain: chain, size: size, sealed: true,
		last: binary.LittleEndian.Uint64(trailer), end: binary.LittleEndian.Uint64(trailer[8:]),
	}
	s.blocks, err = parseBlocks(index, s, indexPos)
	return s, err
}

// parseBlocks checks that the index describes blocks that fill the file and
// the segment without a hole, so that a reader may trust its sizes.
func parseBlocks(index []byte, s *segment, end int64) ([]block, error) {
	blocks := make([]block, 0, len(index)/indexEntry)
	offset, pos := s.first, int64(headerSize)
	for b := index; len(b) > 0; b = b[indexEntry:] {
		k := block{
			first: binary.LittleEndian.Uint64(b), pos: int64(binary.LittleEndian.Uint64(b[8:])),
			size: binary.LittleEndian.Uint32(b[16:]), raw: binary.LittleEndian.Uint32(b[20:]),
			sum: binary.LittleEndian.Uint64(b[24:]),
		}
		inOrder := k.first == offset || len(blocks) > 0 && k.first > blocks[len(blocks)-1].first
		if !inOrder || k.pos != pos || k.size == 0 || k.raw == 0 || k.raw > maxBlock || k.first > s.last {
			return nil, corruptf("sealed segment index, block %d", len(blocks))
		}
		pos += int64(k.size)
		blocks = append(blocks, k)
	}
	if pos != end || len(blocks) == 0 && s.last != s.first-1 {
		return nil, corruptf("sealed segment index does not fill the file")
	}
	return blocks, nil
}

// maxBlock bounds a decoded block: it closes with the record that fills it.
const maxBlock = blockSize + frameHeader + maxRecord

// readPacked reads a block as it is in the file and compares its checksum.
func readPacked(f io.ReaderAt, k block) ([]byte, error) {
	packed := make([]byte, k.size)
	if _, err := f.ReadAt(packed, k.pos); err != nil {
		return nil, err
	}
	if xxhash.Sum64(packed) != k.sum {
		return nil, corruptf("block checksum at position %d", k.pos)
	}
	return packed, nil
}

// readBlock reads, checks and decodes a block, into dst if it fits.
func readBlock(f io.ReaderAt, dec *zstd.Decoder, k block, dst []byte) ([]byte, error) {
	packed, err := readPacked(f, k)
	if err != nil {
		return nil, err
	}
	raw, err := dec.DecodeAll(packed, dst[:0])
	if err != nil {
		return nil, corruptf("block at position %d: %v", k.pos, err)
	}
	if len(raw) != int(k.raw) {
		return nil, corruptf("block at position %d has %d bytes, not %d", k.pos, len(raw), k.raw)
	}
	return raw, nil
}
