package hnsw

import (
	"math"
	"slices"
)

const (
	minM      = 4
	maxLayers = 32

	// A batch is at most a part of what was inserted before, so that nodes that
	// do not see each other are few among their neighbours.
	batchPart = 32
	batchMost = 1024
)

// levelOf returns the highest layer of a row's node: one in M nodes of a layer
// is in the next one too.
func levelOf(p Params, row uint32) int {
	z := p.Seed + (uint64(row)+1)*0x9e3779b97f4a7c15 // splitmix64
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	u := (float64(z>>11) + 1) / (1 << 53) // above 0, up to 1
	return min(int(-math.Log(u)/math.Log(float64(p.M))), maxLayers-1)
}

// makeRoom makes the layers, with the links of prev and room for todo.
func (b *builder) makeRoom([]uint32) {
	g := b.graph
	counts := make([]int, maxLayers)
	height := len(b.prev.layers)
	for _, node := range b.todo {
		level := levelOf(g.params, g.rows[node])
		height = max(height, level+1)
		for i := 1; i <= level; i++ {
			counts[i]++
		}
	}
	counts[0] = g.Len() - b.prev.Len()
	for i := range max(1, height) {
		l := &layer{width: g.params.M}
		if i == 0 {
			l.width *= 2
		}
		if i < len(b.prev.layers) {
			l = b.prev.layers[i]
		}
		grown := l.grown(len(l.kept) + counts[i])
		if i > 0 {
			grown.nodes = append(make([]uint32, 0, len(grown.kept)), l.nodes...)
			grown.below = append(make([]uint32, 0, len(grown.kept)), l.below...)
		}
		b.layers = append(b.layers, grown)
	}
	g.layers, g.entry = b.layers[:len(b.prev.layers)], b.prev.entry
}

// item is a node of a batch.
type item struct {
	node  uint32
	level int
	top   uint32 // position in its highest layer
}

// insertAll links the nodes of todo. They are taken in batches: the links of
// all nodes of one are found in parallel in the graph as it was before, then
// the links to them are added, in parallel by where they start.
func (b *builder) insertAll([]uint32) {
	inserted := 0
	for len(b.todo) > inserted && b.ctx.Err() == nil {
		batch := b.take(b.todo[inserted:], max(1, min(inserted/batchPart, batchMost)))
		b.parallel(len(batch), 1, func(w *worker, i int) { w.place(batch[i]) })
		b.linkBack()
		inserted += len(batch)
		b.raise(batch)
	}
}

// take makes a batch of at most size nodes and gives them their positions. A
// node that raises the graph is a batch of its own.
func (b *builder) take(todo []uint32, size int) []item {
	var batch []item
	for _, node := range todo[:min(size, len(todo))] {
		it := item{node: node, level: levelOf(b.graph.params, b.graph.rows[node]), top: node}
		raises := it.level >= len(b.graph.layers)
		if raises && len(batch) > 0 {
			break
		}
		for _, l := range b.layers[1 : it.level+1] {
			l.nodes, l.below = append(l.nodes, node), append(l.below, it.top)
			it.top = uint32(len(l.nodes) - 1)
		}
		batch = append(batch, it)
		if raises {
			break
		}
	}
	return batch
}

// raise makes the node of a batch the entry if it is in layers that were not in
// use.
func (b *builder) raise(batch []item) {
	if it := batch[0]; it.level >= len(b.graph.layers) {
		b.graph.layers, b.graph.entry = b.layers[:it.level+1], it.top
	}
}

// linkBack adds a link back for each link that the workers found.
func (b *builder) linkBack() {
	for i, l := range b.graph.layers {
		var edges []uint64
		for _, w := range b.crew {
			edges = append(edges, w.edges[i]...)
			w.edges[i] = w.edges[i][:0]
		}
		slices.Sort(edges)
		var starts []int // of the edges that start at one position
		for at := range edges {
			if at == 0 || edges[at]>>32 != edges[at-1]>>32 {
				starts = append(starts, at)
			}
		}
		starts = append(starts, len(edges))
		b.parallel(len(starts)-1, 16, func(w *worker, at int) {
			w.linkBack(l, edges[starts[at]:starts[at+1]])
		})
	}
}
