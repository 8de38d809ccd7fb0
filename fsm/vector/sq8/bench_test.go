package sq8

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	const dim = 384
	rows := normalRows(1000, dim, 1)
	q := Train(dim, true, rows.pointers(), rows.ones())
	code := make([]byte, q.Stride())
	i := 0
	for b.Loop() {
		q.Encode(code, rows.row(i%1000), 1)
		i++
	}
}

func BenchmarkQuery(b *testing.B) {
	const dim = 384
	rows := normalRows(1000, dim, 1)
	q := Train(dim, true, rows.pointers(), rows.ones())
	var query Query
	i := 0
	for b.Loop() {
		q.Query(&query, rows.at(i%1000))
		i++
	}
}

func BenchmarkTrain(b *testing.B) {
	const dim = 384
	rows := normalRows(8192, dim, 1)
	for b.Loop() {
		Train(dim, true, rows.pointers(), rows.ones())
	}
}

// matrix is padded rows.
type matrix struct {
	dim, stride int
	values      []float32
}

func newMatrix(count, dim int) *matrix {
	stride := roundUp(dim, 8)
	return &matrix{dim: dim, stride: stride, values: make([]float32, count*stride)}
}

func normalRows(count, dim int, seed uint64) *matrix {
	random := rand.New(rand.NewPCG(seed, 0))
	m := newMatrix(count, dim)
	for i := range count {
		for j := range dim {
			m.at(i)[j] = float32(random.NormFloat64())
		}
	}
	return m
}

func (m *matrix) count() int         { return len(m.values) / m.stride }
func (m *matrix) at(i int) []float32 { return m.values[i*m.stride : (i+1)*m.stride] }
func (m *matrix) row(i int) *float32 { return &m.values[i*m.stride] }

func (m *matrix) pointers() []*float32 {
	var list []*float32
	for i := range m.count() {
		list = append(list, m.row(i))
	}
	return list
}

func (m *matrix) ones() []float32 {
	ones := make([]float32, m.count())
	for i := range ones {
		ones[i] = 1
	}
	return ones
}
