package vector

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// fixture says what collection a test searches.
type fixture struct {
	metric record.Metric
	dim    int
	rows   int
	vector func(rng *rand.Rand, row int) []float32
	meta   func(rng *rand.Rand, row int) string // nil = metaOf
	dead   float64                              // share of dead rows
	graphs []int                                // rows of each graph
	codes  bool                                 // full chunks behind the graphs have codes
	effort int                                  // EfConstruction of the graphs; 0 = few
}

// readAt is the offset of a fixture's reader: rows die before and after it.
const readAt = 1000

// reader makes the collection, without a store.
func (f *fixture) reader(tb testing.TB, seed uint64) *Reader {
	tb.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	t := newTable(f.dim, f.metric)
	meta := f.meta
	if meta == nil {
		meta = metaOf
	}
	names := rng.Perm(f.rows)
	for i := range f.rows {
		id := fmt.Sprintf("%d-%d", names[i], i)
		t.add(newPoint([]byte(id), []byte(meta(rng, i))), record.AppendVector(nil, f.vector(rng, i)))
	}
	r := &Reader{table: t, name: "test", offset: readAt, filters: filter.NewIndex(), index: &index{}}
	for row := range r.rows {
		switch {
		case rng.Float64() < f.dead:
			t.kill(row, 1+uint64(rng.IntN(readAt)))
		case rng.Float64() < f.dead:
			t.kill(row, readAt+1+uint64(rng.IntN(readAt)))
		}
		if r.alive(row) {
			r.live++
		}
	}
	f.index(tb, r)
	return r
}

// rowOf returns the row of a fixture's point.
func rowOf(r *Reader, id string) (row uint32, ok bool) {
	_, number, _ := strings.Cut(id, "-")
	n, err := strconv.Atoi(number)
	return uint32(n), err == nil && n < int(r.rows) && r.point(uint32(n)).id == id
}

// metaOf gives rows values that 1 %, 10 %, 50 % and so on of them share, and
// the number of their cluster.
func metaOf(rng *rand.Rand, row int) string {
	if row%17 == 0 {
		return ""
	}
	return fmt.Sprintf(`{"n":%d,"p":%d,"g":{"a":%d},"c":%d}`, row, rng.IntN(1000), rng.IntN(5), row%centres)
}

// index builds the fixture's graphs and codes.
func (f *fixture) index(tb testing.TB, r *Reader) {
	tb.Helper()
	x := r.index
	for _, n := range f.graphs {
		var rows []uint32
		for row := x.covered; row < x.covered+uint32(n); row++ {
			if scale := r.Scale(row); scale == scale {
				rows = append(rows, row)
			}
		}
		p := hnsw.Params{Dim: r.dim, Clip: r.clips(), EfConstruction: cmp.Or(f.effort, 80)}
		g, err := hnsw.Build(context.Background(), p, nil, rows, r, hnsw.Workers{Count: 2})
		if err != nil {
			tb.Fatal(err)
		}
		x.graphs = append(x.graphs, g)
		x.covered += uint32(n)
		x.quantizer = g.Quantizer()
	}
	if !f.codes {
		return
	}
	if x.quantizer == nil {
		var rows []*float32
		var scale []float32
		for row := range r.rows {
			if s := r.Scale(row); s == s {
				rows, scale = append(rows, r.Row(row)), append(scale, s)
			}
		}
		x.quantizer = sq8.Train(r.dim, r.clips(), rows, scale)
	}
	for _, c := range r.chunks {
		if c.full(r.rows) && !c.full(x.covered) {
			c.encode(x.quantizer, r.stride)
		}
	}
}

// plainSearch answers a query as plainly as can be.
func plainSearch(r *Reader, q *Query) []Hit { return answer(plainOrder(r, q.Vector), q) }

// plainOrder compares every point that lives with a vector, and sorts them. Its
// sums have the order that kernel.DotExact promises.
func plainOrder(r *Reader, vector []float32) []Hit {
	var all []Hit
	for row := range r.rows {
		if died := r.diedAt(row); died == 0 || died > r.offset {
			p := r.point(row)
			all = append(all, Hit{ID: p.id, Score: plainScore(r.metric, vector, r.values(row)), Meta: p.meta})
		}
	}
	slices.SortFunc(all, func(a, b Hit) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// answer takes the hits of a query from all points in its order.
func answer(order []Hit, q *Query) []Hit {
	var hits []Hit
	sizes := map[string]int{}
	for _, h := range order {
		if len(hits) == q.K {
			break
		}
		if !q.Filter.MatchString(h.Meta) {
			continue
		}
		if q.GroupBy != "" {
			group, ok := filter.Lookup(h.Meta, q.GroupBy)
			if !ok {
				group = "null"
			}
			if sizes[group]++; sizes[group] > q.GroupLimit {
				continue
			}
		}
		hits = append(hits, h)
	}
	return hits
}

func plainScore(metric record.Metric, a, b []float32) float64 {
	score := plainDot(a, b)
	if metric == record.Cosine {
		lengths := math.Sqrt(plainDot(a, a)) * math.Sqrt(plainDot(b, b))
		if lengths == 0 {
			return 0
		}
		score = math.Max(-1, math.Min(1, score/lengths))
	}
	if score == 0 {
		return 0
	}
	fraction, exponent := math.Frexp(score)
	return math.Ldexp(math.RoundToEven(math.Ldexp(fraction, 24)), exponent-24)
}

func plainDot(a, b []float32) float64 {
	var s [8]float64
	for j := range a {
		s[j%8] += float64(a[j]) * float64(b[j])
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// The vectors of fixtures.

func gaussian(dim int) func(*rand.Rand, int) []float32 {
	return func(rng *rand.Rand, _ int) []float32 { return draw(rng, dim) }
}

func draw(rng *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	for j := range v {
		v[j] = float32(rng.NormFloat64())
	}
	return v
}

// grid gives small whole numbers: many scores are equal, and many rows zero.
func grid(dim int) func(*rand.Rand, int) []float32 {
	return func(rng *rand.Rand, _ int) []float32 {
		v := make([]float32, dim)
		for range 3 {
			v[rng.IntN(dim)] = float32(rng.IntN(3) - 1)
		}
		return v
	}
}

// nearTies gives rows that differ by less than float32 sums are exact.
func nearTies(dim int) func(*rand.Rand, int) []float32 {
	base := draw(rand.New(rand.NewPCG(7, 7)), dim)
	return func(rng *rand.Rand, _ int) []float32 {
		v := slices.Clone(base)
		for j := range v {
			v[j] += float32(rng.NormFloat64() * 1e-7)
		}
		return v
	}
}

// zero gives rows of no length.
func zero(dim int) func(*rand.Rand, int) []float32 {
	return func(*rand.Rand, int) []float32 { return make([]float32, dim) }
}

// wild gives rows of all magnitudes that a float32 has, some of them in one
// vector, and zeros.
func wild(dim int) func(*rand.Rand, int) []float32 {
	magnitudes := []float64{0, 1e-44, 1e-40, 1e-30, 1e-16, 1e-14, 1, 1e14, 1e16, 1e30, 3e38}
	return func(rng *rand.Rand, row int) []float32 {
		v := draw(rng, dim)
		magnitude := magnitudes[rng.IntN(len(magnitudes))]
		for j := range v {
			if row%5 == 0 {
				magnitude = magnitudes[rng.IntN(len(magnitudes))]
			}
			v[j] = float32(max(-1, min(1, float64(v[j]))) * magnitude)
		}
		return v
	}
}

// centres is how many clusters there are.
const centres = 50

// clustered gives rows around some centres. The cluster of a row is row %
// centres.
func clustered(dim int) func(*rand.Rand, int) []float32 {
	rng := rand.New(rand.NewPCG(3, 3))
	var around [centres][]float32
	for i := range around {
		around[i] = draw(rng, dim)
	}
	return func(rng *rand.Rand, row int) []float32 {
		v := draw(rng, dim)
		for j, x := range around[row%centres] {
			v[j] = v[j]*0.6 + x
		}
		return v
	}
}

// walked is a collection with a graph that is large enough to be walked over,
// also where half of it matches a filter.
var walked = fixture{metric: record.Cosine, dim: 64, rows: 12000, vector: clustered(64), graphs: []int{12000}, dead: 0.1, effort: 40}

var walkedReader struct {
	once sync.Once
	r    *Reader
}

// openWalked returns it, built once for all tests.
func openWalked(tb testing.TB) *Reader {
	tb.Helper()
	if testing.Short() {
		tb.Skip("building a large graph")
	}
	walkedReader.once.Do(func() { walkedReader.r = walked.reader(tb, 5) })
	return walkedReader.r
}

func parseFilter(tb testing.TB, text string) *filter.Filter {
	tb.Helper()
	if text == "" {
		return nil
	}
	f, err := filter.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}
