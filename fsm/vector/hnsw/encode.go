package hnsw

import (
	"math/rand/v2"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
	"github.com/kissvdb/kissvdb/fsm/vector/memory"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

const (
	sampleRows = 8192 // rows a quantizer is trained on
	probeRows  = 1024 // new rows that are looked at before the old quantizer is used for them
	outgrown   = 4    // a graph that has grown this many times since is trained anew

	// strangers is the share of values out of range above which rows are not
	// what the quantizer was trained for; all those of an outlier count. Of what
	// it was trained for, two in a thousand are.
	strangers = 0.02
)

// addNodes makes nodes of rows, in a shuffled order, behind those of prev. If
// the quantizer is to be trained anew, its outliers get another chance.
func (b *builder) addNodes(rows []uint32) {
	g, prev := b.graph, b.prev
	g.quantizer, g.trained = prev.quantizer, prev.trained
	if b.mustTrain(rows) {
		g.quantizer = nil
		rows = slices.Concat(rows, prev.outliers)
	} else {
		g.outliers = slices.Clone(prev.outliers)
	}
	g.rows = slices.Concat(prev.rows, rows)
	added := g.rows[prev.Len():]
	b.random().Shuffle(len(added), func(i, j int) { added[i], added[j] = added[j], added[i] })
}

func (b *builder) random() *rand.Rand {
	return rand.New(rand.NewPCG(b.graph.params.Seed, uint64(b.prev.Len())))
}

// mustTrain reports whether the quantizer of prev is not good for rows, or is
// not good any more for the graph with them.
func (b *builder) mustTrain(rows []uint32) bool {
	prev := b.prev
	if prev.quantizer == nil || prev.Len()+len(rows) >= outgrown*int(prev.trained) {
		return true
	}
	probed, strange := 0., 0.
	code := make([]byte, prev.quantizer.Stride())
	for i := 0; i < len(rows); i += max(1, len(rows)/probeRows) {
		row, scale := b.v.Row(rows[i]), b.v.Scale(rows[i])
		probed++
		if prev.quantizer.Encode(code, row, scale) {
			strange += float64(prev.quantizer.Beyond(row, scale)) / float64(prev.params.Dim)
		} else {
			strange++
		}
	}
	return strange > strangers*probed
}

// resolve looks up the vectors of all nodes. A node without a row has the
// vector that its code stands for.
func (b *builder) resolve() {
	g := b.graph
	b.vectors, b.scales = make([]*float32, g.Len()), make([]float32, g.Len())
	b.parallel(g.Len(), 4096, func(_ *worker, start, end int) {
		for node := start; node < end; node++ {
			if row := g.rows[node]; row != None {
				b.vectors[node], b.scales[node] = b.v.Row(row), b.v.Scale(row)
				continue
			}
			vector := make([]float32, padded(g.params.Dim))
			b.prev.quantizer.Decode(vector, b.prev.code(uint32(node)))
			b.vectors[node], b.scales[node] = &vector[0], 1
		}
	})
}

// encode makes the codes of all nodes: it copies those of prev, unless there is
// a new quantizer. A row that does not fit becomes an outlier: its node is left
// without a row.
func (b *builder) encode() {
	g, start := b.graph, b.prev.Len()
	if g.quantizer == nil {
		g.quantizer, g.trained, start = b.train(), uint32(g.Len()), 0
	}
	stride := g.quantizer.Stride()
	g.codes = memory.Make[byte](g.Len() * stride)
	old := start * stride
	copyTo(b, g.codes[:old], b.prev.codes[:old], 0)
	b.parallel(g.Len()-start, 64, func(w *worker, from, to int) {
		for node := start + from; node < start+to; node++ {
			fits := g.quantizer.Encode(g.codes[node*stride:], b.vectors[node], b.scales[node])
			if !fits && g.rows[node] != None {
				w.outliers = append(w.outliers, g.rows[node])
				g.rows[node] = None
			}
		}
	})
	for _, w := range b.crew {
		g.outliers = append(g.outliers, w.outliers...)
	}
	slices.Sort(g.outliers)
}

// train makes a quantizer for the nodes.
func (b *builder) train() *sq8.Quantizer {
	p, count := b.graph.params, b.graph.Len()
	switch {
	case count == 0:
		zeros := make([]float32, padded(p.Dim))
		return sq8.Train(p.Dim, p.Clip, []*float32{&zeros[0]}, []float32{1})
	case count <= sampleRows:
		return sq8.Train(p.Dim, p.Clip, b.vectors, b.scales)
	}
	random := b.random()
	vectors, scales := make([]*float32, sampleRows), make([]float32, sampleRows)
	for i := range vectors {
		node := random.IntN(count)
		vectors[i], scales[i] = b.vectors[node], b.scales[node]
	}
	return sq8.Train(p.Dim, p.Clip, vectors, scales)
}

// dropMisfits removes those new nodes whose rows have become outliers: the last
// ones take their places. Old nodes stay, for walking over.
func (b *builder) dropMisfits() {
	g := b.graph
	count := g.Len()
	for node := b.prev.Len(); node < count; node++ {
		for count > node && g.rows[node] == None {
			count--
			g.rows[node], b.vectors[node], b.scales[node] = g.rows[count], b.vectors[count], b.scales[count]
			copy(g.code(uint32(node)), g.code(uint32(count)))
		}
	}
	g.rows, g.codes = g.rows[:count], g.codes[:count*g.quantizer.Stride()]
	b.vectors, b.scales = b.vectors[:count], b.scales[:count]
}

// padded returns how many values a row of float32 has.
func padded(dim int) int { return (dim + kernel.FloatLane - 1) / kernel.FloatLane * kernel.FloatLane }
