package vector

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

const (
	benchDim   = 384
	benchBatch = 256
)

// benchItems are points as they come in a record, of random ids.
func benchItems(rnd *rand.Rand, from, n, dim int) []record.VectorPut {
	items := make([]record.VectorPut, n)
	for i := range items {
		items[i] = record.VectorPut{
			ID:     fmt.Appendf(nil, "point-%08d", from+i),
			Vector: record.AppendVector(nil, randomVector(rnd, dim)),
			Meta:   fmt.Appendf(nil, `{"topic":"t%d"}`, i%100),
		}
	}
	return items
}

// BenchmarkApply applies batches of new points, in memory and with the file.
func BenchmarkApply(b *testing.B) {
	for name, dir := range map[string]string{"memory": "", "disk": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 1))
			bed := newBed(b, Config{Dir: dir, Graph: 1 << 30})
			bed.create("c", benchDim, record.Cosine)
			batch := record.VectorPutBatch{Collection: []byte("c"), Items: benchItems(rnd, 0, benchBatch, benchDim)}
			b.SetBytes(4 * benchDim * benchBatch)
			next := 0
			for b.Loop() {
				for i := range batch.Items {
					batch.Items[i].ID = fmt.Appendf(batch.Items[i].ID[:0], "point-%08d", next)
					next++
				}
				bed.entry(func(c *record.Change) { bed.s.PutBatch(c, &batch) })
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(next), "ns/vector")
		})
	}
}

// BenchmarkStart opens a store with 100,000 points of 384 dimensions and their
// graph on disk.
func BenchmarkStart(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	cfg := Config{Dir: b.TempDir()}
	bed := newBed(b, cfg)
	bed.create("c", benchDim, record.Cosine)
	for from := 0; from < 100_000; from += 1000 {
		batch := record.VectorPutBatch{Collection: []byte("c"), Items: benchItems(rnd, from, 1000, benchDim)}
		bed.entry(func(c *record.Change) { bed.s.PutBatch(c, &batch) })
	}
	for bed.info("c").Unindexed > 0 {
		bed.build("c")
	}
	s := bed.snapshot()
	s.attached.Reset()
	if err := bed.s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		again := newBed(b, cfg)
		if !again.restore(s) {
			b.Fatal("its own files were not enough")
		}
		if info := again.info("c"); info.Unindexed > 0 {
			b.Fatalf("%+v", info)
		}
		if err := again.s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
