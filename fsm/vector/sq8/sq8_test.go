package sq8

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

// sample is rows with their padding, and the scale of each.
type sample struct {
	dim    int
	rows   [][]float32
	scales []float32
}

// newSample makes count rows of values of which value gives one each.
func newSample(count, dim int, value func(row, j int) float32) *sample {
	s := &sample{dim: dim}
	for row := range count {
		values := make([]float32, roundUp(dim, kernel.FloatLane))
		for j := range dim {
			values[j] = value(row, j)
		}
		s.rows, s.scales = append(s.rows, values), append(s.scales, 1)
	}
	return s
}

// gaussian is a sample in which every dimension has a middle and a deviation of
// its own.
func gaussian(count, dim int) *sample {
	random := rand.New(rand.NewPCG(uint64(count), uint64(dim)))
	middle, deviation := make([]float64, dim), make([]float64, dim)
	for j := range dim {
		middle[j], deviation[j] = random.NormFloat64()/2, .5+random.Float64()
	}
	return newSample(count, dim, func(_, j int) float32 {
		return float32(middle[j] + deviation[j]*random.NormFloat64())
	})
}

// unit gives all rows length one by their scales.
func (s *sample) unit() *sample {
	for row, values := range s.rows {
		s.scales[row] = float32(1 / math.Sqrt(dot(values, values)))
	}
	return s
}

func (s *sample) train(clip bool) *Quantizer {
	var rows []*float32
	for _, row := range s.rows {
		rows = append(rows, &row[0])
	}
	return Train(s.dim, clip, rows, s.scales)
}

// encode returns the codes of all rows, and which of them fit.
func (s *sample) encode(q *Quantizer) (codes []byte, fits []bool) {
	codes = bytes.Repeat([]byte{0xee}, len(s.rows)*q.Stride())
	for i, row := range s.rows {
		fits = append(fits, q.Encode(codes[i*q.Stride():], &row[0], s.scales[i]))
	}
	return codes, fits
}

func dot(x, y []float32) float64 {
	sum := 0.0
	for j := range x {
		sum += float64(x[j]) * float64(y[j])
	}
	return sum
}

// scores returns the score of every row for a query.
func scores(q *Quantizer, codes []byte, query []float32) []float32 {
	var k Query
	q.Query(&k, query)
	scores := make([]float32, len(codes)/q.Stride())
	for i := range scores {
		product := int32(0)
		for j, code := range codes[i*q.Stride() : (i+1)*q.Stride()] {
			product += int32(k.Codes[j]) * int32(code)
		}
		scores[i] = k.Score(product)
	}
	return scores
}

// TestEncode checks that a value in range is at most half a step from what its
// code stands for, that one out of range gets the code at its end, and that
// codes have their padding and nothing behind it.
func TestEncode(t *testing.T) {
	for _, dim := range []int{1, 3, 31, 32, 33, 100} {
		for _, clip := range []bool{false, true} {
			s := gaussian(2000, dim)
			for i := range s.scales {
				s.scales[i] = .25
			}
			q := s.train(clip)
			if q.Dim() != dim || q.Stride()%kernel.CodeLane != 0 || q.Stride() < dim {
				t.Fatalf("dimension %d, stride %d", q.Dim(), q.Stride())
			}
			code := make([]byte, q.Stride()+1)
			back := make([]float32, roundUp(dim, kernel.FloatLane))
			out := 0
			for i, row := range s.rows {
				fillBytes(code, 0xee)
				fillBack(back, 7)
				q.Encode(code, &row[0], s.scales[i])
				q.Decode(back, code)
				out += checkCode(t, q, row, s.scales[i], code, back)
			}
			if share := float64(out) / float64(dim*len(s.rows)); share > .005 {
				t.Errorf("dim %d: %.2f %% of the values are out of range", dim, 100*share)
			}
		}
	}
}

func fillBytes(b []byte, x byte) {
	for i := range b {
		b[i] = x
	}
}

func fillBack(v []float32, x float32) {
	for i := range v {
		v[i] = x
	}
}

// checkCode returns how many of the values are out of range.
func checkCode(t *testing.T, q *Quantizer, row []float32, scale float32, code []byte, back []float32) (out int) {
	t.Helper()
	for j := range q.dim {
		x, lo, step := row[j]*scale, q.lo[j], q.step[j]
		high := lo + maxCode*step
		switch {
		case x < lo-step/2:
			if out++; code[j] != 0 {
				t.Errorf("%g below %g has code %d", x, lo, code[j])
			}
		case x > high+step/2:
			if out++; code[j] != maxCode {
				t.Errorf("%g above %g has code %d", x, high, code[j])
			}
		default:
			if off := math.Abs(float64(back[j] - x)); off > .501*float64(step) {
				t.Errorf("%g became %g, a step is %g", x, back[j], step)
			}
		}
	}
	for _, c := range code[q.dim:q.stride] {
		if c != 0 {
			t.Error("the padding of a code is not zero")
		}
	}
	for _, x := range back[q.dim:] {
		if x != 0 {
			t.Error("the padding of a row is not zero")
		}
	}
	if code[q.stride] != 0xee {
		t.Error("Encode wrote behind the code")
	}
	if beyond := q.Beyond(&row[0], scale); beyond < out-1 || beyond > out+1 {
		t.Errorf("%d values are beyond, %d counted", out, beyond)
	}
	return out
}

// TestOrder checks that scores are near the exact products, and that the best
// twenty by score hold the best ten.
func TestOrder(t *testing.T) {
	for name, s := range map[string]*sample{
		"cosine":     gaussian(3000, 48).unit(),
		"cosine 5":   gaussian(3000, 5).unit(),
		"dot":        gaussian(3000, 48),
		"dot 100":    gaussian(3000, 100),
		"one narrow": newSample(3000, 16, narrow()),
	} {
		for _, clip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s clip=%t", name, clip), func(t *testing.T) { testOrder(t, s, clip) })
		}
	}
}

// narrow has dimensions that vary little beside ones that vary much.
func narrow() func(row, j int) float32 {
	random := rand.New(rand.NewPCG(8, 8))
	return func(_, j int) float32 { return float32(random.NormFloat64() * math.Pow(.5, float64(j))) }
}

func testOrder(t *testing.T, s *sample, clip bool) {
	q := s.train(clip)
	codes, _ := s.encode(q)
	hits, off, spread := 0, 0.0, 0.0
	const k = 10
	queries := 30
	if testing.Short() {
		queries = 8
	}
	for _, query := range gaussian(queries, s.dim).rows {
		approximate := scores(q, codes, query)
		exact := make([]float64, len(s.rows))
		order := make([]int, len(s.rows))
		for i, row := range s.rows {
			exact[i], order[i] = dot(query, row)*float64(s.scales[i]), i
			off += math.Abs(exact[i] - float64(approximate[i]))
		}
		slices.SortFunc(order, func(x, y int) int { return cmp.Compare(exact[y], exact[x]) })
		spread += exact[order[0]] - exact[order[len(order)-1]]
		best := slices.Clone(order[:k])
		slices.SortFunc(order, func(x, y int) int { return cmp.Compare(approximate[y], approximate[x]) })
		for _, i := range order[:2*k] {
			if slices.Contains(best, i) {
				hits++
			}
		}
	}
	off /= float64(queries * len(s.rows))
	spread /= float64(queries)
	t.Logf("recall %.3f, %.3f %% of the spread off", float64(hits)/float64(queries*k), 100*off/spread)
	if hits < queries*k*95/100 {
		t.Errorf("%d of %d found", hits, queries*k)
	}
	if off > .005*spread {
		t.Errorf("scores are off by %g in the mean, products spread over %g", off, spread)
	}
}

// TestQuery checks that a query leaves nothing of the one before, and that all
// products fit kernels.
func TestQuery(t *testing.T) {
	wide, thin := gaussian(100, 70), gaussian(100, 3)
	var k Query
	for _, s := range []*sample{wide, thin, wide} {
		q := s.train(true)
		for _, query := range s.rows[:5] {
			q.Query(&k, query)
			var fresh Query
			q.Query(&fresh, query)
			if !slices.Equal(k.Codes, fresh.Codes) || k.Score(1234) != fresh.Score(1234) || len(k.Codes) != q.Stride() {
				t.Error("a query depends on the one before")
			}
			largest := 0
			for j, c := range k.Codes {
				largest = max(largest, int(c), -int(c))
				if j >= s.dim && c != 0 {
					t.Error("the padding of a query is not zero")
				}
			}
			if largest != kernel.MaxQueryCode {
				t.Errorf("the largest code of a query is %d", largest)
			}
		}
		q.Query(&k, make([]float32, roundUp(s.dim, kernel.FloatLane)))
		if k.Score(0) != 0 || slices.ContainsFunc(k.Codes, func(c int8) bool { return c != 0 }) {
			t.Errorf("zero has score %g, codes %v", k.Score(0), k.Codes)
		}
	}
	q := thin.train(true)
	query := thin.rows[0]
	if allocs := testing.AllocsPerRun(10, func() { q.Query(&k, query) }); allocs > 0 {
		t.Errorf("%v allocations for a query", allocs)
	}
}
