package vector

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// The methods of this file are the writer's. They stage changes, add the
// events to c and answer the result, whose slices and those of the events are
// the record's. A refusal leaves no change and no event. An error is one of
// the disk, and fatal: what is staged must be aborted.

// maxNameLen bounds a collection's name, which is a folder's, on every node
// alike.
const maxNameLen = 200

// maxLive bounds the points of a collection: rows are numbered in 32 bits,
// and dead ones are vacuumed before they outnumber the living far.
const maxLive = 1 << 30

// Create stages a new collection.
func (s *Store) Create(c *record.Change, r *record.VectorCreate) (record.Result, error) {
	s.begin()
	name := string(r.Collection)
	refuse := func(f *fault.Error) (record.Result, error) {
		return record.Result{Kind: record.KindVectorCreate, Offset: c.Offset, Fault: f}, nil
	}
	if !record.CollectionName(name) || len(name) > maxNameLen {
		return refuse(fault.New(fault.InvalidArgument, "a collection's name has at most %d of the characters A-Z a-z 0-9 _ . - and no leading dot", maxNameLen))
	}
	if _, exists := s.latest(r.Collection); exists {
		return refuse(fault.New(fault.AlreadyExists, "collection already exists"))
	}
	e := c.Emit(record.VectorCollectionCreated)
	e.Collection, e.Dim, e.Metric = r.Collection, r.Dim, r.Metric
	col := newCollection(name, int(r.Dim), r.Metric, c.Offset, c.Time, s.dirOf(name))
	col.staged = figures{newest: c.Offset, updatedMS: c.Time}
	if err := s.createData(col); err != nil {
		return record.Result{}, fmt.Errorf("create collection %s: %w", name, err)
	}
	s.staged[name] = col
	s.touched = append(s.touched, col)
	return record.Result{Kind: record.KindVectorCreate, Offset: c.Offset}, nil
}

// createData gives a new collection its empty data. Graphs that an earlier
// run of this node built over the same rows are taken up again.
func (s *Store) createData(col *collection) error {
	h := header{dim: col.dim, metric: col.metric, incarnation: col.incarnation, id: col.incarnation}
	if col.dir == "" {
		col.data.Store(newData(col.dim, col.metric, newMemoryFile(h)))
		return nil
	}
	if err := os.MkdirAll(col.dir, 0o700); err != nil {
		return err
	}
	f, err := createFile(filepath.Join(col.dir, fileName), h)
	if err != nil {
		return err
	}
	d := newData(col.dim, col.metric, f)
	if err := f.flush(); err != nil {
		return err
	}
	s.loadGraphs(col, d)
	if err := s.removeLeftovers(col, d); err != nil {
		return err
	}
	col.data.Store(d)
	return col.writeManifest(col.dir, d)
}

// Drop stages the end of a collection.
func (s *Store) Drop(c *record.Change, r *record.VectorDrop) (record.Result, error) {
	s.begin()
	col, exists := s.latest(r.Collection)
	if !exists {
		return record.Result{Kind: record.KindVectorDrop, Offset: c.Offset, Fault: collectionNotFound()}, nil
	}
	e := c.Emit(record.VectorCollectionDeleted)
	e.Collection = r.Collection
	if col.dir != "" {
		// Out of the way of a collection of the same name to come.
		to := filepath.Join(s.cfg.Dir, droppedName(col))
		if err := os.Rename(col.dir, to); err != nil {
			return record.Result{}, fmt.Errorf("drop collection %s: %w", col.name, err)
		}
	}
	s.staged[col.name] = nil
	s.dropped = append(s.dropped, col)
	return record.Result{Kind: record.KindVectorDrop, Offset: c.Offset}, nil
}

// droppedName is the name of a dropped collection's folder until it is removed.
func droppedName(c *collection) string { return fmt.Sprintf("%s%d", droppedPrefix, c.incarnation) }

// Put stages a point of its own.
func (s *Store) Put(c *record.Change, r *record.VectorPut) record.Result {
	s.begin()
	col, exists := s.latest(r.Collection)
	if !exists {
		return record.Result{Kind: record.KindVectorPut, Offset: c.Offset, Fault: notFound()}
	}
	return s.put(c, col, r)
}

func (s *Store) put(c *record.Change, col *collection, r *record.VectorPut) record.Result {
	d := col.data.Load()
	refuse := func(f *fault.Error) record.Result {
		return record.Result{Kind: record.KindVectorPut, Offset: c.Offset, Fault: f}
	}
	if f := col.checkDim(r.Vector); f != nil {
		return refuse(f)
	}
	_, exists := d.latest(r.ID)
	kind := record.VectorUpserted
	if r.Add {
		if exists {
			return refuse(fault.New(fault.AlreadyExists, "id already exists"))
		}
		kind = record.VectorAdded
	}
	if !exists && col.staged.live >= maxLive {
		return refuse(fault.New(fault.InsufficientStorage, "collection %s is full: it has %d points", col.name, maxLive))
	}
	e := c.Emit(kind)
	e.Collection, e.ID, e.Meta, e.Vector = col.key, r.ID, r.Meta, r.Vector
	d.put(c.Offset, r.ID, r.Meta, r.Vector)
	if !exists {
		col.staged.live++
	}
	s.wrote(c, col)
	return record.Result{Kind: record.KindVectorPut, Offset: c.Offset}
}

// Update stages new values of a point that exists. One that names nothing to
// change is no change and no event.
func (s *Store) Update(c *record.Change, r *record.VectorUpdate) record.Result {
	s.begin()
	refuse := func(f *fault.Error) record.Result {
		return record.Result{Kind: record.KindVectorUpdate, Offset: c.Offset, Fault: f}
	}
	col, exists := s.latest(r.Collection)
	if !exists {
		return refuse(notFound())
	}
	d := col.data.Load()
	row, exists := d.latest(r.ID)
	if !exists {
		return refuse(idNotFound())
	}
	vector, meta := r.Vector, r.Meta
	if len(vector) != 0 {
		if f := col.checkDim(vector); f != nil {
			return refuse(f)
		}
	} else if !r.SetMeta {
		return record.Result{Kind: record.KindVectorUpdate, Offset: c.Offset}
	} else {
		vector = record.AppendVector(nil, d.values(row))
	}
	if !r.SetMeta {
		meta = []byte(d.point(row).meta)
	}
	e := c.Emit(record.VectorUpdated)
	e.Collection, e.ID, e.Meta, e.Vector = r.Collection, r.ID, meta, vector
	d.put(c.Offset, r.ID, meta, vector)
	s.wrote(c, col)
	return record.Result{Kind: record.KindVectorUpdate, Offset: c.Offset}
}

// Delete stages the end of a point.
func (s *Store) Delete(c *record.Change, r *record.VectorDelete) record.Result {
	s.begin()
	col, exists := s.latest(r.Collection)
	if !exists {
		return record.Result{Kind: record.KindVectorDelete, Offset: c.Offset, Fault: notFound()}
	}
	return s.remove(c, col, r.ID)
}

func (s *Store) remove(c *record.Change, col *collection, id []byte) record.Result {
	d := col.data.Load()
	row, exists := d.latest(id)
	if !exists {
		return record.Result{Kind: record.KindVectorDelete, Offset: c.Offset, Fault: idNotFound()}
	}
	e := c.Emit(record.VectorDeleted)
	e.Collection, e.ID = col.key, id
	d.remove(c.Offset, row)
	col.staged.live--
	s.touch(c, col)
	return record.Result{Kind: record.KindVectorDelete, Offset: c.Offset, Deleted: true}
}

// PutBatch stages several points, each for itself.
func (s *Store) PutBatch(c *record.Change, b *record.VectorPutBatch) record.Result {
	s.begin()
	col, exists := s.latest(b.Collection)
	if !exists {
		return record.Result{Kind: record.KindVectorPutBatch, Offset: c.Offset, Fault: notFound()}
	}
	results := make([]record.Result, len(b.Items))
	for i := range b.Items {
		results[i] = s.put(c, col, &b.Items[i])
	}
	return record.Result{Kind: record.KindVectorPutBatch, Offset: c.Offset, Batch: results}
}

// DeleteBatch stages the end of several points, each for itself.
func (s *Store) DeleteBatch(c *record.Change, b *record.VectorDeleteBatch) record.Result {
	s.begin()
	col, exists := s.latest(b.Collection)
	if !exists {
		return record.Result{Kind: record.KindVectorDeleteBatch, Offset: c.Offset, Fault: notFound()}
	}
	results := make([]record.Result, len(b.IDs))
	for i, id := range b.IDs {
		results[i] = s.remove(c, col, id)
	}
	return record.Result{Kind: record.KindVectorDeleteBatch, Offset: c.Offset, Batch: results}
}

// RequestVacuum has the maintenance give back the room of a collection's dead
// rows. It changes nothing that can be seen, and makes no event.
func (s *Store) RequestVacuum(c *record.Change, r *record.VectorVacuum) record.Result {
	s.begin()
	col, exists := s.latest(r.Collection)
	if !exists {
		return record.Result{Kind: record.KindVectorVacuum, Offset: c.Offset, Fault: collectionNotFound()}
	}
	s.keeper.requestVacuum(col)
	return record.Result{Kind: record.KindVectorVacuum, Offset: c.Offset}
}

// wrote counts a point that was written.
func (s *Store) wrote(c *record.Change, col *collection) {
	col.staged.upserts++
	s.touch(c, col)
}

// touch notes that the entry has changed a collection.
func (s *Store) touch(c *record.Change, col *collection) {
	col.staged.newest, col.staged.updatedMS = c.Offset, c.Time
	if n := len(s.touched); n == 0 || s.touched[n-1] != col {
		s.touched = append(s.touched, col)
	}
}

// checkDim refuses a vector that has not the collection's dimension.
func (c *collection) checkDim(vector []byte) *fault.Error {
	if n := len(vector) / 4; n != c.dim {
		return fault.New(fault.DimMismatch, "vector has %d values, collection %s needs %d", n, c.name, c.dim)
	}
	return nil
}

func notFound() *fault.Error           { return fault.New(fault.NotFound, "collection or id not found") }
func collectionNotFound() *fault.Error { return fault.New(fault.NotFound, "collection not found") }
func idNotFound() *fault.Error         { return fault.New(fault.NotFound, "id not found") }
