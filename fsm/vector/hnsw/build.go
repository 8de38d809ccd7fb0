package hnsw

import (
	"context"
	"sync"
	"sync/atomic"
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

func (p Params) withDefaults() Params {
	if p.M == 0 {
		p.M = 16
	}
	if p.EfConstruction == 0 {
		p.EfConstruction = 200
	}
	p.M = max(minM, min(p.M, maxM))
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
// are added. prev is not changed, it may go on serving. For equal input the
// graph is the same whatever workers there are (and the same on machines whose
// float32 products are). The only error is that ctx is done.
func Build(ctx context.Context, p Params, prev *Graph, rows []uint32, v Vectors, workers Workers) (*Graph, error) {
	b := &builder{ctx: ctx, v: v, workers: workers, graph: &Graph{params: p.withDefaults()}}
	if prev != nil {
		b.prev = prev
		b.graph.params = prev.params
	} else {
		b.prev = emptyGraph(b.graph.params)
	}
	for _, step := range []func(rows []uint32){b.encode, b.findTwins, b.makeRoom, b.insertAll} {
		if step(rows); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	b.graph.index()
	return b.graph, nil
}

// builder makes one graph. A worker writes only what belongs to the nodes it
// was handed, and reads what all of them do not change meanwhile.
type builder struct {
	ctx     context.Context
	v       Vectors
	workers Workers

	prev  *Graph // not nil
	graph *Graph // in the making

	vectors []*float32 // of each node: its row, padded
	scales  []float32  // of each node

	todo   []uint32 // nodes to insert, in order
	layers []*layer // with room for all nodes; graph.layers are those in use
	placed []uint32 // how many positions of each layer are in use

	crew []*worker
}

// vector returns a node's row, with its padding, without its scale.
func (b *builder) vector(node uint32) []float32 {
	return floats(b.vectors[node], padded(b.graph.params.Dim))
}

func (w *Workers) rest(worker int) {
	if w.Rest != nil {
		w.Rest(worker)
	}
}

// parallel runs work for all numbers below count, in pieces of at most size,
// on all workers, unless ctx is done first.
func (b *builder) parallel(count, size int, work func(w *worker, i int)) {
	if b.crew == nil {
		for range max(1, b.workers.Count) {
			b.crew = append(b.crew, newWorker(b))
		}
	}
	var next atomic.Int64
	run := func(number int) {
		for {
			end := int(next.Add(int64(size)))
			for i := end - size; i < min(end, count); i++ {
				if b.ctx.Err() != nil {
					return
				}
				work(b.crew[number], i)
				b.workers.rest(number)
			}
			if end >= count {
				return
			}
		}
	}
	pieces := (count + size - 1) / size
	switch n := min(len(b.crew), pieces); {
	case n == 0:
	case n == 1:
		run(0)
	case b.workers.Run != nil:
		b.workers.Run(n, run)
	default:
		var wg sync.WaitGroup
		for number := range n {
			wg.Go(func() { run(number) })
		}
		wg.Wait()
	}
}
