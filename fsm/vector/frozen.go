package vector

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// A snapshot has, in blocks of the caller's, each with its kind as first byte:
//
//	collection: name, dimension, metric byte, incarnation, created at, points,
//	            points written, offset, updated at, source byte,
//	            and of an attached source: file id, size, chain, frames,
//	            covered, number of graphs, size of each
//	frames:     a frame as in vectors.bin, as a byte string; again, up to the
//	            end of the block: those of the collection before it
//	end:        number of collections
//
// A collection of a store with files has its vectors.bin, up to the size, and
// its graphs attached, in the order of the blocks; one in memory has its
// points in frames.
const (
	BlockCollection = 32
	BlockFrames     = 33
	BlockEnd        = 34

	sourceFrames   = 0
	sourceAttached = 1

	// blockBytes is where a block of frames is closed.
	blockBytes = 256 << 10
)

// Frozen is all collections at one offset, immutable beside the running store.
type Frozen struct {
	collections []*frozenCollection // by name
}

type frozenCollection struct {
	*Reader

	file    *file // retained; nil in memory
	chain   uint64
	covered uint32 // by the graphs
	graphs  []frozenGraph
}

// frozenGraph is a graph that is still there, open.
type frozenGraph struct {
	f    *os.File
	size int64
}

// Freeze returns the collections as they are at offset, which is the store's,
// without any I/O. All that was staged must have been committed. With files it
// can be encoded and attached, and must be released in the end; without, it is
// for its digest.
func (s *Store) Freeze(offset uint64, files bool) *Frozen {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := &Frozen{}
	for _, name := range slices.Sorted(maps.Keys(s.collections)) {
		c := s.collections[name]
		d := c.data.Load()
		f := &frozenCollection{Reader: c.reader(offset), chain: d.file.chain}
		if files && c.dir != "" {
			d.file.retain()
			f.file = d.file
		}
		z.collections = append(z.collections, f)
	}
	return z
}

// Release lets go of the files. It may be called once.
func (z *Frozen) Release() error {
	var errs []error
	for _, c := range z.collections {
		if c.file != nil {
			errs = append(errs, c.file.release())
		}
		for _, g := range c.graphs {
			errs = append(errs, g.f.Close())
		}
	}
	return errors.Join(errs...)
}

// Digest hands emit a description of everything that is replicated: equal on
// equal stores, however their rows lie.
func (z *Frozen) Digest(ctx context.Context, emit func([]byte) error) error {
	for _, c := range z.collections {
		sum, err := c.sum(ctx)
		if err != nil {
			return err
		}
		if err := emit(record.AppendUint(c.appendMeta(nil), sum)); err != nil {
			return err
		}
	}
	return nil
}

// appendMeta appends what every node knows alike of a collection.
func (r *Reader) appendMeta(dst []byte) []byte {
	dst = record.AppendBytes(dst, r.name)
	dst = record.AppendUint(dst, uint64(r.dim))
	dst = append(dst, byte(r.metric))
	dst = record.AppendUint(dst, r.of.incarnation)
	dst = record.AppendUint(dst, uint64(r.of.createdMS))
	dst = record.AppendUint(dst, r.live)
	dst = record.AppendUint(dst, r.upserts)
	dst = record.AppendUint(dst, r.newest)
	return record.AppendUint(dst, uint64(r.updatedMS))
}

// sum adds up the hashes of all points, in whatever order.
func (r *Reader) sum(ctx context.Context) (sum uint64, err error) {
	var buf []byte
	for row := range r.rows {
		if row%4096 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if !r.alive(row) {
			continue
		}
		p := r.point(row)
		buf = record.AppendBytes(buf[:0], p.id)
		buf = record.AppendBytes(buf, p.meta)
		buf = record.AppendVector(buf, r.values(row))
		sum += xxhash.Sum64(buf)
	}
	return sum, nil
}

// Encode hands the collections to emit as blocks. emit must not keep a block.
// Attach, with a store that has files, is to follow.
func (z *Frozen) Encode(emit func(block []byte) error) error {
	for _, c := range z.collections {
		block := c.appendMeta([]byte{BlockCollection})
		if c.file == nil {
			block = append(block, sourceFrames)
		} else {
			c.openGraphs()
			block = c.appendSource(append(block, sourceAttached))
		}
		if err := emit(block); err != nil {
			return err
		}
		if c.file != nil {
			continue
		}
		if err := c.encodeFrames(emit); err != nil {
			return err
		}
	}
	return emit(record.AppendUint([]byte{BlockEnd}, uint64(len(z.collections))))
}

// openGraphs opens the graphs that the manifest names: all of them, or none.
// They serve the node that restores the snapshot; without them it builds its
// own.
func (c *frozenCollection) openGraphs() {
	m, err := readManifest(c.of.dir, c.file.header)
	if err != nil || m.Covered > c.rows {
		return // of newer data already, or it has just been dropped
	}
	for _, g := range m.Graphs {
		if err := c.openGraph(filepath.Join(c.of.dir, filepath.Base(g.Name))); err != nil {
			c.closeGraphs()
			return
		}
	}
	c.covered = m.Covered
}

func (c *frozenCollection) openGraph(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	c.graphs = append(c.graphs, frozenGraph{f, info.Size()})
	return nil
}

func (c *frozenCollection) closeGraphs() {
	for _, g := range c.graphs {
		_ = g.f.Close() // only read
	}
	c.graphs = nil
}

func (c *frozenCollection) appendSource(dst []byte) []byte {
	dst = record.AppendUint(dst, c.file.header.id)
	dst = record.AppendUint(dst, uint64(c.bytes))
	dst = binary.LittleEndian.AppendUint64(dst, c.chain)
	dst = record.AppendUint(dst, c.records)
	dst = record.AppendUint(dst, uint64(c.covered))
	dst = record.AppendUint(dst, uint64(len(c.graphs)))
	for _, g := range c.graphs {
		dst = record.AppendUint(dst, uint64(g.size))
	}
	return dst
}

// encodeFrames hands all living points to emit.
func (r *Reader) encodeFrames(emit func(block []byte) error) error {
	block := []byte{BlockFrames}
	var one []byte
	for row := range r.rows {
		if !r.alive(row) {
			continue
		}
		p := r.point(row)
		f := frame{kind: framePut, offset: r.offset, id: []byte(p.id), meta: []byte(p.meta)}
		f.vector = record.AppendVector(nil, r.values(row))
		one, _ = f.append(one[:0])
		block = record.AppendBytes(block, one[frameHead:])
		if len(block) < blockBytes {
			continue
		}
		if err := emit(block); err != nil {
			return err
		}
		block = block[:1]
	}
	if len(block) == 1 {
		return nil
	}
	return emit(block)
}

// Attach attaches the files, in the order of the blocks.
func (z *Frozen) Attach(attach func(f *os.File, size int64) error) error {
	for _, c := range z.collections {
		if c.file == nil {
			continue
		}
		if err := attach(c.file.f, c.bytes); err != nil {
			return err
		}
		for _, g := range c.graphs {
			if err := attach(g.f, g.size); err != nil {
				return err
			}
		}
	}
	return nil
}
