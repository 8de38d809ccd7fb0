package vector

import (
	"sync/atomic"

	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// collection is what stays the same over a collection's life, and its data.
type collection struct {
	name        string
	key         []byte // the name, for events
	dim         int
	metric      record.Metric
	incarnation uint64 // offset of the event that made it
	createdMS   int64
	dir         string // empty = memory only

	staged  figures // as the entry's records left them; the writer's
	figures figures // published
	data    atomic.Pointer[data]
	upkeep  upkeep
}

func newCollection(name string, dim int, metric record.Metric, incarnation uint64, createdMS int64, dir string) *collection {
	c := &collection{
		name: name, key: []byte(name), dim: dim, metric: metric,
		incarnation: incarnation, createdMS: createdMS, dir: dir,
	}
	c.upkeep.init()
	return c
}

// figures are what every node counts alike.
type figures struct {
	live      uint64
	upserts   uint64
	newest    uint64 // offset of the newest event
	updatedMS int64
}

// data is the rows of a collection and what they are found by. A vacuum puts
// another one in its place; who has taken one may go on with it.
type data struct {
	table   // with what is staged; the writer's
	file    *file
	ids     map[string]uint32 // published: the living row of each point
	changed map[string]change // staged above ids

	published table  // what readers get
	bytes     int64  // of the file, published
	records   uint64 // in the file, published
	index     atomic.Pointer[index]
	filters   *filter.Index
	graphs    []graphFile // where the index's graphs are on disk; of who holds the upkeep's job
}

// change is a staged entry of data.ids.
type change struct {
	row  uint32
	live bool
}

// maxChangedKept is how many staged changes keep their memory for the next
// entry: clearing the table costs its size.
const maxChangedKept = 4096

func newData(dim int, metric record.Metric, f *file) *data {
	d := &data{
		table: newTable(dim, metric), file: f,
		ids: map[string]uint32{}, changed: map[string]change{},
		filters: filter.NewIndex(),
	}
	d.publish()
	d.index.Store(&index{})
	return d
}

// latest returns the living row of a point as the entry's earlier records
// left it.
func (d *data) latest(id []byte) (row uint32, ok bool) {
	if len(d.changed) > 0 {
		if c, ok := d.changed[string(id)]; ok {
			return c.row, c.live
		}
	}
	row, ok = d.ids[string(id)]
	return row, ok
}

// put stages a point, and the end of the row it had.
func (d *data) put(offset uint64, id, meta, vector []byte) {
	d.file.append(&frame{kind: framePut, offset: offset, id: id, meta: meta, vector: vector})
	old, existed := d.latest(id)
	p := newPoint(id, meta)
	row, _ := d.add(p, vector) // a record's values are numbers
	d.changed[p.id] = change{row: row, live: true}
	if existed {
		d.kill(old, offset)
	}
}

// remove stages the end of a point that lives in row.
func (d *data) remove(offset uint64, row uint32) {
	id := d.point(row).id
	d.file.append(&frame{kind: frameDelete, offset: offset, id: []byte(id)})
	d.changed[id] = change{}
	d.kill(row, offset)
}

// commit makes what was staged visible. The caller excludes readers.
func (d *data) commit() {
	for id, c := range d.changed {
		if c.live {
			d.ids[id] = c.row
		} else {
			delete(d.ids, id)
		}
	}
	if len(d.changed) > maxChangedKept {
		d.changed = map[string]change{}
	}
	clear(d.changed)
	d.publish()
}

// publish lets readers see the rows as they are.
func (d *data) publish() {
	d.published, d.bytes, d.records = d.table, d.file.size, d.file.records
}

// reader returns the collection as it is at offset.
func (c *collection) reader(offset uint64) *Reader {
	d := c.data.Load()
	r := &Reader{
		table: d.published, figures: c.figures, of: c, name: c.name, offset: offset,
		bytes: d.bytes, records: d.records, index: d.index.Load(), filters: d.filters,
	}
	if r.index.covered > r.rows {
		// Graphs were loaded before the log has written all their rows again.
		r.index = &index{}
	}
	return r
}

// Info describes the collection. It looks at every row that is in no graph.
func (r *Reader) Info() Info {
	info := Info{
		Name: r.name, Dim: r.dim, Metric: r.metric,
		CreatedMS: r.of.createdMS, UpdatedMS: r.updatedMS,
		Live: r.live, Records: r.records, Upserts: r.upserts, Offset: r.newest,
		Deleted:   uint64(r.rows) - r.live,
		Segments:  len(r.index.graphs),
		FileBytes: r.bytes,
		Unindexed: r.unindexed(),
	}
	if info.Unindexed > 0 {
		info.Segments++
	}
	for _, g := range r.index.graphs {
		info.IndexBytes += g.Bytes()
	}
	info.Builds, info.BuildSeconds = r.of.upkeep.built()
	return info
}

// unindexed counts the living rows that are in no graph.
func (r *Reader) unindexed() uint64 {
	var n uint64
	for row := r.index.covered; row < r.rows; row++ {
		if r.alive(row) {
			n++
		}
	}
	for _, g := range r.index.graphs {
		for _, row := range g.Outliers() {
			if r.alive(row) {
				n++
			}
		}
	}
	return n
}
