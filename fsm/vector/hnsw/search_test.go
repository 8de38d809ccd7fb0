package hnsw

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// eachWorld runs a test over rows of one length and rows of many.
func eachWorld(t *testing.T, test func(t *testing.T, w *world, g *Graph)) {
	for name, w := range map[string]*world{
		"cosine": cosineWorld(1, size(5000), 24),
		"dot":    dotWorld(2, size(5000), 24),
	} {
		t.Run(name, func(t *testing.T) { test(t, w, w.build(t)) })
	}
}

func TestSearch(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world, g *Graph) {
		t.Run("recall", func(t *testing.T) { testRecall(t, w, g) })
		t.Run("filter", func(t *testing.T) { testFilters(t, w, g) })
		t.Run("away", func(t *testing.T) { testAway(t, w, g) })
		t.Run("budget", func(t *testing.T) { testBudget(t, w, g) })
		t.Run("concurrent", func(t *testing.T) { testConcurrent(t, w, g) })
		t.Run("scores", func(t *testing.T) { testScores(t, w, g) })
		t.Run("scan", func(t *testing.T) { testScan(t, w, g) })
		t.Run("scan all", func(t *testing.T) { testScanAll(t, w, g) })
	})
}

func testRecall(t *testing.T, w *world, g *Graph) {
	for _, c := range []struct {
		ef    int
		floor float64
	}{{64, .95}, {128, .98}} {
		recall := w.recall(g, c.ef, topK)
		t.Logf("ef %d: recall@%d %.4f", c.ef, topK, recall)
		if recall < c.floor {
			t.Errorf("ef %d: recall %.4f is below %.2f", c.ef, recall, c.floor)
		}
	}
	for i := range w.queries.Len() {
		for _, ef := range []int{0, 1, 10, 2 * g.Len()} {
			found, done := g.Search(&Search{Vector: w.queries.at(i), Ef: ef}, nil)
			checkFound(t, found, ef, nil)
			if !done || len(found) < min(ef, 10) {
				t.Errorf("ef %d: %d found, done %t", ef, len(found), done)
			}
		}
	}
}

// testFilters searches under filters that have nothing to do with where rows
// lie, with their share known and not.
func testFilters(t *testing.T, w *world, g *Graph) {
	for _, share := range []float64{.001, .01, .1, .5} {
		random := rand.New(rand.NewPCG(3, 3))
		admitted := make([]bool, w.base.Len())
		for row := range admitted {
			admitted[row] = random.Float64() < share
		}
		admit := func(row uint32) bool { return admitted[row] }
		for _, known := range []float64{0, share} {
			t.Run(fmt.Sprintf("%g known %g", share, known), func(t *testing.T) {
				hits, of, through := 0, 0, 0
				for i := range w.queries.Len() {
					query := w.queries.at(i)
					found, done := g.Search(&Search{Vector: query, Ef: 64, Admit: admit, Share: known}, nil)
					checkFound(t, found, 64, admit)
					if done {
						h, n := w.base.hits(g, query, admit, topK, found)
						hits, of, through = hits+h, of+n, through+1
					}
				}
				t.Logf("%d of %d done, %d of %d found", through, w.queries.Len(), hits, of)
				if floor := w.filterFloor(share); float64(hits) < floor*float64(of) {
					t.Errorf("%d of %d found, %.2f are due", hits, of, floor)
				}
				if share >= .1 && through < w.queries.Len()*4/5 {
					t.Errorf("%d of %d were given up", w.queries.Len()-through, w.queries.Len())
				}
			})
		}
	}
}

// filterFloor returns the least recall under a filter that admits a share of the
// rows. In a graph of rows of many lengths hardly a link leads to short ones,
// which are the nearest only if a filter leaves few others.
func (w *world) filterFloor(share float64) float64 {
	switch {
	case share < .1:
		return 0
	case share < .5 && !w.unit:
		return .8
	}
	return .95
}

// testAway admits only the rows of the cluster that is the farthest from each
// query: a walk gives up, or finds them.
func testAway(t *testing.T, w *world, g *Graph) {
	through, bad := 0, 0
	for i := range w.queries.Len() {
		query := w.queries.at(i)
		far, count := w.farthest(query)
		admit := func(row uint32) bool { return w.cluster[row] == far }
		share := float64(count) / float64(w.base.Len())
		found, done := g.Search(&Search{Vector: query, Ef: 64, Admit: admit, Share: share}, nil)
		checkFound(t, found, 64, admit)
		if !done {
			continue
		}
		through++
		if hits, of := w.base.hits(g, query, admit, topK, found); 2*hits < of {
			bad++
		}
	}
	t.Logf("%d of %d done, %d without half of what is near", through, w.queries.Len(), bad)
	if bad > w.queries.Len()/10 {
		t.Errorf("%d walks ended without half of what is near and did not give up", bad)
	}
}

// farthest returns the cluster with the least mean product, and how many rows
// it has.
func (w *world) farthest(query []float32) (far, count int) {
	sums, counts := make([]float64, clusters), make([]int, clusters)
	for row, cluster := range w.cluster {
		sums[cluster] += w.base.product(query, uint32(row))
		counts[cluster]++
	}
	for cluster := range sums {
		sums[cluster] /= float64(max(1, counts[cluster]))
		if sums[cluster] < sums[far] {
			far = cluster
		}
	}
	return far, counts[far]
}

// testBudget counts by a filter that admits nothing: a walk asks it for every
// node that it has scored.
func testBudget(t *testing.T, w *world, g *Graph) {
	for _, budget := range []int{1, 50, 500} {
		for i := range w.queries.Len() {
			scored := 0
			none := func(uint32) bool { scored++; return false }
			found, done := g.Search(&Search{Vector: w.queries.at(i), Ef: 64, Admit: none, Budget: budget}, nil)
			if done || len(found) > 0 || scored > budget {
				t.Fatalf("budget %d: %d scored, %d found, done %t", budget, scored, len(found), done)
			}
			found, done = g.Search(&Search{Vector: w.queries.at(i), Ef: 64, Budget: budget}, nil)
			checkFound(t, found, min(64, budget), nil)
			if len(found) == 0 || done && budget < 64 {
				t.Errorf("budget %d: %d found, done %t", budget, len(found), done)
			}
		}
	}
	for i := range w.queries.Len() { // a budget that is enough changes nothing
		s := Search{Vector: w.queries.at(i), Ef: 20, Admit: func(row uint32) bool { return row%2 == 0 }}
		want, _ := g.Search(&s, nil)
		s.Budget = g.Len() + maxWidth
		if found, done := g.Search(&s, nil); !done || !slices.Equal(found, want) {
			t.Error("a budget that is enough changes what is found")
		}
	}
}

// TestSearchAllocates checks that searches leave nothing to the garbage
// collector.
func TestSearchAllocates(t *testing.T) {
	w := cosineWorld(11, 1000, 24)
	g := w.build(t)
	nodes := rowNumbers(0, g.Len())
	admit := func(row uint32) bool { return row%2 == 0 }
	found := make([]Candidate, 0, 100)
	for name, search := range map[string]func(){
		"plain":    func() { g.Search(&Search{Vector: w.queries.at(0), Ef: 20}, found) },
		"filtered": func() { g.Search(&Search{Vector: w.queries.at(0), Ef: 20, Admit: admit, Share: .5}, found) },
		"scan":     func() { g.Scan(w.queries.at(0), nodes, 20, found) },
		"scan all": func() { g.ScanAll(w.queries.at(0), admit, 20, found) },
	} {
		least := math.Inf(1) // a pool forgets now and then, on purpose under the race detector
		for range 50 {
			least = min(least, testing.AllocsPerRun(1, search))
		}
		if least > 0 {
			t.Errorf("%s: %g allocations", name, least)
		}
	}
}

// testConcurrent searches from several goroutines: they find what one finds.
func testConcurrent(t *testing.T, w *world, g *Graph) {
	search := func(i int) []Candidate {
		s := Search{Vector: w.queries.at(i), Ef: 32}
		if i%2 == 1 {
			s.Admit = func(row uint32) bool { return row%3 > 0 }
		}
		found, _ := g.Search(&s, nil)
		return found
	}
	var want [][]Candidate
	for i := range w.queries.Len() {
		want = append(want, search(i))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range want {
				if !slices.Equal(search(i), want[i]) {
					t.Errorf("query %d finds something else", i)
				}
			}
		})
	}
	wg.Wait()
}

// testScores checks that scores are about the exact products, and that what is
// found is appended. A row that lies a little out of range is the farthest off.
func testScores(t *testing.T, w *world, g *Graph) {
	largest := 0.0
	for row := range w.base.Len() {
		largest = max(largest, float64(length(w.base.at(row))*w.base.Scale(uint32(row))))
	}
	kept := Candidate{Row: 12345, Score: 99}
	sum, count := 0.0, 0.0
	for i := range w.queries.Len() {
		query := w.queries.at(i)
		found, _ := g.Search(&Search{Vector: query, Ef: 16}, []Candidate{kept})
		if found[0] != kept || len(found) != 17 {
			t.Fatalf("%d found, the first is %v", len(found), found[0])
		}
		for _, c := range found[1:] {
			exact := w.base.product(query, c.Row)
			off := math.Abs(float64(c.Score) - exact)
			sum, count = sum+off, count+1
			if off > .1*largest {
				t.Errorf("score %g of a product %g, rows are at most %g long", c.Score, exact, largest)
			}
		}
	}
	if sum/count > .005*largest {
		t.Errorf("scores are %g off in the mean, rows are at most %g long", sum/count, largest)
	}
}
