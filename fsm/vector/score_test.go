package vector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

func TestRound24(t *testing.T) {
	ulp := math.Ldexp(1, -23) // of 24 bits, at 1
	cases := []struct{ x, want float64 }{
		{0, 0},
		{math.Copysign(0, -1), 0},
		{1, 1},
		{1 + ulp, 1 + ulp},
		{1 + ulp/2, 1},                 // half, to even
		{1 + ulp*3/2, 1 + 2*ulp},       // half, to even
		{1 + ulp/2 + 1e-15, 1 + ulp},   // above half
		{1 + ulp*3/2 - 1e-15, 1 + ulp}, // below half
		{2 - ulp/4, 2},                 // carries into the exponent
		{-1 - ulp*3/2, -1 - 2*ulp},     // by magnitude
		{math.Ldexp(1+ulp/2, 250), math.Ldexp(1, 250)},
		{math.Ldexp(1+ulp*3/2, -250), math.Ldexp(1+2*ulp, -250)},
	}
	for _, c := range cases {
		if got := round24(c.x); math.Float64bits(got) != math.Float64bits(c.want) {
			t.Errorf("round24(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		x := math.Ldexp(rng.NormFloat64(), rng.IntN(200)-100)
		if got, want := round24(x), float64(float32(x)); got != want {
			t.Fatalf("round24(%v) = %v, want %v", x, got, want)
		}
	}
}

func TestSimilarity(t *testing.T) {
	cases := []struct{ product, query, row, want float64 }{
		{6, 2, 3, 1},
		{6.1, 2, 3, 1},
		{-6.1, 2, 3, -1},
		{3, 2, 3, 0.5},
		{0, 0, 3, 0},
		{0, 2, 0, 0},
		{0, 0, 0, 0},
		{1e-88, 1e-44, 1e-44, 1},
		{1e77, 3e38, 3e38, 1e77 / 9e76},
	}
	for _, c := range cases {
		if got := similarity(c.product, c.query, c.row); math.Abs(got-min(1, c.want)) > 1e-12 {
			t.Errorf("similarity(%v, %v, %v) = %v, want %v", c.product, c.query, c.row, got, c.want)
		}
	}
}

func TestFloor32(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		x := rng.NormFloat64()
		f := floor32(x)
		if float64(f) > x || float64(math.Nextafter32(f, 2*f+10)) <= x {
			t.Fatalf("floor32(%v) = %v", x, f)
		}
	}
	if f := floor32(math.Inf(-1)); !math.IsInf(float64(f), -1) {
		t.Errorf("floor32(-Inf) = %v", f)
	}
}

func TestSelectBest(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	compare := func(a, b int) int { return a - b }
	for range 3000 {
		n := rng.IntN(300)
		spread := 1 + rng.IntN(2*n+2)
		items := make([]int, n)
		for i := range items {
			items[i] = rng.IntN(spread)
		}
		switch rng.IntN(4) {
		case 0:
			slices.Sort(items)
		case 1:
			slices.Sort(items)
			slices.Reverse(items)
		}
		want := slices.Clone(items)
		slices.Sort(want)
		k := rng.IntN(n + 2)
		selectBest(items, k, compare)
		k = min(k, n)
		slices.Sort(items[:k])
		slices.Sort(items[k:])
		if !slices.Equal(items, want) {
			t.Fatalf("n %d, k %d: %v, want %v", n, k, items, want)
		}
	}
}

// TestPool compares a pool with sorting.
func TestPool(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	for range 500 {
		keep, slack := 1+rng.IntN(60), float64(noSlack)
		if kind := rng.IntN(3); kind > 0 {
			slack = float64(kind-1) * rng.Float64() / 4
		}
		n, steps := rng.IntN(3000), 1+rng.IntN(4000)
		var p pool
		p.reset(keep, slack)
		var all []hnsw.Candidate
		for row := range n {
			c := hnsw.Candidate{Row: uint32(row), Score: float32(rng.IntN(steps)) / float32(steps)}
			all = append(all, c)
			if c.Score >= p.limit {
				p.add(c.Row, c.Score)
			}
		}
		slices.SortFunc(all, compareCandidates)
		if n > keep {
			kth := float64(all[keep-1].Score)
			if slack == noSlack {
				all = all[:keep]
			} else {
				all = slices.DeleteFunc(all, func(c hnsw.Candidate) bool { return float64(c.Score) < kth-slack })
			}
		}
		p.cut()
		slices.SortFunc(p.items, compareCandidates)
		if !slices.Equal(p.items, all) {
			t.Fatalf("n %d, keep %d, slack %v: %v, want %v", n, keep, slack, p.items, all)
		}
	}
}
