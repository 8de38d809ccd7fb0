package hnsw

import (
	"math/rand/v2"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

const (
	sampleRows = 8192 // rows a quantizer is trained on
	probeRows  = 1024 // new rows that are looked at before the old quantizer is used for them
	outgrown   = 4    // a graph that has grown this many times since is trained anew

	// strangers is the share of values out of range above which rows are not
	// what the quantizer was trained for. What it was trained for has 0.002.
	strangers = 0.02
)

// encode makes nodes of rows, in a shuffled order, behind those of prev, and
// the codes of all nodes.
func (b *builder) encode(rows []uint32) {
	g, prev := b.graph, b.prev
	random := rand.New(rand.NewPCG(g.params.Seed, uint64(prev.Len())))
	rows = slices.Clone(rows)
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })

	g.quantizer, g.trained, g.outliers = prev.quantizer, prev.trained, slices.Clone(prev.outliers)
	retrain := b.mustTrain(rows)
	if retrain {
		rows, g.outliers = append(rows, g.outliers...), nil // some may fit now
	}
	g.rows = append(make([]uint32, 0, prev.Len()+len(rows)), prev.rows...)
	g.rows = append(g.rows, rows...)
	b.resolve()
	if retrain {
		g.quantizer, g.trained = b.train(random), uint32(len(g.rows))
	}
	b.encodeNodes(retrain)
}

// resolve looks up the vectors of all nodes. A node without a row has the
// vector that its code stands for.
func (b *builder) resolve() {
	g, prev := b.graph, b.prev
	b.vectors, b.scales = make([]*float32, len(g.rows)), make([]float32, len(g.rows))
	for node, row := range g.rows {
		if row != None {
			b.vectors[node], b.scales[node] = b.v.Row(row), b.v.Scale(row)
			continue
		}
		vector := make([]float32, padded(g.params.Dim))
		prev.quantizer.Decode(vector, prev.code(uint32(node)))
		b.vectors[node], b.scales[node] = &vector[0], 1
	}
}

// mustTrain reports whether the quantizer of prev is not good for rows, or is
// not good any more for the graph with them.
func (b *builder) mustTrain(rows []uint32) bool {
	prev := b.prev
	if prev.quantizer == nil || prev.Len()+len(rows) >= outgrown*int(prev.trained) {
		return true
	}
	beyond := 0
	probe := rows[:min(len(rows), probeRows)]
	for _, row := range probe {
		beyond += prev.quantizer.Beyond(b.v.Row(row), b.v.Scale(row))
	}
	return float64(beyond) > strangers*float64(len(probe)*b.graph.params.Dim)
}

// train makes a quantizer for the nodes.
func (b *builder) train(random *rand.Rand) *sq8.Quantizer {
	p := b.graph.params
	count := len(b.vectors)
	if count == 0 {
		return sq8.Train(p.Dim, p.Clip, []*float32{&make([]float32, padded(p.Dim))[0]}, []float32{1})
	}
	if count <= sampleRows {
		return sq8.Train(p.Dim, p.Clip, b.vectors, b.scales)
	}
	vectors, scales := make([]*float32, sampleRows), make([]float32, sampleRows)
	for i := range vectors {
		node := random.IntN(count)
		vectors[i], scales[i] = b.vectors[node], b.scales[node]
	}
	return sq8.Train(p.Dim, p.Clip, vectors, scales)
}

// encodeNodes makes the codes of all nodes: copies those of prev, unless the
// quantizer is another one. Rows that do not fit become outliers.
func (b *builder) encodeNodes(retrained bool) {
	g := b.graph
	old := b.prev.Len()
	stride := g.quantizer.Stride()
	g.codes = make([]byte, len(g.rows)*stride)
	start := 0
	if !retrained {
		start = old
		copy(g.codes, b.prev.codes)
	}
	misfits := make([]bool, len(g.rows))
	b.parallel(len(g.rows)-start, 64, func(_ *worker, i int) {
		node := start + i
		misfits[node] = !g.quantizer.Encode(g.codes[node*stride:], b.vectors[node], b.scales[node])
	})
	kept := 0
	for node, misfit := range misfits {
		if misfit && g.rows[node] != None {
			g.outliers = append(g.outliers, g.rows[node])
			g.rows[node] = None
		}
		if misfit && node >= old {
			continue
		}
		if kept < node {
			g.rows[kept], b.vectors[kept], b.scales[kept] = g.rows[node], b.vectors[node], b.scales[node]
			copy(g.codes[kept*stride:(kept+1)*stride], g.codes[node*stride:])
		}
		kept++
	}
	g.rows, g.codes = g.rows[:kept], g.codes[:kept*stride]
	b.vectors, b.scales = b.vectors[:kept], b.scales[:kept]
	slices.Sort(g.outliers)
}

// padded returns how many values a row of float32 has.
func padded(dim int) int { return (dim + kernel.FloatLane - 1) / kernel.FloatLane * kernel.FloatLane }
