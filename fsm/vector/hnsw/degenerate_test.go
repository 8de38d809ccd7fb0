package hnsw

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// flat is a table of count rows that fill makes.
func flat(count, dim int, fill func(row int, vector []float32)) *world {
	w := &world{base: newTable(count, dim), queries: newTable(3, dim)}
	for row := range count {
		fill(row, w.base.at(row)[:dim])
	}
	random := rand.New(rand.NewPCG(2, 2))
	for i := range w.queries.Len() {
		gaussian(random, w.queries.at(i)[:dim], 1)
	}
	return w
}

func sortedByCluster(count int) *world {
	sorted := cosineWorld(12, count, 16)
	order := rowNumbers(0, count)
	slices.SortFunc(order, func(x, y uint32) int { return cmp.Compare(sorted.cluster[x], sorted.cluster[y]) })
	w := flat(count, 16, func(row int, vector []float32) {
		scale := sorted.base.Scale(order[row])
		for j := range vector {
			vector[j] = sorted.base.at(int(order[row]))[j] * scale
		}
	})
	w.queries = sorted.queries
	return w
}

// TestDegenerate builds graphs over rows that are hard for one: every row is
// held once, is found by a scan, and, but where it says so, by a search.
func TestDegenerate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for name, w := range map[string]*world{
		"identical": flat(size(4000), 8, func(_ int, v []float32) { fillFloats(v, .3) }),
		"zero":      flat(size(4000), 8, func(int, []float32) {}),
		"half zero": flat(size(2000), 8, func(row int, v []float32) {
			if row%2 == 1 {
				gaussian(random, v, 1)
			}
		}),
		"few of each": flat(size(2000), 8, func(row int, v []float32) { v[row%7], v[row%3] = 1, -1 }),
		"sorted":      sortedByCluster(size(4000)),
		"dim 1":       flat(size(500), 1, func(row int, v []float32) { v[0] = float32(row) }),
		"dim 1 signs": flat(size(500), 1, func(row int, v []float32) { v[0] = float32(row%2*2 - 1) }),
		"dim 3":       flat(size(1000), 3, func(_ int, v []float32) { gaussian(random, v, 1) }),
		"line":        flat(size(1000), 5, func(row int, v []float32) { fillFloats(v, float32(row)/100) }),
		"one row":     flat(1, 5, func(_ int, v []float32) { v[2] = 2 }),
		"two rows":    flat(2, 5, func(row int, v []float32) { v[row] = 2 }),
		"no rows":     flat(0, 5, nil),
		"tiny":        flat(size(300), 5, func(_ int, v []float32) { gaussian(random, v, 1e-20) }),
		"huge":        flat(size(300), 5, func(_ int, v []float32) { gaussian(random, v, 1e15) }),
		"subnormal":   flat(size(300), 5, func(row int, v []float32) { v[0] = math.SmallestNonzeroFloat32 * float32(row) }),
	} {
		for _, clip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s clip=%t", name, clip), func(t *testing.T) { testDegenerate(t, w, clip) })
		}
	}
}

func fillFloats(v []float32, x float32) {
	for j := range v {
		v[j] = x
	}
}

func testDegenerate(t *testing.T, w *world, clip bool) {
	p := Params{Dim: w.base.dim, Clip: clip, M: 8, EfConstruction: 60, Seed: 3}
	all := rowNumbers(0, w.base.Len())
	once := mustBuild(t, p, nil, all, w.base, Workers{Count: 2})
	part := mustBuild(t, p, nil, all[:len(all)/3], w.base, Workers{Count: 2})
	for _, g := range []*Graph{once, mustBuild(t, p, part, all[len(all)/3:], w.base, Workers{Count: 2})} {
		checkRows(t, g, all)
		for i := range w.queries.Len() {
			query := w.queries.at(i)
			if found := g.ScanAll(query, nil, len(all), nil); len(found) != g.Len() {
				t.Errorf("%d of %d rows found by a scan", len(found), g.Len())
			}
			for _, admit := range []func(uint32) bool{nil, func(row uint32) bool { return row%4 == 1 }} {
				found, done := g.Search(&Search{Vector: query, Ef: 50, Admit: admit}, nil)
				checkFound(t, found, 50, admit)
				if !done || len(found) < min(4, g.Len()/8) {
					t.Errorf("%d found, done %t, filter %t", len(found), done, admit != nil)
				}
			}
		}
	}
}

// TestSortedRows checks that a graph over rows that come cluster by cluster is
// as good as others.
func TestSortedRows(t *testing.T) {
	w := sortedByCluster(size(4000))
	w.unit = true
	if recall := w.recall(w.build(t), 64, topK); recall < .95 {
		t.Errorf("recall %.4f", recall)
	}
}

// TestTwins checks that rows with the same vector are found together, and that
// what is beyond the limit, and not admitted, is not.
func TestTwins(t *testing.T) {
	w := flat(3000, 8, func(row int, v []float32) { v[row%3] = 1 })
	p := Params{Dim: 8, Clip: true, Seed: 3}
	g := mustBuild(t, p, nil, rowNumbers(0, 1500), w.base, Workers{})
	g = mustBuild(t, p, g, rowNumbers(1500, 1500), w.base, Workers{Count: 2})
	query := w.base.at(1)
	for _, ef := range []int{10, 1000, 1500} {
		found, done := g.Search(&Search{Vector: query, Ef: ef}, nil)
		checkFound(t, found, ef, nil)
		same := 0
		for _, c := range found {
			if c.Row%3 == 1 {
				same++
			}
		}
		if !done || len(found) != ef || same != min(ef, 1000) {
			t.Errorf("%d found, %d of them the same as the query", len(found), same)
		}
	}
	admit := func(row uint32) bool { return row%100 == 1 }
	found, _ := g.Search(&Search{Vector: query, Ef: 40, Admit: admit}, nil)
	checkFound(t, found, 40, admit)
	if len(found) != 30 {
		t.Errorf("%d of 30 found", len(found))
	}
}

// TestOutliers puts a few rows of enormous length among rows of length one.
func TestOutliers(t *testing.T) {
	count, far := 4100, []uint32{17, 500, 3001} // one in a thousand may be an outlier
	if testing.Short() {
		count, far = 1100, far[:1]
	}
	w := cosineWorld(13, count, 8)
	w.unit = false
	for row := range count {
		for j := range w.base.dim {
			w.base.at(row)[j] *= w.base.Scale(uint32(row))
		}
	}
	w.base.scales = nil
	for i, row := range far {
		fillFloats(w.base.at(int(row))[:8], float32(1-2*(i%2))*1e12)
	}
	isFar := func(row uint32) bool { return slices.Contains(far, row) }
	all := rowNumbers(0, count)
	first := max(count/2, 1050)
	half := mustBuild(t, w.params(), nil, all[:first], w.base, Workers{Count: 2})
	for name, g := range map[string]*Graph{
		"at once":  w.build(t),
		"in steps": mustBuild(t, w.params(), half, all[first:], w.base, Workers{Count: 2}),
	} {
		checkRows(t, g, all)
		for _, row := range far {
			if !slices.Contains(g.Outliers(), row) {
				t.Errorf("%s: row %d is not an outlier", name, row)
			}
		}
		if !slices.IsSorted(g.Outliers()) || len(g.Outliers()) > 20 {
			t.Errorf("%s: outliers %v", name, g.Outliers())
		}
		hits, of := 0, 0
		for i := range w.queries.Len() {
			found, _ := g.Search(&Search{Vector: w.queries.at(i), Ef: 64}, nil)
			h, n := w.base.hits(g, w.queries.at(i), func(row uint32) bool { return !isFar(row) }, topK, found)
			hits, of = hits+h, of+n
		}
		if float64(hits) < .95*float64(of) {
			t.Errorf("%s: %d of %d found", name, hits, of)
		}
	}
}
