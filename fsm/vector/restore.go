package vector

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/kissvdb/kissvdb/fsm/durable"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// Restore builds collections from a snapshot, beside those of a store: first
// from its blocks, then, unless Local finds all of them in the store's own
// files, from what was attached to it. Commit puts them in place; Discard gives
// them up. It belongs to the writer, who applies nothing meanwhile.
type Restore struct {
	s           *Store
	collections []*restored
	closed      bool
}

// restored is one collection of a snapshot.
type restored struct {
	c        *collection
	attached bool

	header  header
	size    int64
	chain   uint64
	records uint64
	covered uint32
	graphs  []int64 // sizes

	data  *data // nil until it is read
	local bool  // from the store's own files
	stage string
}

// NewRestore begins a restore.
func (s *Store) NewRestore() *Restore { return &Restore{s: s} }

// Done reports whether the last block was added.
func (x *Restore) Done() bool { return x.closed }

// Add reads the next block. It keeps nothing of it.
func (x *Restore) Add(block []byte) error {
	if x.closed {
		return corrupt("a block after the end")
	}
	r := record.NewReader(block)
	switch r.Byte("kind of block") {
	case BlockCollection:
		return x.addCollection(r, block)
	case BlockFrames:
		return x.addFrames(r)
	case BlockEnd:
		n := r.Uint("collections")
		if err := r.Done("end of the collections"); err != nil {
			return err
		}
		if n != uint64(len(x.collections)) {
			return corrupt("%d collections where there are %d", len(x.collections), n)
		}
		x.closed = true
		return x.checkFrames()
	}
	return corrupt("unknown kind of block")
}

func (x *Restore) addCollection(r *record.Reader, block []byte) error {
	name := string(r.Bytes("collection name"))
	dim, metric := r.Uint("dimension"), record.Metric(r.Byte("metric"))
	incarnation, createdMS := r.Uint("incarnation"), r.Time("created at")
	f := figures{live: r.Uint("points"), upserts: r.Uint("points written"), newest: r.Uint("offset"), updatedMS: r.Time("updated at")}
	if r.Failed() || !record.CollectionName(name) || len(name) > maxNameLen || dim == 0 || dim > record.MaxDim || metric.String() == "" {
		return corrupt("a collection of a snapshot")
	}
	if n := len(x.collections); n > 0 && name <= x.collections[n-1].c.name {
		return corrupt("collections out of order")
	}
	c := newCollection(name, int(dim), metric, incarnation, createdMS, x.s.dirOf(name))
	c.figures, c.staged = f, f
	one := &restored{c: c, stage: filepath.Join(x.s.dirOf(restoreDir), name)}
	x.collections = append(x.collections, one)
	one.header = header{dim: c.dim, metric: metric, incarnation: incarnation, id: incarnation}
	switch r.Byte("source") {
	case sourceFrames:
		if err := r.Done("collection"); err != nil {
			return err
		}
		return x.open(one)
	case sourceAttached:
		one.attached = true
		return one.parseSource(r)
	}
	return corrupt("unknown source of a collection")
}

func (one *restored) parseSource(r *record.Reader) error {
	one.header.id = r.Uint("file id")
	one.size = int64(min(r.Uint("size"), 1<<62))
	for i := range 8 {
		one.chain |= uint64(r.Byte("chain")) << (8 * i)
	}
	one.records = r.Uint("frames")
	one.covered = uint32(min(r.Uint("covered"), uint64(hnsw.None)))
	for range r.Count("graphs") {
		one.graphs = append(one.graphs, int64(min(r.Uint("size of a graph"), 1<<62)))
	}
	if err := r.Done("source of a collection"); err != nil {
		return err
	}
	if one.size < headerBytes || uint64(one.covered) > one.records {
		return corrupt("a file of %d bytes, %d frames", one.size, one.records)
	}
	return nil
}

// open gives a collection new, empty data in the folder of the restore.
func (x *Restore) open(one *restored) error {
	f := newMemoryFile(one.header)
	if one.c.dir != "" {
		if err := os.MkdirAll(one.stage, 0o700); err != nil {
			return err
		}
		var err error
		if f, err = createFile(filepath.Join(one.stage, fileName), one.header); err != nil {
			return err
		}
	}
	one.data = newData(one.c.dim, one.c.metric, f)
	return nil
}

// addFrames reads points of the newest collection.
func (x *Restore) addFrames(r *record.Reader) error {
	if len(x.collections) == 0 {
		return corrupt("points of no collection")
	}
	one := x.collections[len(x.collections)-1]
	if one.attached {
		return corrupt("points in a block, and attached")
	}
	for r.Len() > 0 {
		payload := r.Bytes("point")
		if r.Failed() {
			break
		}
		f, err := decodeFrame(payload, one.c.dim)
		if err != nil {
			return err
		}
		one.data.file.append(&f)
		if err := one.data.take(&f); err != nil {
			return err
		}
	}
	return errors.Join(r.Done("points"), one.data.file.flush())
}

// take adds what a frame says to data that no reader has.
func (d *data) take(f *frame) error {
	old, existed := d.ids[string(f.id)]
	switch {
	case f.kind == framePut:
		p := newPoint(f.id, f.meta)
		row, norm := d.add(p, f.vector)
		if !(norm < math.Inf(1)) { // or it is no number
			return corrupt("a vector that is not finite")
		}
		if existed {
			d.kill(old, max(f.offset, 1))
		}
		d.ids[p.id] = row
	case existed:
		d.kill(old, max(f.offset, 1))
		delete(d.ids, string(f.id))
	default:
		return corrupt("the end of a point that is not there")
	}
	return nil
}

// checkFrames checks the collections that were read from blocks.
func (x *Restore) checkFrames() error {
	for _, one := range x.collections {
		if !one.attached {
			if err := one.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish makes what was read the data's published state.
func (one *restored) finish() error {
	d := one.data
	if uint64(len(d.ids)) != one.c.figures.live {
		return corrupt("collection %s has %d points where there are %d", one.c.name, len(d.ids), one.c.figures.live)
	}
	d.publish()
	return nil
}

// Local loads every collection from the store's own files, as a start does:
// they hold what the snapshot says, or more. It returns whether anything is
// left to be read from what was attached. A file is used up to where the
// snapshot found it, and cut there: the log writes the rest again.
func (x *Restore) Local() (all bool) {
	all = true
	for _, one := range x.collections {
		if !one.attached {
			continue
		}
		err := errors.New("it is memory only")
		if one.c.dir != "" && len(x.s.collections) == 0 {
			err = x.loadLocal(one)
		}
		if err != nil {
			x.s.log.Info("collection is read from the snapshot", "collection", one.c.name, "reason", err)
			all = false
		}
	}
	return all
}

func (x *Restore) loadLocal(one *restored) error {
	f, err := os.OpenFile(filepath.Join(one.c.dir, fileName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	nf := newFile(f, one.header, one.size)
	one.data = newData(one.c.dim, one.c.metric, nf)
	most := one.size / int64(frameHead+4*one.c.dim) // whatever the snapshot says
	one.data.ids = make(map[string]uint32, min(one.c.figures.live, uint64(most)))
	graphs := make(chan struct{})
	go func() { // beside the points
		defer close(graphs)
		x.s.loadGraphs(one.c, one.data)
	}()
	err = one.read(f)
	<-graphs
	if err == nil {
		err = f.Truncate(one.size)
	}
	if err == nil {
		err = x.s.removeLeftovers(one.c, one.data)
	}
	if err != nil {
		one.data = nil
		return errors.Join(err, f.Close())
	}
	one.local = true
	return nil
}

// read reads vectors.bin from r and compares it with the snapshot.
func (one *restored) read(r io.Reader) error {
	h, err := readHeader(r)
	if err != nil {
		return err
	}
	if h != one.header {
		return fmt.Errorf("%s is another file", fileName)
	}
	d := one.data
	chain, records, err := frames(r, one.size-headerBytes, func(payload []byte) error {
		f, err := decodeFrame(payload, one.c.dim)
		if err != nil {
			return err
		}
		return d.take(&f)
	})
	if err != nil {
		return err
	}
	if chain != one.chain || records != one.records {
		return corrupt("%s is not what the snapshot was made of", fileName)
	}
	d.file.chain, d.file.records, d.file.size = chain, records, one.size
	return one.finish()
}

// Read reads what was attached to the snapshot: all of it, in order.
func (x *Restore) Read(r io.Reader) error {
	for _, one := range x.collections {
		if !one.attached {
			continue
		}
		if one.data == nil {
			if err := x.readAttached(one, r); err != nil {
				return fmt.Errorf("collection %s: %w", one.c.name, err)
			}
			continue
		}
		size := one.size
		for _, graph := range one.graphs {
			size += graph
		}
		if _, err := io.CopyN(io.Discard, r, size); err != nil {
			return cutShort(err)
		}
	}
	return nil
}

// readAttached reads the file and the graphs of a collection, and keeps a
// copy of them in the folder of the restore.
func (x *Restore) readAttached(one *restored, r io.Reader) error {
	if err := x.open(one); err != nil {
		return err
	}
	f := one.data.file
	copied := r
	if f.f != nil {
		f.buf = nil // the header comes from r, too
		copied = io.TeeReader(r, f.f)
	}
	if err := one.read(io.LimitReader(copied, one.size)); err != nil {
		return err
	}
	var graphs []*hnsw.Graph
	var files []graphFile
	for i, size := range one.graphs {
		file := graphFile{Name: fmt.Sprintf("%s%06d%s", graphPrefix, i+1, graphSuffix), Bytes: size}
		g, err := x.readGraph(one, file, r)
		if err != nil {
			return err
		}
		if g != nil {
			graphs, files = append(graphs, g), append(files, file)
		}
	}
	if len(graphs) == len(one.graphs) {
		one.data.useGraphs(graphs, files, one.covered)
	}
	if f.f == nil {
		return nil
	}
	return one.c.writeManifest(one.stage, one.data)
}

// readGraph reads a graph and keeps a copy. One that is damaged is built
// again: a snapshot is not refused for it.
func (x *Restore) readGraph(one *restored, file graphFile, r io.Reader) (*hnsw.Graph, error) {
	limited := io.LimitReader(r, file.Bytes)
	var g *hnsw.Graph
	read := func(r io.Reader) error {
		g = x.decodeGraph(one, file, r)
		_, err := io.Copy(io.Discard, r)
		return err
	}
	if one.data.file.f == nil {
		err := read(limited)
		return g, err
	}
	err := durable.Write(filepath.Join(one.stage, file.Name), func(w io.Writer) error {
		return read(io.TeeReader(limited, w))
	})
	return g, err
}

// decodeGraph returns nil for a graph that is damaged.
func (x *Restore) decodeGraph(one *restored, file graphFile, r io.Reader) *hnsw.Graph {
	g, err := decodeGraph(r, file.Bytes, one.c.dim, one.covered)
	if err != nil {
		x.s.log.Warn("a graph of the snapshot is built again", "collection", one.c.name, "error", err)
		return nil
	}
	return g
}
