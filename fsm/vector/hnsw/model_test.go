package hnsw

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// world is a table of points in clusters, and queries of the same kind.
type world struct {
	base, queries *table
	cluster       []int // of each row
	unit          bool  // products are of unit length rows: scales make them so
}

const clusters = 20

// cosineWorld has rows of many lengths, whose scales give them length one.
func cosineWorld(seed uint64, count, dim int) *world {
	w := newWorld(seed, count, dim)
	w.unit = true
	w.base.scales = make([]float32, count)
	for row := range count {
		w.base.scales[row] = 1 / length(w.base.at(row))
	}
	return w
}

// dotWorld has rows of many lengths, up to about ten times as long as others.
func dotWorld(seed uint64, count, dim int) *world { return newWorld(seed, count, dim) }

func newWorld(seed uint64, count, dim int) *world {
	const queries = 60
	random := rand.New(rand.NewPCG(seed, 1))
	centers := newTable(clusters, dim)
	for i := range clusters {
		gaussian(random, centers.at(i)[:dim], 1)
	}
	w := &world{base: newTable(count, dim), queries: newTable(queries, dim), cluster: make([]int, count)}
	for row := range count {
		w.cluster[row] = random.IntN(clusters)
		point(random, w.base.at(row)[:dim], centers.at(w.cluster[row]))
		factor := float32(math.Exp(random.NormFloat64() / 3))
		for j := range dim {
			w.base.at(row)[j] *= factor
		}
	}
	for i := range queries {
		query := w.queries.at(i)
		point(random, query[:dim], centers.at(random.IntN(clusters)))
		scale := 1 / length(query)
		for j := range query {
			query[j] *= scale
		}
	}
	return w
}

// gaussian adds noise to every value.
func gaussian(random *rand.Rand, vector []float32, deviation float64) {
	for j := range vector {
		vector[j] += float32(random.NormFloat64() * deviation)
	}
}

func point(random *rand.Rand, vector, center []float32) {
	copy(vector, center)
	gaussian(random, vector, 0.6)
}

func length(vector []float32) float32 {
	sum := 0.0
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	return float32(math.Sqrt(sum))
}

func (w *world) params() Params {
	return Params{Dim: w.base.dim, Clip: w.unit, EfConstruction: 100, Seed: 7}
}

// build makes a graph over all rows.
func (w *world) build(t testing.TB) *Graph {
	return mustBuild(t, w.params(), nil, rowNumbers(0, w.base.Len()), w.base, Workers{Count: 2})
}

func mustBuild(t testing.TB, p Params, prev *Graph, rows []uint32, v Vectors, workers Workers) *Graph {
	t.Helper()
	g, err := Build(context.Background(), p, prev, rows, v, workers)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// product is the exact one of a query with a row as graphs see it.
func (t *table) product(query []float32, row uint32) float64 {
	sum := 0.0
	for j, x := range t.at(int(row))[:t.dim] {
		sum += float64(x) * float64(query[j])
	}
	return sum * float64(t.Scale(row))
}

// nearest compares a query with all rows that admit admits, nil = all, and
// returns the best k products: the twin of a search.
func (t *table) nearest(query []float32, admit func(uint32) bool, k int) []float64 {
	var products []float64
	for row := range uint32(t.Len()) {
		if admit == nil || admit(row) {
			products = append(products, t.product(query, row))
		}
	}
	slices.SortFunc(products, func(x, y float64) int { return cmp.Compare(y, x) })
	return products[:min(k, len(products))]
}

// hits counts how many of the k nearest are among the found rows and the
// graph's outliers, which its user compares too. A row as near as the last of
// the nearest is as good as it.
func (t *table) hits(g *Graph, query []float32, admit func(uint32) bool, k int, found []Candidate) (hits, of int) {
	truth := t.nearest(query, admit, k)
	near := func(row uint32) bool {
		return len(truth) > 0 && t.product(query, row) >= truth[len(truth)-1]
	}
	for _, c := range found {
		if near(c.Row) {
			hits++
		}
	}
	for _, row := range g.Outliers() {
		if near(row) && (admit == nil || admit(row)) {
			hits++
		}
	}
	return min(hits, len(truth)), len(truth)
}

// recall returns which part of the k nearest rows of all queries a graph finds.
func (w *world) recall(g *Graph, ef, k int) float64 {
	hits, of := 0, 0
	for i := range w.queries.Len() {
		query := w.queries.at(i)
		found, _ := g.Search(&Search{Vector: query, Ef: ef}, nil)
		h, n := w.base.hits(g, query, nil, k, found)
		hits, of = hits+h, of+n
	}
	return float64(hits) / float64(of)
}

// checkFound checks what holds for whatever a graph answers: at most limit rows,
// best first, each admitted and there once.
func checkFound(t *testing.T, found []Candidate, limit int, admit func(uint32) bool) {
	t.Helper()
	if len(found) > limit {
		t.Errorf("%d candidates where %d are the most", len(found), limit)
	}
	seen := make(map[uint32]bool)
	for i, c := range found {
		if c.Row == None || seen[c.Row] || admit != nil && !admit(c.Row) {
			t.Errorf("row %d is not admitted, or twice", c.Row)
		}
		if i > 0 && c.Score > found[i-1].Score || c.Score-c.Score != 0 {
			t.Errorf("score %g at %d, behind %g", c.Score, i, found[max(0, i-1)].Score)
		}
		seen[c.Row] = true
	}
}

// checkRows checks that a graph holds each of rows once, in a node or as an
// outlier, and nothing else.
func checkRows(t *testing.T, g *Graph, rows []uint32) {
	t.Helper()
	var held []uint32
	for node := range uint32(g.Len()) {
		row := g.Row(node)
		if row == None {
			continue
		}
		held = append(held, row)
		if at, ok := g.Node(row); !ok || at != node {
			t.Errorf("row %d of node %d is said to be in node %d, %t", row, node, at, ok)
		}
	}
	for _, row := range g.Outliers() {
		if _, ok := g.Node(row); ok {
			t.Errorf("outlier %d has a node", row)
		}
		held = append(held, row)
	}
	slices.Sort(held)
	want := slices.Sorted(slices.Values(rows))
	if !slices.Equal(held, want) {
		t.Errorf("%d rows held, %d expected, or others", len(held), len(want))
	}
	for _, row := range []uint32{None, None - 1} {
		if _, ok := g.Node(row); ok {
			t.Errorf("row %d has a node", row)
		}
	}
}

func encoded(t testing.TB, g *Graph) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := g.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// size returns full, or a small part of it if tests are to be short.
func size(full int) int {
	if testing.Short() {
		return full / 8
	}
	return full
}
