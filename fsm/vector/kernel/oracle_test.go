package kernel

import (
	"math"
	"slices"
	"testing"
	"unsafe"
)

// canary is a slice of results between values that nobody may write.
type canary[T comparable] struct {
	all, values []T
	mark        T
}

const canaryLen = 16

func newCanary[T comparable](n int, mark T) *canary[T] {
	all := slices.Repeat([]T{mark}, n+2*canaryLen)
	return &canary[T]{all: all, values: all[canaryLen : canaryLen+n : canaryLen+n], mark: mark}
}

func (c *canary[T]) check(t *testing.T) {
	t.Helper()
	end := canaryLen + len(c.values)
	for _, v := range slices.Concat(c.all[:canaryLen], c.all[end:]) {
		if v != c.mark {
			t.Fatalf("written outside of %d results: %v", len(c.values), c.all)
		}
	}
}

// checkFloat compares a float32 product with the one in float64.
//
// A sum of n products in any order, whether multiplications are fused or not,
// is off by at most gamma(n) = n*u/(1-n*u) times the sum of the magnitudes of
// the products, u = 2^-24 (Higham, Accuracy and Stability of Numerical
// Algorithms, section 3.1), plus half the smallest number per product that
// underflows. Where that sum is beyond float32, any order may overflow, and only
// what is not a number for sure is checked.
func checkFloat(t *testing.T, query []float32, row *float32, got float32) {
	t.Helper()
	var sum, magnitude float64 // of the finite products
	var infinite float64       // sum of the infinite ones, and NaN
	for j, v := range unsafe.Slice(row, len(query)) {
		p := float64(query[j]) * float64(v)
		if math.IsInf(p, 0) || math.IsNaN(p) {
			infinite += p
			continue
		}
		sum += p
		magnitude += math.Abs(p)
	}
	n := float64(len(query))
	const u = 1.0 / (1 << 24)
	bound := (n*u/(1-n*u))*magnitude + n*math.SmallestNonzeroFloat32
	switch {
	case math.IsNaN(infinite):
		if !math.IsNaN(float64(got)) {
			t.Fatalf("got %v, want NaN", got)
		}
	case magnitude+bound >= math.MaxFloat32:
	case infinite != 0:
		if float64(got) != infinite {
			t.Fatalf("got %v, want %v", got, infinite)
		}
	case !(math.Abs(float64(got)-sum) <= bound):
		t.Fatalf("stride %d: got %v, want %v within %v", len(query), got, sum, bound)
	}
}
