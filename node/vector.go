package node

import (
	"context"
	"errors"
	"math"
	"unicode/utf8"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

// Bounds that hold whatever a node is configured to allow: what is over them
// is refused before the log.
const (
	MaxCollectionLen = 200      // bytes of a collection's name
	MaxIDLen         = 64 << 10 // bytes of a point's id
)

// Vectors is the model of collections of vectors.
type Vectors struct{ n *Node }

// Create makes a collection; one of that name must not exist.
func (v *Vectors) Create(ctx context.Context, c record.VectorCreate) (record.Result, error) {
	if err := checkCollection(c.Collection); err != nil {
		return record.Result{}, err
	}
	switch {
	case c.Dim == 0 || c.Dim > record.MaxDim:
		return record.Result{}, fault.New(fault.InvalidArgument, "invalid dim: %d, it must be from 1 to %d", c.Dim, record.MaxDim)
	case c.Metric.String() == "":
		return record.Result{}, fault.New(fault.InvalidArgument, "unknown metric %d", c.Metric)
	}
	return v.n.propose(ctx, c.Append(make([]byte, 0, len(c.Collection)+recordOverhead)))
}

// Drop removes a collection with all its points.
func (v *Vectors) Drop(ctx context.Context, d record.VectorDrop) (record.Result, error) {
	if err := checkCollection(d.Collection); err != nil {
		return record.Result{}, err
	}
	return v.n.propose(ctx, d.Append(make([]byte, 0, len(d.Collection)+recordOverhead)))
}

// Put writes a point.
func (v *Vectors) Put(ctx context.Context, p record.VectorPut) (record.Result, error) {
	if err := checkCollection(p.Collection); err != nil {
		return record.Result{}, err
	}
	if err := checkPoint(&p); err != nil {
		return record.Result{}, err
	}
	return v.n.propose(ctx, p.Append(make([]byte, 0, len(p.Collection)+pointSize(&p)+recordOverhead)))
}

// Update changes a point that exists. Without anything to change it only
// tells whether the point is there.
func (v *Vectors) Update(ctx context.Context, u record.VectorUpdate) (record.Result, error) {
	if err := checkCollection(u.Collection); err != nil {
		return record.Result{}, err
	}
	if err := checkID(u.ID); err != nil {
		return record.Result{}, err
	}
	if len(u.Vector) > 0 {
		if err := checkVector(u.Vector); err != nil {
			return record.Result{}, err
		}
	}
	return v.n.propose(ctx, u.Append(make([]byte, 0, len(u.Collection)+len(u.ID)+len(u.Vector)+len(u.Meta)+recordOverhead)))
}

// Delete removes a point, which must be there.
func (v *Vectors) Delete(ctx context.Context, d record.VectorDelete) (record.Result, error) {
	if err := checkCollection(d.Collection); err != nil {
		return record.Result{}, err
	}
	if err := checkID(d.ID); err != nil {
		return record.Result{}, err
	}
	return v.n.propose(ctx, d.Append(make([]byte, 0, len(d.Collection)+len(d.ID)+recordOverhead)))
}

// PutBatch writes several points in one entry, in order; the result has one
// result per point.
func (v *Vectors) PutBatch(ctx context.Context, b record.VectorPutBatch) (record.Result, error) {
	if err := checkBatch(b.Collection, len(b.Items)); err != nil {
		return record.Result{}, err
	}
	size := len(b.Collection) + recordOverhead
	for i := range b.Items {
		if err := checkPoint(&b.Items[i]); err != nil {
			err.Operation, err.HasOperation = i, true
			return record.Result{}, err
		}
		size += pointSize(&b.Items[i])
	}
	return v.n.propose(ctx, b.Append(make([]byte, 0, size)))
}

// DeleteBatch removes several points in one entry, in order; the result has
// one result per id.
func (v *Vectors) DeleteBatch(ctx context.Context, b record.VectorDeleteBatch) (record.Result, error) {
	if err := checkBatch(b.Collection, len(b.IDs)); err != nil {
		return record.Result{}, err
	}
	size := len(b.Collection) + recordOverhead
	for i, id := range b.IDs {
		if err := checkID(id); err != nil {
			err.Operation, err.HasOperation = i, true
			return record.Result{}, err
		}
		size += len(id) + lengthOverhead
	}
	return v.n.propose(ctx, b.Append(make([]byte, 0, size)))
}

// Vacuum has every node give back the room of a collection's dead rows, and
// returns once this one has, with the bytes that its file got shorter. When
// that takes longer than ctx lasts the error is fault.Timeout, and the nodes
// go on.
func (v *Vectors) Vacuum(ctx context.Context, collection string) (reclaimed int64, res record.Result, err error) {
	vacuum := record.VectorVacuum{Collection: []byte(collection)}
	if err := checkCollection(vacuum.Collection); err != nil {
		return 0, record.Result{}, err
	}
	if res, err = v.n.propose(ctx, vacuum.Append(nil)); err != nil {
		return 0, res, err
	}
	if reclaimed, err = v.n.fsm.Vectors().AwaitVacuum(ctx, collection); err != nil {
		return 0, res, v.n.fault(err)
	}
	return reclaimed, res, nil
}

// List describes all collections by name, and returns the offset at which
// they are so.
func (v *Vectors) List(ctx context.Context, r Read) ([]vector.Info, uint64, error) {
	if err := v.n.await(ctx, r); err != nil {
		return nil, 0, err
	}
	var (
		readers []*vector.Reader
		offset  uint64
	)
	v.n.fsm.View(func(view *fsm.View) {
		offset = view.Offset
		readers = view.Vectors.Readers(offset)
	})
	infos := make([]vector.Info, len(readers))
	for i, reader := range readers {
		infos[i] = reader.Info()
	}
	return infos, offset, nil
}

// Describe describes a collection, and returns the offset at which it is so.
func (v *Vectors) Describe(ctx context.Context, collection string, r Read) (vector.Info, uint64, error) {
	reader, offset, err := v.reader(ctx, collection, r)
	if err != nil {
		return vector.Info{}, 0, err
	}
	if reader == nil {
		return vector.Info{}, offset, collectionNotFound(offset)
	}
	return reader.Info(), offset, nil
}

// reader returns a collection, nil for none, and the offset at which it is so.
// What is done with it holds off no write.
func (v *Vectors) reader(ctx context.Context, collection string, r Read) (reader *vector.Reader, offset uint64, err error) {
	if err := v.n.await(ctx, r); err != nil {
		return nil, 0, err
	}
	v.n.fsm.View(func(view *fsm.View) {
		offset = view.Offset
		reader, _ = view.Vectors.Reader(collection, offset)
	})
	return reader, offset, nil
}

// Get returns a point and the offset it was read at. The point is immutable.
func (v *Vectors) Get(ctx context.Context, collection, id string, r Read) (vector.Point, uint64, error) {
	if err := v.n.await(ctx, r); err != nil {
		return vector.Point{}, 0, err
	}
	var (
		point        vector.Point
		known, found bool
		offset       uint64
	)
	v.n.fsm.View(func(view *fsm.View) {
		offset = view.Offset
		point, known, found = view.Vectors.Get(collection, id)
	})
	switch {
	case !known:
		return vector.Point{}, offset, fault.New(fault.NotFound, "collection or id not found").At(offset)
	case !found:
		return vector.Point{}, offset, fault.New(fault.NotFound, "vector id not found").At(offset)
	}
	return point, offset, nil
}

// Search returns the points of a collection that are nearest to q.Vector, and
// the offset at which they are. Writes do not wait for it, nor it for them.
func (v *Vectors) Search(ctx context.Context, collection string, q *vector.Query, r Read) ([]vector.Hit, uint64, error) {
	for _, f := range q.Vector {
		if math.IsInf(float64(f), 0) || f != f {
			return nil, 0, notFinite()
		}
	}
	reader, offset, err := v.reader(ctx, collection, r)
	if err != nil {
		return nil, 0, err
	}
	if reader == nil {
		return nil, offset, fault.New(fault.NotFound, "collection or id not found").At(offset)
	}
	hits, err := reader.Search(ctx, q)
	if err != nil {
		return nil, offset, v.n.searchFault(err).At(offset)
	}
	return hits, offset, nil
}

// searchFault turns what a search failed with into a fault. It has written
// nothing, so running out of time is not an unknown outcome.
func (n *Node) searchFault(err error) *fault.Error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.New(fault.Overloaded, "the search did not end in time")
	}
	return fault.New(fault.Internal, "search: %v", err)
}

func collectionNotFound(offset uint64) *fault.Error {
	return fault.New(fault.NotFound, "collection not found").At(offset)
}

// lengthOverhead is enough for the length of an item of a batch.
const lengthOverhead = 5

// pointSize is about what a point takes in a record, and not less.
func pointSize(p *record.VectorPut) int {
	return len(p.ID) + len(p.Vector) + len(p.Meta) + 3*lengthOverhead
}

func checkCollection(name []byte) *fault.Error {
	if len(name) > MaxCollectionLen || !record.CollectionName(name) {
		return fault.New(fault.InvalidArgument, "a collection's name is 1 to %d of the characters A-Z a-z 0-9 _ . - without a leading dot", MaxCollectionLen)
	}
	return nil
}

func checkBatch(collection []byte, operations int) *fault.Error {
	switch {
	case operations == 0:
		return fault.New(fault.InvalidArgument, "a batch needs at least one operation")
	case operations > record.MaxBatch:
		return fault.New(fault.PayloadTooLarge, "batch has %d operations, at most %d are allowed", operations, record.MaxBatch)
	}
	return checkCollection(collection)
}

func checkPoint(p *record.VectorPut) *fault.Error {
	if err := checkID(p.ID); err != nil {
		return err
	}
	return checkVector(p.Vector)
}

func checkID(id []byte) *fault.Error {
	switch {
	case len(id) == 0:
		return fault.New(fault.InvalidArgument, "id is empty")
	case len(id) > MaxIDLen:
		return fault.New(fault.InvalidArgument, "id has %d bytes, at most %d are allowed", len(id), MaxIDLen)
	case !utf8.Valid(id):
		return fault.New(fault.InvalidArgument, "id is not valid UTF-8")
	}
	return nil
}

// checkVector refuses what no collection can hold.
func checkVector(b []byte) *fault.Error {
	switch n := len(b) / 4; {
	case len(b)%4 != 0:
		return fault.New(fault.InvalidArgument, "vector has %d bytes, which is no multiple of 4", len(b))
	case n == 0:
		return fault.New(fault.DimMismatch, "vector has 0 values, every collection needs at least 1")
	case n > record.MaxDim:
		return fault.New(fault.InvalidArgument, "vector has %d values, at most %d are allowed", n, record.MaxDim)
	case !record.FiniteVector(b):
		return notFinite()
	}
	return nil
}

func notFinite() *fault.Error {
	return fault.New(fault.InvalidArgument, "vector has a value that is not a finite 32-bit float")
}
