package vector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

var metrics = []record.Metric{record.Cosine, record.Dot}

var filters = []string{
	"",
	`{"p":{"$lt":1}}`,
	`{"p":{"$lt":10}}`,
	`{"p":{"$lt":100}}`,
	`{"p":{"$lt":500}}`,
	`{"p":{"$gte":100}}`,
	`{"p":{"$exists":false}}`,
	`{"p":-1}`,
}

func nearest(tb testing.TB, r *Reader, q *Query) []Hit {
	tb.Helper()
	hits, err := r.Search(context.Background(), q)
	if err != nil {
		tb.Fatal(err)
	}
	return hits
}

// queries returns vectors to search for: like the rows, a row itself, and of
// extreme lengths.
func queries(r *Reader, vector func(*rand.Rand, int) []float32) [][]float32 {
	rng := rand.New(rand.NewPCG(99, uint64(r.dim)))
	all := [][]float32{vector(rng, 1), vector(rng, 5), draw(rng, r.dim), r.values(r.rows / 2), make([]float32, r.dim)}
	for _, scale := range []float64{1e30, 1e-30, 1e-43} {
		v := draw(rng, r.dim)
		for j := range v {
			v[j] = float32(float64(v[j]) * scale)
		}
		all = append(all, v)
	}
	return all
}

func TestExactEqualsPlain(t *testing.T) {
	shapes := []struct {
		dim, rows int
	}{{1, 300}, {2, 700}, {3, 65}, {7, 1500}, {8, 1700}, {100, 900}, {384, 500}, {4096, 80}}
	kinds := map[string]func(dim int) func(*rand.Rand, int) []float32{
		"gaussian": gaussian, "grid": grid, "near ties": nearTies, "wild": wild, "zero": zero,
	}
	for name, kind := range kinds {
		for _, shape := range shapes {
			for _, metric := range metrics {
				t.Run(fmt.Sprintf("%s/%d/%s", name, shape.dim, metric), func(t *testing.T) {
					t.Parallel()
					f := fixture{metric: metric, dim: shape.dim, rows: shape.rows, vector: kind(shape.dim), dead: 0.15}
					testExact(t, f.reader(t, uint64(shape.dim)), f.vector)
				})
			}
		}
	}
}

func testExact(t *testing.T, r *Reader, vector func(*rand.Rand, int) []float32) {
	ks := []int{1, 10, 100, int(r.rows) + 7}
	for i, v := range queries(r, vector) {
		order := plainOrder(r, v)
		for j, text := range filters {
			for _, group := range []string{"", "g.a", "p"} {
				if testing.Short() && (i+j+len(group))%7 != 0 {
					continue
				}
				q := &Query{Vector: v, K: ks[(i+j)%len(ks)], Filter: parseFilter(t, text), Exact: true, GroupBy: group, GroupLimit: 1 + j%3}
				if got, want := nearest(t, r, q), answer(order, q); !slices.Equal(got, want) {
					t.Fatalf("query %d, k %d, filter %s, group %q:\n got %v\nwant %v", i, q.K, text, group, head(got), head(want))
				}
			}
		}
	}
}

func head(hits []Hit) []Hit { return hits[:min(len(hits), 12)] }

// TestApproximate looks at what is always true of an approximate answer, and
// at its recall.
func TestApproximate(t *testing.T) {
	t.Run("walks", func(t *testing.T) {
		checkRecall(t, testApproximate(t, openWalked(t), walked.vector), 0.97)
	})
	cases := []struct {
		name   string
		f      fixture
		recall float64
	}{
		{"two graphs and a tail", fixture{dim: 24, rows: 4500, vector: clustered(24), graphs: []int{1500, 1000}, dead: 0.1, codes: true}, 0.97},
		{"tail of codes", fixture{dim: 40, rows: 4500, vector: clustered(40), codes: true, dead: 0.1}, 0.97},
		{"tail without codes", fixture{dim: 20, rows: 3500, vector: clustered(20), graphs: []int{1500}}, 0.97},
		{"wild", fixture{dim: 16, rows: 4000, vector: wild(16), graphs: []int{1500}, codes: true, dead: 0.1}, 0.9},
		{"equal scores", fixture{dim: 16, rows: 4000, vector: grid(16), graphs: []int{1500}, codes: true, dead: 0.1}, 0},
		{"zero", fixture{dim: 16, rows: 2500, vector: zero(16), graphs: []int{1000}, codes: true}, 0},
		{"few rows", fixture{dim: 16, rows: 150, vector: gaussian(16), dead: 0.1}, 1},
		{"few dimensions", fixture{dim: 3, rows: 3000, vector: gaussian(3), graphs: []int{1500}, codes: true}, 1},
	}
	for _, c := range cases {
		for _, metric := range metrics {
			t.Run(c.name+"/"+metric.String(), func(t *testing.T) {
				t.Parallel()
				f := c.f
				f.metric = metric
				checkRecall(t, testApproximate(t, f.reader(t, 5), f.vector), c.recall)
			})
		}
	}
}

func checkRecall(t *testing.T, recall map[string]float64, floor float64) {
	t.Helper()
	for text, recall := range recall {
		if recall < floor {
			t.Errorf("filter %s: recall %.3f, want %.3f", text, recall, floor)
		}
	}
}

// testApproximate checks the answers under each filter and returns their
// recall.
func testApproximate(t *testing.T, r *Reader, vector func(*rand.Rand, int) []float32) map[string]float64 {
	t.Helper()
	all := queries(r, vector)
	rng := rand.New(rand.NewPCG(17, 4))
	for range 10 {
		all = append(all, vector(rng, rng.IntN(50)))
	}
	found, wanted := map[string]int{}, map[string]int{}
	for i, v := range all {
		if testing.Short() && i%3 != 0 {
			continue
		}
		order := plainOrder(r, v)
		for j, text := range filters {
			for _, k := range []int{1, 10, 100, int(r.rows) + 7} {
				if k > 10 && (i+j)%8 != 0 {
					continue
				}
				q := &Query{Vector: v, K: k, Filter: parseFilter(t, text)}
				got, want := nearest(t, r, q), answer(order, q)
				checkHits(t, r, q, got)
				if len(got) != len(want) {
					t.Fatalf("query %d, k %d, filter %s: %d hits, want %d", i, k, text, len(got), len(want))
				}
				found[text] += common(got, want)
				wanted[text] += len(want)
			}
		}
	}
	recall := map[string]float64{}
	for text, n := range wanted {
		if n > 0 {
			recall[text] = float64(found[text]) / float64(n)
		}
	}
	return recall
}

// common counts the hits that are in both.
func common(got, want []Hit) (n int) {
	in := map[string]bool{}
	for _, h := range want {
		in[h.ID] = true
	}
	for _, h := range got {
		if in[h.ID] {
			n++
		}
	}
	return n
}

// checkHits checks what is true of every answer: hits that live, match and
// differ, with their final scores, in order.
func checkHits(t *testing.T, r *Reader, q *Query, hits []Hit) {
	t.Helper()
	seen := map[string]bool{}
	for i, h := range hits {
		row, ok := rowOf(r, h.ID)
		if !ok || !r.alive(row) || seen[h.ID] {
			t.Fatalf("hit %d, %s, is dead or there twice", i, h.ID)
		}
		seen[h.ID] = true
		if want := plainScore(r.metric, q.Vector, r.values(row)); h.Score != want {
			t.Fatalf("%s has score %v, want %v", h.ID, h.Score, want)
		}
		if h.Meta != r.point(row).meta || !q.Filter.MatchString(h.Meta) {
			t.Fatalf("%s has meta %s", h.ID, h.Meta)
		}
		if i > 0 && (hits[i-1].Score < h.Score || hits[i-1].Score == h.Score && hits[i-1].ID >= h.ID) {
			t.Fatalf("hits %d and %d are not in order", i-1, i)
		}
	}
}

// TestApproximateAway has filters that leave out all that is near the query,
// and such that all near it matches.
func TestApproximateAway(t *testing.T) {
	r := openWalked(t)
	rng := rand.New(rand.NewPCG(8, 8))
	for _, text := range []string{`{"c":{"$lt":1}}`, `{"c":{"$lt":10}}`, `{"c":{"$lt":30}}`, `{"c":{"$gte":1}}`, `{"c":{"$gte":20}}`} {
		found, wanted := 0, 0
		for i := range centres {
			q := &Query{Vector: walked.vector(rng, i), K: 10, Filter: parseFilter(t, text), Ef: 32}
			got, want := nearest(t, r, q), plainSearch(r, q)
			checkHits(t, r, q, got)
			found += common(got, want)
			wanted += len(want)
		}
		if recall := float64(found) / float64(wanted); recall < 0.97 {
			t.Errorf("filter %s: recall %.3f", text, recall)
		}
	}
}

func TestGroups(t *testing.T) {
	f := fixture{metric: record.Cosine, dim: 16, rows: 3500, vector: clustered(16), graphs: []int{1500}, dead: 0.1, codes: true}
	r := f.reader(t, 2)
	rng := rand.New(rand.NewPCG(8, 9))
	for i := range 20 {
		for _, path := range []string{"g.a", "p", "n", "nothing"} {
			q := &Query{Vector: f.vector(rng, i), K: 1 + rng.IntN(20), GroupBy: path, GroupLimit: 1 + rng.IntN(3)}
			got, want := nearest(t, r, q), plainSearch(r, q)
			checkHits(t, r, q, got)
			if len(got) != len(want) {
				t.Fatalf("%s: %d hits, want %d", path, len(got), len(want))
			}
			if got[0] != want[0] {
				t.Errorf("%s: best is %v, want %v", path, got[0], want[0])
			}
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	f := fixture{metric: record.Dot, dim: 3, rows: 10, vector: gaussian(3)}
	r := f.reader(t, 1)
	cases := []struct {
		q    Query
		code fault.Code
	}{
		{Query{Vector: make([]float32, 4), K: 1}, fault.DimMismatch},
		{Query{K: 1}, fault.DimMismatch},
		{Query{Vector: make([]float32, 3)}, fault.InvalidArgument},
		{Query{Vector: make([]float32, 3), K: -1}, fault.InvalidArgument},
		{Query{Vector: make([]float32, 3), K: 1, Ef: -1}, fault.InvalidArgument},
		{Query{Vector: make([]float32, 3), K: 1, GroupBy: "a"}, fault.InvalidArgument},
		{Query{Vector: []float32{0, float32(math.NaN()), 0}, K: 1}, fault.InvalidArgument},
		{Query{Vector: []float32{0, float32(math.Inf(-1)), 0}, K: 1}, fault.InvalidArgument},
	}
	for _, c := range cases {
		var f *fault.Error
		if _, err := r.Search(context.Background(), &c.q); !errors.As(err, &f) || f.Code != c.code {
			t.Errorf("%+v: %v, want %v", c.q, err, c.code)
		}
	}
}

func TestSearchNothing(t *testing.T) {
	f := fixture{metric: record.Cosine, dim: 3, vector: gaussian(3)}
	r := f.reader(t, 1)
	if hits := nearest(t, r, &Query{Vector: draw(rand.New(rand.NewPCG(1, 1)), 3), K: 3}); len(hits) != 0 {
		t.Errorf("an empty collection has %v", hits)
	}
}

func TestSearchStops(t *testing.T) {
	f := fixture{metric: record.Cosine, dim: 8, rows: 4000, vector: gaussian(8), graphs: []int{1000}, codes: true}
	r := f.reader(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, exact := range []bool{true, false} {
		for _, text := range filters {
			for _, v := range [][]float32{make([]float32, 8), r.values(1)} {
				q := &Query{Vector: v, K: 10, Exact: exact, Filter: parseFilter(t, text)}
				if _, err := r.Search(ctx, q); !errors.Is(err, context.Canceled) {
					t.Errorf("exact %v, filter %s: %v", exact, text, err)
				}
			}
		}
	}
}

// TestSearchBeside searches while rows die: readers do not see it.
func TestSearchBeside(t *testing.T) {
	f := fixture{metric: record.Cosine, dim: 8, rows: 3500, vector: gaussian(8), graphs: []int{1000}, codes: true, dead: 0.1}
	r := f.reader(t, 1)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for j := range 30 {
				q := &Query{Vector: draw(rng, 8), K: 5, Exact: j%2 == 0}
				if j%3 == 0 {
					q.Filter = parseFilter(t, filters[4])
				}
				got, want := nearest(t, r, q), plainSearch(r, q)
				if q.Exact && !slices.Equal(got, want) || len(got) != len(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	for row := range r.rows {
		if r.diedAt(row) == 0 {
			r.kill(row, readAt+5)
		}
	}
	wg.Wait()
}

func TestSearchAllocates(t *testing.T) {
	r := openWalked(t)
	for _, exact := range []bool{true, false} {
		for _, text := range filters[:5] {
			q := &Query{Vector: r.values(3), K: 10, Exact: exact, Filter: parseFilter(t, text)}
			if n := testing.AllocsPerRun(20, func() { nearest(t, r, q) }); n > 10 {
				t.Errorf("exact %v, filter %s: %v allocations", exact, text, n)
			}
		}
	}
}
