package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// A snapshot's own part is a magic, a version and a run of blocks, each
// compressed by itself:
//
//	magic u32, version u8
//	block: length u32, sum u64, that many bytes of a zstd frame
//	end:   length 0, sum u64
//
// A sum is the xxhash64 of the sum before it and the compressed bytes, so
// that one says that all blocks up to here are whole and in order, and that
// no byte is decompressed, let alone believed, before it was checked. All
// integers are little endian.
const (
	snapshotMagic   = 0x504e534b // "KSNP"
	snapshotVersion = 1
	blockHeader     = 12
	// maxBlock bounds a block in either form. An item is never split, and the
	// replicated log takes no entry that is half as large.
	maxBlock = 128 << 20
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: snapshot: %s", record.ErrCorrupt, fmt.Sprintf(format, args...))
}

func nextSum(sum uint64, packed []byte) uint64 {
	var before [8]byte
	binary.LittleEndian.PutUint64(before[:], sum)
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(before[:])
	_, _ = d.Write(packed)
	return d.Sum64()
}

// blockWriter writes blocks to w.
type blockWriter struct {
	w   io.Writer
	enc *zstd.Encoder
	sum uint64
	buf []byte
}

func newBlockWriter(w io.Writer) (*blockWriter, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	head := binary.LittleEndian.AppendUint32(nil, snapshotMagic)
	_, err = w.Write(append(head, snapshotVersion))
	return &blockWriter{w: w, enc: enc}, err
}

// write writes a block that is not empty.
func (b *blockWriter) write(block []byte) error {
	b.buf = append(b.buf[:0], make([]byte, blockHeader)...)
	b.buf = b.enc.EncodeAll(block, b.buf)
	return b.flush()
}

// end writes the end mark.
func (b *blockWriter) end() error {
	b.buf = append(b.buf[:0], make([]byte, blockHeader)...)
	return b.flush()
}

func (b *blockWriter) flush() error {
	packed := b.buf[blockHeader:]
	b.sum = nextSum(b.sum, packed)
	binary.LittleEndian.PutUint32(b.buf, uint32(len(packed)))
	binary.LittleEndian.PutUint64(b.buf[4:], b.sum)
	_, err := b.w.Write(b.buf)
	return err
}

// blockReader reads what a blockWriter wrote, and no byte more.
type blockReader struct {
	r      io.Reader
	dec    *zstd.Decoder
	sum    uint64
	packed bytes.Buffer
	block  []byte
}

// newBlockReader returns a blockReader, to be closed.
func newBlockReader(r io.Reader) (*blockReader, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, cutShort(err)
	}
	if binary.LittleEndian.Uint32(head[:]) != snapshotMagic {
		return nil, corrupt("no such file format")
	}
	if head[4] != snapshotVersion {
		return nil, corrupt("version %d: a newer version wrote it", head[4])
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
	return &blockReader{r: r, dec: dec}, err
}

func (b *blockReader) close() { b.dec.Close() }

// next returns the next block, which is good until the next call, or io.EOF
// behind the last.
func (b *blockReader) next() ([]byte, error) {
	var head [blockHeader]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return nil, cutShort(err)
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if size > maxBlock {
		return nil, corrupt("block of %d bytes", size)
	}
	// The buffer grows with what arrives, not with what the length promises.
	b.packed.Reset()
	if _, err := io.CopyN(&b.packed, b.r, size); err != nil {
		return nil, cutShort(err)
	}
	b.sum = nextSum(b.sum, b.packed.Bytes())
	if b.sum != binary.LittleEndian.Uint64(head[4:]) {
		return nil, corrupt("checksum")
	}
	if size == 0 {
		return nil, io.EOF
	}
	block, err := b.dec.DecodeAll(b.packed.Bytes(), b.block[:0])
	if err != nil {
		return nil, corrupt("%v", err)
	}
	b.block = block
	return block, nil
}

// cutShort turns the end of the stream where there must be more into
// ErrCorrupt.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt("it ends too early")
	}
	return err
}
