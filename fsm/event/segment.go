package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// A raw segment is a header and record frames up to the end of the file. All
// fixed integers of this package's files are little endian.
//
//	header: magic u32, version u32, first offset u64, chain before it u64, crc32c u32
//	frame:  length u32, crc32c u32 (of length and event), the encoded event
const (
	rawMagic      = 0x4c56454b // "KEVL"
	formatVersion = 1
	headerSize    = 28
	frameHeader   = 8

	// maxRecord bounds what a length field may ask for. The replicated log
	// refuses entries above it, so no event is larger.
	maxRecord = 64 << 20

	indexEvery = 64 << 10 // bytes of a raw segment per mark of its index
)

var (
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	segmentName = regexp.MustCompile(`^events-(\d{6,18})\.log(\.zst)?$`)
)

// errShort says that a buffer ends inside a frame.
var errShort = errors.New("event: frame goes on")

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// segment describes one file. It is immutable and shared by all readers; only
// the index of the active segment grows, under its own lock.
type segment struct {
	number uint64
	path   string
	first  uint64 // offset of the first event
	chain  uint64 // hash chain before the first event
	size   int64  // bytes of the file; of the active segment, of its header

	// Of the active segment, last and end have no meaning yet.
	last uint64 // offset of the last event; first-1 when there is none
	end  uint64 // hash chain after the last event

	index  *sparseIndex // of a raw segment
	blocks []block      // of a sealed segment
	sealed bool         // compressed; else raw
}

func rawPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("events-%06d.log", number))
}

func sealedPath(dir string, number uint64) string { return rawPath(dir, number) + ".zst" }

// parseName returns the number in a segment's file name.
func parseName(name string) (number uint64, sealed, ok bool) {
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return 0, false, false
	}
	number, err := strconv.ParseUint(m[1], 10, 64)
	return number, m[2] != "", err == nil
}

// nextChain returns the hash chain after the event, given the one before it.
func nextChain(chain uint64, event []byte) uint64 {
	var d xxhash.Digest
	var before [8]byte
	binary.LittleEndian.PutUint64(before[:], chain)
	d.Reset()
	_, _ = d.Write(before[:])
	_, _ = d.Write(event)
	return d.Sum64()
}

// appendHeader appends the header that raw and sealed segments share.
func appendHeader(dst []byte, magic uint32, first, chain uint64) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint64(dst, first)
	dst = binary.LittleEndian.AppendUint64(dst, chain)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func parseHeader(b []byte, magic uint32) (first, chain uint64, err error) {
	if len(b) < headerSize {
		return 0, 0, corruptf("segment header is short")
	}
	crc := binary.LittleEndian.Uint32(b[24:])
	if crc32.Checksum(b[:24], castagnoli) != crc || binary.LittleEndian.Uint32(b) != magic {
		return 0, 0, corruptf("segment header")
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != formatVersion {
		return 0, 0, corruptf("segment version %d", v)
	}
	first = binary.LittleEndian.Uint64(b[8:])
	if first == 0 {
		return 0, 0, corruptf("segment starts at offset 0")
	}
	return first, binary.LittleEndian.Uint64(b[16:]), nil
}

// appendFrame appends e as a frame.
func appendFrame(dst []byte, e *record.Event) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameHeader)...)
	dst = e.Append(dst)
	frame := dst[start:]
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeader))
	binary.LittleEndian.PutUint32(frame[4:], frameSum(frame))
	return dst
}

func frameSum(frame []byte) uint32 {
	sum := crc32.Update(0, castagnoli, frame[:4])
	return crc32.Update(sum, castagnoli, frame[frameHeader:])
}

// parseFrame returns the first frame of b. With errShort, need is how long b
// must be for the next try.
func parseFrame(b []byte) (frame []byte, need int, err error) {
	if len(b) < frameHeader {
		return nil, frameHeader, errShort
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxRecord {
		return nil, 0, corruptf("record length %d", n)
	}
	need = frameHeader + int(n)
	if len(b) < need {
		return nil, need, errShort
	}
	frame = b[:need:need]
	if frameSum(frame) != binary.LittleEndian.Uint32(frame[4:]) {
		return nil, 0, corruptf("record checksum")
	}
	return frame, need, nil
}

// decodeFrame returns the event in a frame that parseFrame let through. Its
// byte slices are slices of frame.
func decodeFrame(frame []byte, offset uint64) (record.Event, error) {
	e, err := record.DecodeEvent(frame[frameHeader:])
	if err != nil {
		return record.Event{}, corruptf("offset %d: %v", offset, err)
	}
	if e.Offset != offset {
		return record.Event{}, corruptf("offset %d where %d belongs", e.Offset, offset)
	}
	return e, nil
}

// mark says where in a file a record starts.
type mark struct {
	offset uint64
	pos    int64
}

// sparseIndex has a mark every indexEvery bytes of a raw segment.
type sparseIndex struct {
	mu    sync.RWMutex // guards marks
	marks []mark
}

func newSparseIndex(first uint64) *sparseIndex {
	return &sparseIndex{marks: []mark{{first, headerSize}}}
}

// add notes that the record at offset starts at pos, if that is far enough
// from the last mark.
func (x *sparseIndex) add(offset uint64, pos int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if pos-x.marks[len(x.marks)-1].pos >= indexEvery {
		x.marks = append(x.marks, mark{offset, pos})
	}
}

// before returns the last mark at or before offset.
func (x *sparseIndex) before(offset uint64) mark {
	x.mu.RLock()
	defer x.mu.RUnlock()
	lo, hi := 0, len(x.marks)
	for lo+1 < hi {
		if mid := (lo + hi) / 2; x.marks[mid].offset <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return x.marks[lo]
}

// upTo returns the index without what is behind offset.
func (x *sparseIndex) upTo(offset uint64) *sparseIndex {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c := &sparseIndex{marks: x.marks[:1:1]}
	for _, m := range x.marks[1:] {
		if m.offset <= offset {
			c.marks = append(c.marks, m)
		}
	}
	return c
}

// createRaw creates an empty raw segment, to be appended to.
func createRaw(path string, number, first, chain uint64) (*os.File, *segment, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, nil, err
	}
	if _, err := f.Write(appendHeader(nil, rawMagic, first, chain)); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, &segment{
		number: number, path: path, first: first, chain: chain, size: headerSize,
		last: first - 1, end: chain, index: newSparseIndex(first),
	}, nil
}
