package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

const (
	batch   = 16        // rows a call, about what a step in a graph takes
	hotRows = 64        // rows that stay in the first caches
	warmSet = 32 << 20  // bytes of a set that only the last cache holds
	coldSet = 600 << 20 // bytes of a set that no cache holds
)

// benchmark measures call, which multiplies the rows of ids, per row: with few
// rows, and with rows all over a larger set.
func benchmark(b *testing.B, stride, rowBytes int, call func(l level, rows int) func(ids []uint32)) {
	for _, set := range []struct {
		name string
		rows int
	}{{"hot", hotRows}, {"warm", warmSet / rowBytes}, {"cold", coldSet / rowBytes}} {
		for l := active; l >= levelGo; l-- {
			b.Run(fmt.Sprintf("%s/%d/%v", set.name, stride, l), func(b *testing.B) {
				run := call(l, set.rows)
				random := rand.New(rand.NewPCG(1, uint64(set.rows)))
				ids := make([]uint32, 1<<16)
				for i := range ids {
					ids[i] = random.Uint32N(uint32(set.rows))
				}
				next := 0
				for b.Loop() {
					run(ids[next : next+batch])
					next = (next + batch) % len(ids)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/row")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

var strides = []int{128, 384, 768, 1536}

func BenchmarkDotCodes(b *testing.B) {
	codes := make([]byte, coldSet)
	for i := range codes {
		codes[i] = byte(i)
	}
	out := make([]int32, batch)
	for _, stride := range strides {
		query := make([]int8, stride)
		benchmark(b, stride, stride, func(l level, rows int) func(ids []uint32) {
			codes := codes[:rows*stride]
			return func(ids []uint32) { l.dotCodes(query, codes, ids, out) }
		})
	}
}

func BenchmarkDotCodeRows(b *testing.B) {
	codes := make([]byte, coldSet)
	for i := range codes {
		codes[i] = byte(i)
	}
	out := make([]int32, batch)
	for _, stride := range strides {
		query := make([]int8, stride)
		benchmark(b, stride, stride, func(l level, rows int) func(ids []uint32) {
			next := 0
			return func([]uint32) {
				l.dotCodeRows(query, codes[next*stride:], out)
				next = (next + batch) % (rows - batch)
			}
		})
	}
}

func BenchmarkDotFloats(b *testing.B) {
	benchmarkPointers(b, func(l level, query []float32, rows []*float32, out []float32) {
		l.dotFloats(query, rows, out)
	})
}

func BenchmarkDotExact(b *testing.B) {
	benchmarkPointers(b, func(l level, query []float32, rows []*float32, out []float64) {
		l.dotExact(query, rows, out)
	})
}

func benchmarkPointers[R any](b *testing.B, dot func(l level, query []float32, rows []*float32, out []R)) {
	values := make([]float32, coldSet/4)
	for i := range values {
		values[i] = float32(i)
	}
	out := make([]R, batch)
	pointers := make([]*float32, batch)
	for _, stride := range strides {
		query := make([]float32, stride)
		benchmark(b, stride, 4*stride, func(l level, rows int) func(ids []uint32) {
			return func(ids []uint32) {
				for i, id := range ids {
					pointers[i] = &values[int(id)*stride]
				}
				dot(l, query, pointers, out)
			}
		})
	}
}

func BenchmarkDotFloatRows(b *testing.B) {
	values := make([]float32, coldSet/4)
	for i := range values {
		values[i] = float32(i)
	}
	out := make([]float32, batch)
	for _, stride := range strides {
		query := make([]float32, stride)
		benchmark(b, stride, 4*stride, func(l level, rows int) func(ids []uint32) {
			next := 0
			return func([]uint32) {
				l.dotFloatRows(query, values[next*stride:], out)
				next = (next + batch) % (rows - batch)
			}
		})
	}
}
