package vector

import (
	"context"
	"math"
	"sync"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// Name returns the collection's name.
func (r *Reader) Name() string { return r.name }

// Dim returns how many values a vector has.
func (r *Reader) Dim() int { return r.dim }

// Metric returns how vectors are compared.
func (r *Reader) Metric() record.Metric { return r.metric }

// Offset returns the offset at which the collection is seen.
func (r *Reader) Offset() uint64 { return r.offset }

// Search returns the points nearest to q.Vector, best first and those of equal
// scores by id: exactly min(q.K, matches) of them, unless groups leave some
// out. With q.Exact they are the nearest, the same on every machine; without
// it, nearly always. It fails with a *fault.Error if q does not fit the
// collection, and with ctx's error.
func (r *Reader) Search(ctx context.Context, q *Query) ([]Hit, error) {
	if err := r.check(q); err != nil {
		return nil, err
	}
	if r.live == 0 {
		return nil, ctx.Err()
	}
	s := searches.Get().(*search)
	defer s.release()
	s.begin(r, q)
	if !(s.norm < math.Inf(1)) { // that of float32s is below
		return nil, fault.New(fault.InvalidArgument, "vector has a value that is not a finite number")
	}
	found, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	hits := make([]Hit, len(found))
	for i, f := range found {
		p := r.point(f.row)
		hits[i] = Hit{ID: p.id, Score: f.score, Meta: p.meta}
	}
	return hits, nil
}

// meta returns the meta data of a row.
func (r *Reader) meta(row uint32) string { return r.point(row).meta }

// check refuses a query that does not fit the collection.
func (r *Reader) check(q *Query) error {
	switch {
	case len(q.Vector) != r.dim:
		return fault.New(fault.DimMismatch, "vector has %d values, collection %s needs %d", len(q.Vector), r.name, r.dim)
	case q.K < 1:
		return fault.New(fault.InvalidArgument, "k is %d, it must be at least 1", q.K)
	case q.Ef < 0:
		return fault.New(fault.InvalidArgument, "ef is %d, it must not be negative", q.Ef)
	case q.GroupBy != "" && q.GroupLimit < 1:
		return fault.New(fault.InvalidArgument, "group_limit is %d, it must be at least 1", q.GroupLimit)
	}
	return nil
}

// batch is the most rows that are compared at once, between two looks at
// whether the caller still waits.
const batch = maxChunk

// searches holds the memory of searches that are over.
var searches = sync.Pool{New: func() any { return new(search) }}

// search is one query on its way, with its memory.
type search struct {
	reader  *Reader
	query   *Query
	matches filter.Bitmap // rows that match the filter; nil = every row
	count   int           // how many rows that is, dead ones included

	vector []float32 // the query, padded to the stride
	norm   float64   // its length
	unit   []float32 // the query at length 1, padded: whatever its length was, float32 holds the products with it
	factor float64   // what scores of unit are multiplied with to be those of vector

	quantizer *sq8.Quantizer // that codes is for
	codes     sq8.Query

	pool    pool
	ranking ranking
	walks   []hnsw.Search
	found   []hnsw.Candidate
	bitmap  filter.Bitmap
	nodes   []uint32

	// Of a batch.
	ids      []uint32
	places   [batch]uint32 // in a chunk
	outliers []uint32
	rows     [batch]*float32
	products [batch]int32
	scores   [batch]float32
	exact    [batch]float64
}

// maxKept bounds the items of a buffer that waits for the next search.
const maxKept = 1 << 16

func (s *search) release() {
	s.reader, s.query, s.matches, s.quantizer = nil, nil, nil, nil
	s.ranking.reader = nil
	clear(s.walks)
	s.pool.items, s.ranking.items = kept(s.pool.items), kept(s.ranking.items)
	s.found, s.ids, s.nodes, s.bitmap = kept(s.found), kept(s.ids), kept(s.nodes), kept(s.bitmap)
	clear(s.rows[:])
	searches.Put(s)
}

func kept[T any](buffer []T) []T {
	if cap(buffer) > maxKept {
		return nil
	}
	return buffer[:0]
}

// begin makes the query ready.
func (s *search) begin(r *Reader, q *Query) {
	s.reader, s.query, s.count = r, q, int(r.rows)
	s.vector = append(s.vector[:0], q.Vector...)
	for len(s.vector) < r.stride {
		s.vector = append(s.vector, 0)
	}
	s.norm = norm(s.vector)
	s.factor = 1
	if r.metric == record.Dot {
		s.factor = s.norm
	}
	inverse := 0.0
	if s.norm > 0 {
		inverse = 1 / s.norm // float64 holds it, however short the query is
	}
	s.unit = s.unit[:0]
	for _, x := range s.vector {
		s.unit = append(s.unit, float32(float64(x)*inverse))
	}
}

// run returns the rows of the hits, best first, good until the search is
// released.
func (s *search) run(ctx context.Context) ([]scored, error) {
	if s.query.Filter != nil {
		r := s.reader
		s.bitmap = r.filters.Rows(s.bitmap, s.query.Filter, r.rows, r.meta)
		s.matches, s.count = s.bitmap, s.bitmap.Count()
		if s.count == 0 {
			return nil, ctx.Err()
		}
	}
	k := int(min(uint64(s.query.K), uint64(s.count), s.reader.live))
	if s.query.GroupBy != "" {
		return s.grouped(ctx, k)
	}
	return s.nearest(ctx, k)
}

// nearest returns the best k rows, or all there are, best first, good until
// the next call. k is at most s.count.
func (s *search) nearest(ctx context.Context, k int) ([]scored, error) {
	s.ranking.reset(s.reader, k)
	var err error
	switch way := s.way(k); {
	case s.norm == 0:
		err = s.rankAlike(ctx)
	case way == inFloat64:
		err = s.rankAll(ctx)
	case way == inFloat32:
		err = s.scanExact(ctx, k)
	default:
		err = s.approximate(ctx, k)
	}
	if err != nil {
		return nil, err
	}
	return s.ranking.sorted(), nil
}
