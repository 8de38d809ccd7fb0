package vector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"sync/atomic"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// vectors.bin is a header and, behind it, one frame per write or delete, in
// the order in which they were applied:
//
//	header: magic u32, version u32, dimension u32, metric u32, incarnation u64, id u64, crc32c u32
//	frame:  length u32, crc32c u32, and so many bytes: kind byte, offset, id,
//	        and for a put meta and, to the end, the values as float32
//
// Fixed integers are little endian, offset is a varint, id and meta are byte
// strings with their length. Nothing is fsynced per frame: what is lost with
// the machine, the replicated log writes again, with the same bytes. A start
// cuts the file back to where the snapshot it starts from found it.
//
// The chain is a running sum over all frames up to a place, so that two files
// are known to say the same up to there.
const (
	fileMagic   = 0x4345564b // "KVEC"
	fileVersion = 1
	headerBytes = 36
	frameHead   = 8
	// maxFrame bounds a frame: the largest vector with a long id and meta.
	maxFrame = 4*record.MaxDim + 128<<20

	frameDelete = 0
	framePut    = 1

	fileName = "vectors.bin"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrCorrupt is wrapped by every error about bytes that are not what was written.
var ErrCorrupt = errors.New("vector: corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// header is what a file is about.
type header struct {
	dim         int
	metric      record.Metric
	incarnation uint64 // offset of the event that made the collection
	id          uint64 // of the file: a vacuum makes another one
}

func (h *header) append(dst []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, fileMagic)
	dst = binary.LittleEndian.AppendUint32(dst, fileVersion)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.dim))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.metric))
	dst = binary.LittleEndian.AppendUint64(dst, h.incarnation)
	dst = binary.LittleEndian.AppendUint64(dst, h.id)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func readHeader(r io.Reader) (header, error) {
	var b [headerBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return header{}, cutShort(err)
	}
	if binary.LittleEndian.Uint32(b[:]) != fileMagic {
		return header{}, corrupt("not a file of vectors")
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != fileVersion {
		return header{}, corrupt("version %d: a newer version wrote it", v)
	}
	if crc32.Checksum(b[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[headerBytes-4:]) {
		return header{}, corrupt("checksum of the header")
	}
	dim, metric := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if dim == 0 || dim > record.MaxDim || metric > 255 || record.Metric(metric).String() == "" {
		return header{}, corrupt("%d dimensions, metric %d", dim, metric)
	}
	return header{
		dim: int(dim), metric: record.Metric(metric),
		incarnation: binary.LittleEndian.Uint64(b[16:]), id: binary.LittleEndian.Uint64(b[24:]),
	}, nil
}

// cutShort turns the end of a file where there must be more into ErrCorrupt.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt("it ends too early")
	}
	return err
}

// frame is one write or delete.
type frame struct {
	kind   byte
	offset uint64 // of its event
	id     []byte
	meta   []byte
	vector []byte
}

// append appends the encoded frame and returns its checksum too.
func (f *frame) append(dst []byte) ([]byte, uint32) {
	start := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	dst = append(dst, f.kind)
	dst = record.AppendUint(dst, f.offset)
	dst = record.AppendBytes(dst, f.id)
	if f.kind == framePut {
		dst = record.AppendBytes(dst, f.meta)
		dst = append(dst, f.vector...)
	}
	payload := dst[start+frameHead:]
	sum := crc32.Checksum(payload, castagnoli)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(dst[start+4:], sum)
	return dst, sum
}

// size returns how many bytes append appends.
func (f *frame) size() int64 {
	n := frameHead + 1 + uintLen(f.offset) + bytesLen(f.id)
	if f.kind == framePut {
		n += bytesLen(f.meta) + len(f.vector)
	}
	return int64(n)
}

func bytesLen(b []byte) int { return uintLen(uint64(len(b))) + len(b) }
func uintLen(v uint64) int  { return max(1, (bits.Len64(v)+6)/7) }

// decodeFrame parses the payload of a frame of vectors of so many values.
func decodeFrame(payload []byte, dim int) (frame, error) {
	tail := 0
	if len(payload) > 0 && payload[0] == framePut {
		tail = 4 * dim
	}
	if len(payload) <= tail {
		return frame{}, corrupt("a frame of %d bytes", len(payload))
	}
	head := payload[:len(payload)-tail]
	r := record.NewReader(head)
	f := frame{kind: r.Byte("kind"), offset: r.Uint("offset"), id: r.Bytes("id")}
	switch f.kind {
	case framePut:
		f.meta, f.vector = r.Bytes("meta"), payload[len(head):]
	case frameDelete:
	default:
		return frame{}, corrupt("a frame of kind %d", f.kind)
	}
	if err := r.Done("frame"); err != nil {
		return frame{}, corrupt("%v", err)
	}
	return f, nil
}

// nextChain returns the chain behind a frame with the given checksum.
func nextChain(chain uint64, sum uint32) uint64 {
	const odd = 0x9e3779b97f4a7c15
	return bits.RotateLeft64((chain^uint64(sum))*odd, 29) + uint64(sum)
}

// file is a vectors.bin that is being appended to, of the writer and the
// maintenance that holds it off. What was written to it never changes.
type file struct {
	f       *os.File // nil in memory mode
	header  header
	size    int64 // with what is still in buf
	chain   uint64
	records uint64
	buf     []byte
	uses    atomic.Int32 // of f: the data's own, and those of snapshots being written
}

// newMemoryFile counts what a file would hold.
func newMemoryFile(h header) *file { return newFile(nil, h, headerBytes) }

func newFile(f *os.File, h header, size int64) *file {
	nf := &file{f: f, header: h, size: size}
	nf.uses.Store(1)
	return nf
}

// maxBufferKept bounds the buffer that waits for the next entry.
const maxBufferKept = 1 << 20

// append adds a frame to what flush writes.
func (f *file) append(fr *frame) {
	f.records++
	if f.f == nil {
		f.size += fr.size()
		return
	}
	before := len(f.buf)
	var sum uint32
	f.buf, sum = fr.append(f.buf)
	f.size += int64(len(f.buf) - before)
	f.chain = nextChain(f.chain, sum)
}

// flush writes what was appended to the file.
func (f *file) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	_, err := f.f.Write(f.buf)
	if cap(f.buf) > maxBufferKept {
		f.buf = nil
	}
	f.buf = f.buf[:0]
	return err
}

// reopen opens the file again by the name it was given: the name that it was
// opened by is what a snapshot finds it by.
func (f *file) reopen(path string) error {
	again, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if _, err := again.Seek(f.size, io.SeekStart); err != nil {
		return errors.Join(err, again.Close())
	}
	old := f.f
	f.f = again
	return old.Close()
}

// retain keeps the file open until release is called once more.
func (f *file) retain() { f.uses.Add(1) }

// release ends a use of the file and closes it after the last one.
func (f *file) release() error {
	if f.uses.Add(-1) > 0 || f.f == nil {
		return nil
	}
	return f.f.Close()
}

// createFile makes a new file at path with nothing but its header, in the
// place of any other.
func createFile(path string, h header) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		// Never truncate it: a snapshot may have a link to it.
		if err = os.Remove(path); err == nil {
			f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	created := newFile(f, h, headerBytes)
	created.buf = h.append(nil)
	return created, nil
}

// frames reads frames from r, which holds size bytes of them, and calls fn
// with each payload, good until the next call. It returns the chain and the
// number of frames, or ErrCorrupt when r does not end with a whole frame.
func frames(r io.Reader, size int64, fn func(payload []byte) error) (chain, count uint64, err error) {
	b := frameBuffer{r: r, left: size}
	for b.more() {
		head, err := b.take(frameHead)
		if err != nil {
			return 0, 0, err
		}
		length, sum := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		if int64(length) > b.remaining() || length > maxFrame {
			return 0, 0, corrupt("frame %d of %d bytes where %d are left", count, length, b.remaining())
		}
		payload, err := b.take(int(length))
		if err != nil {
			return 0, 0, err
		}
		if crc32.Checksum(payload, castagnoli) != sum {
			return 0, 0, corrupt("checksum of frame %d", count)
		}
		if err := fn(payload); err != nil {
			return 0, 0, err
		}
		chain = nextChain(chain, sum)
		count++
	}
	return chain, count, nil
}

// frameBuffer reads ahead in large steps. It grows with what arrives.
type frameBuffer struct {
	r    io.Reader
	left int64 // not read from r yet
	buf  []byte
	at   int
}

const readStep = 1 << 20

func (b *frameBuffer) remaining() int64 { return b.left + int64(len(b.buf)-b.at) }
func (b *frameBuffer) more() bool       { return b.remaining() > 0 }

// take returns the next n bytes, good until the next call.
func (b *frameBuffer) take(n int) ([]byte, error) {
	for len(b.buf)-b.at < n {
		if b.left == 0 {
			return nil, corrupt("it ends inside a frame")
		}
		rest := copy(b.buf, b.buf[b.at:])
		step := int(min(int64(max(readStep, rest)), b.left))
		if cap(b.buf) < rest+step {
			b.buf = append(make([]byte, 0, rest+step), b.buf[:rest]...)
		}
		b.at, b.buf = 0, b.buf[:rest+step]
		read, err := io.ReadFull(b.r, b.buf[rest:])
		b.left -= int64(read)
		if err != nil {
			return nil, cutShort(err)
		}
	}
	taken := b.buf[b.at : b.at+n : b.at+n]
	b.at += n
	return taken, nil
}
