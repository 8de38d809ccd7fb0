package hnsw

import (
	"context"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// Params are how a graph is built. Those of a graph that is extended must be
// its own.
type Params struct {
	Dim            int  // of the vectors
	Clip           bool // the vectors have one length, or none at all: values far out of range may be cut, and there are no outliers
	M              int  // links of a node per layer, twice as many in the lowest one; 0 = 16
	EfConstruction int  // candidates among which a node finds its links; 0 = 200
	Seed           uint64
}

// Workers run the parallel parts of a build.
type Workers struct {
	Count int // how many there are; 0 = 1
	// Run runs work(0) to work(Count-1) at once and returns when all are done;
	// nil = in new goroutines.
	Run func(work func(worker int))
}

// Build returns a graph over the nodes of prev, nil for none, and rows, which
// are added. prev is not changed, it may go on serving. For equal input the
// graph is the same whatever workers there are (and the same on machines whose
// float32 products are). The only error is that ctx is done.
func Build(ctx context.Context, p Params, prev *Graph, rows []uint32, v Vectors, workers Workers) (*Graph, error) {
	g := &Graph{}
	if prev != nil {
		*g = *prev
		g.rows, g.codes, g.outliers = append([]uint32{}, g.rows...), append([]byte{}, g.codes...), append([]uint32{}, g.outliers...)
	} else {
		var sample []*float32
		var scale []float32
		for _, row := range rows {
			sample, scale = append(sample, v.Row(row)), append(scale, v.Scale(row))
		}
		if len(rows) == 0 {
			sample, scale = append(sample, &make([]float32, (p.Dim+7)/8*8)[0]), append(scale, 1)
		}
		g.quantizer = sq8.Train(p.Dim, p.Clip, sample, scale)
	}
	code := make([]byte, g.quantizer.Stride())
	for _, row := range rows {
		if g.quantizer.Encode(code, v.Row(row), v.Scale(row)) {
			g.rows = append(g.rows, row)
			g.codes = append(g.codes, code...)
		} else {
			g.outliers = append(g.outliers, row)
		}
	}
	g.index()
	return g, ctx.Err()
}
