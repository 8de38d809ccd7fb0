package hnsw

import (
	"context"
	"sync"
	"sync/atomic"
)

// Params are how a graph is built. A graph that is extended keeps its own.
type Params struct {
	Dim            int  // of the vectors
	Clip           bool // the vectors have one length, or none at all: values far out of range may be cut, and there are no outliers
	M              int  // links of a node per layer, twice as many in the lowest one; 0 = 16
	EfConstruction int  // candidates among which a node finds its links; 0 = 200
	Seed           uint64
}

func (p Params) withDefaults() Params {
	if p.M == 0 {
		p.M = 16
	}
	if p.EfConstruction == 0 {
		p.EfConstruction = 200
	}
	p.M = max(minM, min(p.M, maxM))
	p.EfConstruction = max(1, min(p.EfConstruction, maxEf))
	return p
}

// Workers run the parallel parts of a build.
type Workers struct {
	Count int // how many there are; 0 = 1
	// Run runs work(0) to work(count-1) at once and returns when all are done;
	// nil = in new goroutines.
	Run func(count int, work func(worker int))
	// Rest is called by a worker between two pieces of work of less than a
	// millisecond; nil = it does not rest.
	Rest func(worker int)
}

// Build returns a graph over the nodes of prev, nil for none, and rows, which
// are added; each is there once, and not in prev, which has the same dimension.
// prev is not changed, it may go on serving. The only error is that ctx is done.
//
// For equal input the graph is the same whatever workers there are, on machines
// whose float32 products are the same.
func Build(ctx context.Context, p Params, prev *Graph, rows []uint32, v Vectors, workers Workers) (*Graph, error) {
	if prev == nil {
		prev = &Graph{params: p.withDefaults()}
	}
	b := &builder{ctx: ctx, v: v, workers: workers, prev: prev, graph: &Graph{params: prev.params}}
	for range max(1, workers.Count) {
		b.crew = append(b.crew, newWorker(b))
	}
	b.addNodes(rows)
	for _, step := range []func(){b.resolve, b.encode, b.dropMisfits, b.findTwins, b.makeRoom, b.insert} {
		if step(); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	b.graph.index()
	return b.graph, nil
}

// builder makes one graph. A worker writes only what belongs to the nodes it
// was handed, and reads only what no worker changes meanwhile.
type builder struct {
	ctx     context.Context
	v       Vectors
	workers Workers
	crew    []*worker

	prev  *Graph // has no nodes, layers and quantizer if there is none
	graph *Graph // in the making

	vectors []*float32 // of each node: its row, padded
	scales  []float32  // of each node

	todo   []uint32 // nodes to insert, in order
	layers []*layer // with room for all nodes; graph.layers are those in use

	// peers are the positions of the nodes that are inserted at the same time,
	// for each layer.
	peers [maxLayers][]uint32
}

// vector returns a node's row, with its padding, without its scale.
func (b *builder) vector(node uint32) []float32 {
	return floats(b.vectors[node], padded(b.graph.params.Dim))
}

// parallel has the workers do all numbers below count, in pieces of at most
// size, which take less than a millisecond. It ends early if ctx is done.
func (b *builder) parallel(count, size int, piece func(w *worker, start, end int)) {
	var next atomic.Int64
	run := func(number int) {
		for b.ctx.Err() == nil {
			start := int(next.Add(int64(size))) - size
			if start >= count {
				return
			}
			piece(b.crew[number], start, min(start+size, count))
			if b.workers.Rest != nil {
				b.workers.Rest(number)
			}
		}
	}
	switch n := min(len(b.crew), (count+size-1)/size); {
	case n == 0:
	case b.workers.Run != nil:
		b.workers.Run(n, run)
	case n == 1:
		run(0)
	default:
		var wg sync.WaitGroup
		for number := range n {
			wg.Go(func() { run(number) })
		}
		wg.Wait()
	}
}

// copyTo copies from to the start of to and fills what is behind it with value.
func copyTo[T byte | uint32](b *builder, to, from []T, value T) {
	b.parallel(len(to), 1<<17, func(_ *worker, start, end int) {
		if start < len(from) {
			start += copy(to[start:end], from[start:])
		}
		for i := start; i < end; i++ {
			to[i] = value
		}
	})
}
