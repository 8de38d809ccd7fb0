package hnsw

import (
	"math"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/memory"
)

const (
	maxLayers = 32

	// A batch is at most a part of what was inserted before, so that most
	// neighbours of a node are in the graph already.
	batchPart = 8
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
func (b *builder) makeRoom() {
	g := b.graph
	counts := make([]int, maxLayers)
	height := max(1, len(b.prev.layers))
	for _, node := range b.todo {
		level := levelOf(g.params, g.rows[node])
		height = max(height, level+1)
		for i := 1; i <= level; i++ {
			counts[i]++
		}
	}
	counts[0] = g.Len() - b.prev.Len()
	for i := range height {
		old := &layer{width: width(g.params, i)}
		if i < len(b.prev.layers) {
			old = b.prev.layers[i]
		}
		b.layers = append(b.layers, b.grow(old, i, old.count()+counts[i]))
	}
	g.layers, g.entry = b.layers[:len(b.prev.layers)], b.prev.entry
}

// grow returns a copy of a layer with room for count positions.
func (b *builder) grow(old *layer, number, count int) *layer {
	l := &layer{width: old.width, lists: memory.Make[uint32](count * old.width), kept: make([]uint8, count)}
	copyTo(b, l.lists, old.lists, None)
	copy(l.kept, old.kept)
	if number > 0 {
		l.nodes = append(make([]uint32, 0, count), old.nodes...)
		l.below = append(make([]uint32, 0, count), old.below...)
	}
	return l
}

// item is a node of a batch.
type item struct {
	node  uint32
	level int
	top   uint32 // position in its highest layer
}

// insert links the nodes of todo. They are taken in batches: the links of all
// nodes of one are found in parallel, in the graph as it was before and among
// the batch; then the links back are added, in parallel by where they start.
func (b *builder) insert() {
	for done := 0; done < len(b.todo) && b.ctx.Err() == nil; {
		batch := b.take(b.todo[done:], max(1, min(done/batchPart, batchMost)))
		b.introduce(batch)
		b.parallel(len(batch), 1, func(w *worker, i, _ int) { w.place(batch[i]) })
		b.linkBack()
		if it := batch[0]; it.level >= len(b.graph.layers) {
			b.graph.layers, b.graph.entry = b.layers[:it.level+1], it.top
		}
		done += len(batch)
	}
}

// take makes a batch of at most size nodes and gives them their positions. A
// node that needs a layer that is not in use is a batch of its own.
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

// introduce makes the nodes of a batch peers.
func (b *builder) introduce(batch []item) {
	for i := range b.peers {
		b.peers[i] = b.peers[i][:0]
	}
	for _, it := range batch {
		position := it.top
		for i := it.level; i > 0; i-- {
			b.peers[i] = append(b.peers[i], position)
			position = b.layers[i].below[position]
		}
		b.peers[0] = append(b.peers[0], position)
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
		b.parallel(len(starts)-1, 16, func(w *worker, from, to int) {
			for at := from; at < to; at++ {
				w.linkBack(l, edges[starts[at]:starts[at+1]])
			}
		})
	}
}
