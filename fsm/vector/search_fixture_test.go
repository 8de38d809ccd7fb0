package vector

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
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
		id := fmt.Sprintf("p%d", names[i])
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

// metaOf gives rows values that 1 %, 10 %, 50 % and so on of them share.
func metaOf(rng *rand.Rand, row int) string {
	if row%17 == 0 {
		return ""
	}
	return fmt.Sprintf(`{"n":%d,"p":%d,"g":{"a":%d}}`, row, rng.IntN(1000), rng.IntN(5))
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

// plainSearch answers a query as plainly as can be: every row is compared, and all
// are sorted. Its sums have the order that kernel.DotExact promises.
func plainSearch(r *Reader, q *Query) []Hit {
	var all []Hit
	for row := range r.rows {
		p := r.point(row)
		if died := r.diedAt(row); died != 0 && died <= r.offset || !q.Filter.MatchString(p.meta) {
			continue
		}
		all = append(all, Hit{ID: p.id, Score: plainScore(r.metric, q.Vector, r.values(row)), Meta: p.meta})
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
	if q.GroupBy != "" {
		sizes := map[string]int{}
		all = slices.DeleteFunc(all, func(h Hit) bool {
			group, ok := filter.Lookup(h.Meta, q.GroupBy)
			if !ok {
				group = "null"
			}
			sizes[group]++
			return sizes[group] > q.GroupLimit
		})
	}
	return all[:min(len(all), q.K)]
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

// clustered gives rows around a number of centres of unequal size. The
// cluster of a row is row % of, of fifty.
func clustered(dim, of int) func(*rand.Rand, int) []float32 {
	rng := rand.New(rand.NewPCG(3, 3))
	centres := make([][]float32, of)
	for i := range centres {
		centres[i] = draw(rng, dim)
	}
	return func(rng *rand.Rand, row int) []float32 {
		v := draw(rng, dim)
		for j, x := range centres[row%of] {
			v[j] = v[j]*0.6 + x
		}
		return v
	}
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
