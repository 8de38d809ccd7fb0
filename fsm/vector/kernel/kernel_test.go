package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachLevel runs a test for every set of instructions of this machine.
func eachLevel(t *testing.T, test func(t *testing.T, l level)) {
	for l := levelGo; l <= active; l++ {
		t.Run(l.String(), func(t *testing.T) { test(t, l) })
	}
}

// shapes calls test with strides and numbers of rows, all that matter to the
// loops: odd and even numbers of half lines, every rest, more than a chunk.
func shapes(lane int, test func(stride, n int)) {
	most := 70
	if testing.Short() {
		most = 13
	}
	for _, lanes := range []int{0, 1, 2, 3, 4, 5, 8} {
		for n := range most + 1 {
			test(lanes*lane, n)
		}
	}
	for _, lanes := range []int{12, 13, 24, 128} {
		for _, n := range []int{1, 3, 4, 5, 16, 31, 70} {
			test(lanes*lane, n)
		}
	}
	for _, n := range []int{chunk - 1, chunk, chunk + 1, 2*chunk + 5} {
		test(lane, n)
		test(3*lane, n)
	}
}

func TestDotCodes(t *testing.T) {
	eachLevel(t, func(t *testing.T, l level) {
		random := rand.New(rand.NewPCG(1, 2))
		shapes(CodeLane, func(stride, n int) {
			c := newCodeCase(random, stride, n)
			c.check(t, l)
		})
	})
}

// codeCase is a query, rows and the numbers of some of them.
type codeCase struct {
	query []int8
	codes []byte
	ids   []uint32
}

func newCodeCase(random *rand.Rand, stride, n int) *codeCase {
	c := &codeCase{query: make([]int8, stride), codes: make([]byte, (n+1)*stride), ids: make([]uint32, n)}
	for i := range c.query {
		c.query[i] = int8(random.IntN(2*MaxQueryCode+1) - MaxQueryCode)
	}
	for i := range c.codes {
		c.codes[i] = byte(random.Uint32())
	}
	for i := range c.ids {
		c.ids[i] = random.Uint32N(uint32(n + 1)) // some more than once
	}
	return c
}

func (c *codeCase) check(t *testing.T, l level) {
	t.Helper()
	stride := len(c.query)
	want := make([]int32, len(c.ids))
	for i, id := range c.ids {
		for j, q := range c.query {
			want[i] += int32(q) * int32(c.codes[int(id)*stride+j])
		}
	}
	out := newCanary(len(c.ids), int32(-7))
	l.dotCodes(c.query, c.codes, c.ids, out.values)
	if out.check(t); !slices.Equal(out.values, want) {
		t.Fatalf("stride %d, rows %v: got %v, want %v", stride, c.ids, out.values, want)
	}

	n := 0
	if stride > 0 {
		n = len(c.codes) / stride
	}
	all := make([]uint32, n)
	for i := range all {
		all[i] = uint32(i)
	}
	want = make([]int32, n)
	dotCodesGo(c.query, c.codes, all, want)
	out = newCanary(n, int32(-7))
	l.dotCodeRows(c.query, c.codes, out.values)
	if out.check(t); !slices.Equal(out.values, want) {
		t.Fatalf("stride %d, %d consecutive rows: got %v, want %v", stride, n, out.values, want)
	}
}

func TestDotCodesExtremes(t *testing.T) {
	eachLevel(t, func(t *testing.T, l level) {
		for _, q := range []int8{MaxQueryCode, -MaxQueryCode} {
			for _, stride := range []int{32, 64, 96, 4096, 65536} {
				c := newCodeCase(rand.New(rand.NewPCG(1, 2)), stride, 5)
				for i := range c.codes {
					c.codes[i] = 255
				}
				for i := range c.query {
					c.query[i] = q
				}
				c.check(t, l)
			}
		}
	})
}

func TestDotFloats(t *testing.T) {
	eachLevel(t, func(t *testing.T, l level) {
		random := rand.New(rand.NewPCG(1, 2))
		shapes(FloatLane, func(stride, n int) {
			c := newFloatCase(random, stride, n)
			c.check(t, l)
		})
	})
}

// floatCase is a query and rows.
type floatCase struct {
	query, values []float32
	rows          []*float32 // of values, in any order
}

func newFloatCase(random *rand.Rand, stride, n int) *floatCase {
	c := &floatCase{query: make([]float32, stride), values: make([]float32, (n+1)*stride)}
	for i := range c.query {
		c.query[i] = float32(random.NormFloat64())
	}
	for i := range c.values {
		c.values[i] = float32(random.NormFloat64())
	}
	if stride > 0 {
		c.choose(n, func(int) int { return random.IntN(n + 1) })
	}
	return c
}

// choose sets n rows.
func (c *floatCase) choose(n int, row func(i int) int) {
	c.rows = make([]*float32, n)
	for i := range c.rows {
		c.rows[i] = &c.values[row(i)*len(c.query)]
	}
}

func (c *floatCase) check(t *testing.T, l level) {
	t.Helper()
	floats := newCanary(len(c.rows), float32(-7))
	l.dotFloats(c.query, c.rows, floats.values)
	floats.check(t)
	for i, row := range c.rows {
		checkFloat(t, c.query, row, floats.values[i])
	}

	want := make([]float64, len(c.rows))
	dotExactGo(c.query, c.rows, want)
	exact := newCanary(len(c.rows), float64(-7))
	l.dotExact(c.query, c.rows, exact.values)
	if exact.check(t); !slices.EqualFunc(exact.values, want, sameBits) {
		t.Fatalf("stride %d, %d rows, exact: got %v, want %v", len(c.query), len(c.rows), exact.values, want)
	}

	n := 0
	if len(c.query) > 0 {
		n = len(c.values) / len(c.query)
	}
	floats = newCanary(n, float32(-7))
	l.dotFloatRows(c.query, c.values, floats.values)
	floats.check(t)
	for i := range n {
		checkFloat(t, c.query, &c.values[i*len(c.query)], floats.values[i])
	}
}

// sameBits reports whether a and b are the same value, or not a number both.
func sameBits(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

func TestDotFloatsExtremes(t *testing.T) {
	const most, least = math.MaxFloat32, math.SmallestNonzeroFloat32
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	negativeZero := float32(math.Copysign(0, -1))
	values := []float32{0, negativeZero, 1, -1, 3, least, -least, 1e-38, most, -most, inf, -inf, nan}
	eachLevel(t, func(t *testing.T, l level) {
		random := rand.New(rand.NewPCG(3, 4))
		for kinds := 1; kinds <= len(values); kinds++ {
			for _, stride := range []int{8, 16, 24, 64, 200} {
				c := newFloatCase(random, stride, 9)
				for i := range c.query {
					c.query[i] = values[random.IntN(kinds)]
				}
				for i := range c.values {
					c.values[i] = values[random.IntN(kinds)]
				}
				c.check(t, l)
			}
		}
	})
}

// TestDotExactOrder has sums that depend on their order.
func TestDotExactOrder(t *testing.T) {
	eachLevel(t, func(t *testing.T, l level) {
		random := rand.New(rand.NewPCG(5, 6))
		for range 200 {
			c := newFloatCase(random, 8*(1+random.IntN(40)), 7)
			for i := range c.values {
				c.values[i] = float32(math.Ldexp(float64(c.values[i]), random.IntN(200)-100))
			}
			c.check(t, l)
		}
	})
}

func TestCallerErrors(t *testing.T) {
	query, codes, ints := make([]int8, 64), make([]byte, 640), make([]int32, 8)
	floatQuery, values, floats := make([]float32, 16), make([]float32, 160), make([]float32, 8)
	row := &values[0]
	tests := map[string]func(){
		"odd stride of codes":            func() { DotCodes(query[:63], codes, []uint32{0}, ints) },
		"odd stride of rows of codes":    func() { DotCodeRows(query[:33], codes, ints) },
		"odd stride of floats":           func() { DotFloats(floatQuery[:9], []*float32{row}, floats) },
		"odd stride of rows of floats":   func() { DotFloatRows(floatQuery[:9], values, floats) },
		"odd stride, exact":              func() { DotExact(floatQuery[:9], []*float32{row}, make([]float64, 1)) },
		"short out of codes":             func() { DotCodes(query, codes, make([]uint32, 9), ints) },
		"short out of floats":            func() { DotFloats(floatQuery, make([]*float32, 9), floats) },
		"short out, exact":               func() { DotExact(floatQuery, []*float32{row, row}, make([]float64, 1)) },
		"capacity is not length":         func() { DotCodes(query, codes, make([]uint32, 5), ints[:4]) },
		"too few codes":                  func() { DotCodeRows(query, codes[:8*64-1], ints) },
		"too few floats":                 func() { DotFloatRows(floatQuery, values[:8*16-1], floats) },
		"a row outside":                  func() { DotCodes(query, codes, []uint32{10}, ints) },
		"a row outside, in a group":      func() { DotCodes(query, codes, []uint32{0, 1, 2, 3, 4, 5, 10}, ints) },
		"a row outside, first":           func() { DotCodes(query, codes, []uint32{10, 1, 2, 3, 4, 5, 6}, ints) },
		"a row far outside":              func() { DotCodes(query, codes, []uint32{0, 1, 2, 3, math.MaxUint32}, ints) },
		"a row that is capacity":         func() { DotCodes(query, codes[:576], []uint32{9}, ints) },
		"a row that is only half inside": func() { DotCodes(query, codes[:639], []uint32{9}, ints) },
		"no rows":                        func() { DotCodes(query, nil, []uint32{0}, ints) },
		"a row that is nil":              func() { DotFloats(floatQuery, []*float32{row, row, row, row, nil}, floats) },
		"a row that is nil, exact":       func() { DotExact(floatQuery, []*float32{nil}, make([]float64, 1)) },
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func TestNothingToDo(*testing.T) {
	DotCodes(nil, nil, nil, nil)
	DotCodeRows(make([]int8, 32), nil, nil)
	DotFloats(make([]float32, 8), nil, nil)
	DotFloatRows(nil, nil, nil)
	DotExact(make([]float32, 8), nil, make([]float64, 3))
}

func TestNoAllocations(t *testing.T) {
	allocations := testing.AllocsPerRun(10, func() {
		var query [64]int8
		var codes [640]byte
		var ids [8]uint32
		var ints [8]int32
		DotCodes(query[:], codes[:], ids[:], ints[:])
		DotCodeRows(query[:], codes[:], ints[:])
		var values [64]float32
		var floats [1]float32
		var exact [1]float64
		DotFloats(values[:], []*float32{&values[0]}, floats[:])
		DotFloatRows(values[:], values[:], floats[:])
		DotExact(values[:], []*float32{&values[0]}, exact[:])
	})
	if allocations != 0 {
		t.Errorf("got %v allocations a run, want none", allocations)
	}
}
