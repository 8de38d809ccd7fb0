package sq8

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestDegenerate trains on samples that are hard: every score is a number and
// not far from the product.
func TestDegenerate(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	normal := func(deviation float64) func(int, int) float32 {
		return func(int, int) float32 { return float32(random.NormFloat64() * deviation) }
	}
	for name, s := range map[string]*sample{
		"zero rows":     newSample(50, 8, func(int, int) float32 { return 0 }),
		"one zero row":  newSample(1, 8, func(int, int) float32 { return 0 }),
		"one row":       newSample(1, 8, normal(1)),
		"one huge row":  newSample(1, 8, normal(1e15)),
		"one tiny row":  newSample(1, 8, normal(1e-15)),
		"dim 1":         newSample(50, 1, normal(1)),
		"dim 1, equal":  newSample(50, 1, func(int, int) float32 { return -3 }),
		"two rows":      newSample(2, 8, normal(1)),
		"constant dims": newSample(50, 8, func(row, j int) float32 { return float32(j + row*(j%2)) }),
		"far off zero":  newSample(50, 8, func(row, _ int) float32 { return 1e6 + float32(row) }),
		"two values":    newSample(50, 8, func(row, j int) float32 { return float32(row >> (j % 3) & 1) }),
		"nearly equal":  newSample(2000, 8, func(row, j int) float32 { return float32(row * j / 15000) }),
		"huge":          newSample(50, 8, normal(1e17)),
		"large":         newSample(50, 8, normal(1e10)),
		"small":         newSample(50, 8, normal(1e-10)),
		"tiny":          newSample(50, 8, normal(1e-25)),
		"subnormal":     newSample(50, 8, func(row, _ int) float32 { return math.SmallestNonzeroFloat32 * float32(row) }),
		"very large":    newSample(50, 8, normal(1e30)),
		"both":          newSample(50, 8, func(_, j int) float32 { return float32(random.NormFloat64() * math.Pow(10, float64(8*j-24))) }),
	} {
		for _, clip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s clip=%t", name, clip), func(t *testing.T) { testDegenerate(t, s, clip) })
		}
	}
}

func testDegenerate(t *testing.T, s *sample, clip bool) {
	q := s.train(clip)
	for j := range s.dim {
		if lo, step := q.lo[j], q.step[j]; !finite(lo) || !(step > 0) || !finite(1/step) || !finite(lo+maxCode*step) {
			t.Fatalf("range %d starts at %g in steps of %g", j, lo, step)
		}
	}
	codes, _ := s.encode(q)
	largest := 0.0
	for _, row := range s.rows {
		largest = max(largest, math.Sqrt(dot(row, row)))
	}
	near := .05 * largest
	if largest < smallest {
		near = .01 // ranges are one wide
	}
	queries := gaussian(10, s.dim).unit()
	for i, query := range queries.rows {
		for j := range query {
			query[j] *= queries.scales[i]
		}
		for row, score := range scores(q, codes, query) {
			exact := dot(query, s.rows[row])
			if !finite(score) || math.Abs(float64(score)-exact) > near {
				t.Errorf("row %d has score %g, product %g, the longest row %g", row, score, exact, largest)
			}
		}
	}
	// What comes later may be anything finite.
	later := newSample(6, s.dim, func(row, j int) float32 {
		return []float32{0, 1, -1e-30, 1e18, -1e18, float32(j)}[row]
	})
	laterCodes, _ := later.encode(q)
	for _, query := range queries.rows {
		for _, score := range scores(q, laterCodes, query) {
			if !finite(score) {
				t.Errorf("score %g", score)
			}
		}
	}
}

// TestConstantDimension checks that a dimension that is constant in the sample
// has room for rows that come later.
func TestConstantDimension(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	s := newSample(500, 4, func(_, j int) float32 {
		if j == 2 {
			return .5
		}
		return float32(random.NormFloat64())
	})
	q := s.train(true)
	for _, x := range []float32{.2, .5, .8, 1.2} {
		row := []float32{0, 0, x, 0, 0, 0, 0, 0}
		code, back := make([]byte, q.Stride()), make([]float32, 8)
		q.Encode(code, &row[0], 1)
		q.Decode(back, code)
		if math.Abs(float64(back[2]-x)) > .05 {
			t.Errorf("%g became %g", x, back[2])
		}
	}
}

// TestFits checks which rows are outliers: with clip none.
func TestFits(t *testing.T) {
	s := gaussian(4096, 16)
	for _, row := range []int{5, 77, 4000} { // fewer than one in a thousand
		for j := range s.dim {
			s.rows[row][j] = 1e12
		}
	}
	q := s.train(false)
	_, fits := s.encode(q)
	outliers := 0
	for row, ok := range fits {
		if !ok {
			outliers++
		}
		if far := s.rows[row][0] == 1e12; far && ok {
			t.Errorf("row %d fits", row)
		}
		if ok && q.Beyond(&s.rows[row][0], 1) > s.dim/2 {
			t.Errorf("row %d fits, but most of it is out of range", row)
		}
	}
	if outliers > 3+4096/1000 {
		t.Errorf("%d outliers", outliers)
	}
	if beyond := q.Beyond(&s.rows[5][0], 1); beyond != s.dim {
		t.Errorf("%d values of an outlier are beyond", beyond)
	}
	for _, scale := range []float32{1e-12, 0} { // scaled, the row is another one
		if !q.Encode(make([]byte, q.Stride()), &s.rows[5][0], scale) || q.Beyond(&s.rows[5][0], scale) > 0 {
			t.Errorf("a row x %g does not fit", scale)
		}
	}
	clipped := s.train(true)
	if _, fits := s.encode(clipped); !allTrue(fits) {
		t.Error("an outlier though values are clipped")
	}
}

func allTrue(s []bool) bool {
	for _, x := range s {
		if !x {
			return false
		}
	}
	return true
}
