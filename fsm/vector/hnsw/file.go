package hnsw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/kissvdb/kissvdb/fsm/vector/memory"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// A file is a header and then sections, each followed by its xxhash64. All
// numbers are little endian.
//
//	header: magic, u32 version, u32 flags, u32 dim, u32 M, u32 efConstruction,
//	        u64 seed, u32 nodes, u32 outliers, u32 trained, u32 entry, u32 layers,
//	        then for each of 32 layers its u32 positions, 0 for those above
//	quantizer: see sq8
//	codes: nodes x stride bytes
//	rows: nodes x u32
//	outliers: u32 each
//	twins, if the flag says so: nodes x u32
//	layers, the lowest first, each: links, positions x width u32; kept,
//	        positions x u8; and but for the lowest nodes and below, positions x u32
const (
	magic      = "KISSHNSW"
	version    = 1
	headerSize = len(magic) + 5*4 + 8 + 5*4 + 4*maxLayers
	hashSize   = 8

	flagClip  = 1
	flagTwins = 2
)

var errCorrupt = errors.New("hnsw: the file of a graph is damaged")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
}

// header is what the size of everything follows from.
type header struct {
	params    Params
	twins     bool
	nodes     uint32
	outliers  uint32
	trained   uint32
	entry     uint32
	positions []uint32 // of each layer
}

func (g *Graph) header() *header {
	h := &header{
		params: g.params, twins: g.twins != nil,
		nodes: uint32(len(g.rows)), outliers: uint32(len(g.outliers)), trained: g.trained, entry: g.entry,
	}
	for _, l := range g.layers {
		h.positions = append(h.positions, uint32(l.count()))
	}
	return h
}

func (h *header) encode() []byte {
	flags := uint32(0)
	if h.params.Clip {
		flags |= flagClip
	}
	if h.twins {
		flags |= flagTwins
	}
	b := append(make([]byte, 0, headerSize), magic...)
	u32 := binary.LittleEndian.AppendUint32
	for _, x := range []uint32{version, flags, uint32(h.params.Dim), uint32(h.params.M), uint32(h.params.EfConstruction)} {
		b = u32(b, x)
	}
	b = binary.LittleEndian.AppendUint64(b, h.params.Seed)
	for _, x := range []uint32{h.nodes, h.outliers, h.trained, h.entry, uint32(len(h.positions))} {
		b = u32(b, x)
	}
	for _, x := range h.positions {
		b = u32(b, x)
	}
	return b[:headerSize]
}

func decodeHeader(b []byte) (*header, error) {
	if string(b[:len(magic)]) != magic {
		return nil, corrupt("it does not start as one")
	}
	b = b[len(magic):]
	next := func() uint32 {
		x := binary.LittleEndian.Uint32(b)
		b = b[4:]
		return x
	}
	if v := next(); v != version {
		return nil, fmt.Errorf("hnsw: the file of a graph has version %d, this program reads version %d", v, version)
	}
	flags := next()
	h := &header{twins: flags&flagTwins != 0}
	h.params = Params{Clip: flags&flagClip != 0, Dim: int(next()), M: int(next()), EfConstruction: int(next())}
	h.params.Seed = binary.LittleEndian.Uint64(b)
	b = b[8:]
	h.nodes, h.outliers, h.trained, h.entry = next(), next(), next(), next()
	layers := next()
	if flags > flagClip|flagTwins || layers > maxLayers {
		return nil, corrupt("%d layers, flags %x", layers, flags)
	}
	for i := range uint32(maxLayers) {
		positions := next()
		if i < layers {
			h.positions = append(h.positions, positions)
		} else if positions != 0 {
			return nil, corrupt("%d positions in layer %d of %d", positions, i, layers)
		}
	}
	return h, h.check()
}

func (h *header) check() error {
	p := h.params
	if p.Dim < 1 || p.Dim > maxDim || p.M < minM || p.M > maxM || p.EfConstruction < 1 || p.EfConstruction > maxEf {
		return corrupt("dimension %d, M %d, efConstruction %d", p.Dim, p.M, p.EfConstruction)
	}
	if h.nodes > maxNodes || (h.nodes == 0) != (len(h.positions) == 0) {
		return corrupt("%d nodes in %d layers", h.nodes, len(h.positions))
	}
	before := h.nodes
	for i, positions := range h.positions {
		if positions == 0 || positions > before || i == 0 && positions != before {
			return corrupt("%d positions in layer %d", positions, i)
		}
		before = positions
	}
	if h.nodes > 0 && h.entry >= before {
		return corrupt("entry %d of %d", h.entry, before)
	}
	return nil
}

// size returns how long the file is.
func (h *header) size() int64 {
	stride := (h.params.Dim + 31) / 32 * 32
	sections := []int64{int64(headerSize), int64(sq8.BinarySize(h.params.Dim)), int64(h.nodes) * int64(stride), 4 * int64(h.nodes), 4 * int64(h.outliers)}
	if h.twins {
		sections = append(sections, 4*int64(h.nodes))
	}
	for i, positions := range h.positions {
		count := int64(positions)
		sections = append(sections, 4*count*int64(width(h.params, i)), count)
		if i > 0 {
			sections = append(sections, 4*count, 4*count)
		}
	}
	total := int64(0)
	for _, s := range sections {
		total += s + hashSize
	}
	return total
}

// Encode writes the graph as one file.
func (g *Graph) Encode(w io.Writer) error {
	s := sectionWriter{w: w}
	s.bytes(g.header().encode())
	s.bytes(g.quantizer.AppendBinary(nil))
	s.bytes(g.codes)
	s.words(g.rows)
	s.words(g.outliers)
	if g.twins != nil {
		s.words(g.twins)
	}
	for i, l := range g.layers {
		s.words(l.lists)
		s.bytes(l.kept)
		if i > 0 {
			s.words(l.nodes)
			s.words(l.below)
		}
	}
	return s.err
}

// Decode reads a graph of size bytes, over rows below rows. A file that is not
// whole, or names what there is not, is an error. It allocates no more than in
// proportion to size and rows.
func Decode(r io.Reader, size int64, rows uint32) (*Graph, error) {
	s := sectionReader{r: r}
	if size < int64(headerSize+hashSize) {
		return nil, corrupt("%d bytes", size)
	}
	b := s.bytes(headerSize)
	if s.err != nil {
		return nil, s.err
	}
	h, err := decodeHeader(b)
	if err != nil {
		return nil, err
	}
	if h.size() != size {
		return nil, corrupt("%d bytes where %d are due", size, h.size())
	}
	g := &Graph{params: h.params, trained: h.trained, entry: h.entry}
	ranges := s.bytes(sq8.BinarySize(h.params.Dim))
	if s.err != nil {
		return nil, s.err
	}
	if g.quantizer, err = sq8.Decode(h.params.Dim, h.params.Clip, ranges); err != nil {
		return nil, corrupt("%v", err)
	}
	nodes := int(h.nodes)
	g.codes = s.bytes(nodes * g.quantizer.Stride())
	g.rows = s.words(nodes)
	g.outliers = s.words(int(h.outliers))
	if h.twins {
		g.twins = s.words(nodes)
	}
	for i, positions := range h.positions {
		l := &layer{width: width(h.params, i)}
		l.lists = s.words(int(positions) * l.width)
		l.kept = s.bytes(int(positions))
		if i > 0 {
			l.nodes, l.below = s.words(int(positions)), s.words(int(positions))
		}
		g.layers = append(g.layers, l)
	}
	if s.err != nil {
		return nil, s.err
	}
	if err := g.check(rows); err != nil {
		return nil, err
	}
	g.index()
	return g, nil
}

type sectionWriter struct {
	w   io.Writer
	err error
}

func (s *sectionWriter) bytes(b []byte) {
	if s.err != nil {
		return
	}
	if _, s.err = s.w.Write(b); s.err == nil {
		_, s.err = s.w.Write(binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(b)))
	}
}

func (s *sectionWriter) words(words []uint32) {
	if bigEndian {
		words = swapped(words)
	}
	s.bytes(wordBytes(words))
}

type sectionReader struct {
	r   io.Reader
	err error
}

func (s *sectionReader) bytes(count int) []byte {
	b := memory.Make[byte](count)
	s.read(b)
	return b
}

func (s *sectionReader) words(count int) []uint32 {
	words := memory.Make[uint32](count)
	s.read(wordBytes(words))
	if bigEndian {
		words = swapped(words)
	}
	return words
}

func (s *sectionReader) read(b []byte) {
	if s.err != nil {
		return
	}
	var hash [hashSize]byte
	if _, s.err = io.ReadFull(s.r, b); s.err == nil {
		_, s.err = io.ReadFull(s.r, hash[:])
	}
	if errors.Is(s.err, io.EOF) || errors.Is(s.err, io.ErrUnexpectedEOF) {
		s.err = corrupt("it ends too early")
	}
	if s.err == nil && binary.LittleEndian.Uint64(hash[:]) != xxhash.Sum64(b) {
		s.err = corrupt("a checksum is wrong")
	}
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func swapped(words []uint32) []uint32 {
	s := make([]uint32, len(words))
	for i, word := range words {
		s[i] = bits.ReverseBytes32(word)
	}
	return s
}

func wordBytes(words []uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 4*len(words))
}
