package hnsw

import "slices"

// worker is what one goroutine of a build works with.
type worker struct {
	b        *builder
	scratch  *scratch
	selector selector
	edges    [maxLayers][]uint64 // links to add, per layer: where from, above where to
	outliers []uint32
}

func newWorker(b *builder) *worker {
	return &worker{b: b, scratch: new(scratch), selector: selector{b: b}}
}

// place finds the links of a node in the layers that are in use, writes them
// to its lists and notes the links back.
func (w *worker) place(it item) {
	g, s := w.b.graph, w.scratch
	if len(g.layers) == 0 {
		return // the first node
	}
	g.quantizer.Query(&s.query, w.b.vector(it.node))
	at, own := g.entry, it.top
	for i := it.level; i >= len(g.layers); i-- {
		own = w.b.layers[i].below[own]
	}
	for i := len(g.layers) - 1; i >= 0; i-- {
		l := g.layers[i]
		if i > it.level {
			at = l.below[g.climb(s, l, at)]
			continue
		}
		g.walk(s, l, []uint32{at}, g.params.EfConstruction)
		at = positionOf(s.pool.entries[0])
		w.meetPeers(i, own)
		w.link(i, own, it.node)
		if i > 0 {
			at, own = l.below[at], l.below[own]
		}
	}
}

// meetPeers offers the peers of position own of layer i to the pool.
func (w *worker) meetPeers(i int, own uint32) {
	g, s := w.b.graph, w.scratch
	s.meet([]uint32{own}, 0) // it is none of its neighbours
	for peers := range slices.Chunk(w.b.peers[i], batch) {
		peers = s.positions[:s.meet(peers, 0)]
		s.pool.offer(peers, g.score(s, g.layers[i], peers))
	}
}

// link gives the node at position own of layer i links to the best of the pool.
func (w *worker) link(i int, own, node uint32) {
	l := w.b.graph.layers[i]
	sel := &w.selector
	sel.start(l, node)
	for _, e := range w.scratch.pool.entries {
		sel.add(positionOf(e), false)
	}
	list := l.list(own)
	m := w.b.graph.params.M
	links, kept := sel.choose(m, m, blockSize)
	for at, c := range links {
		list[at] = c.position
		w.edges[i] = append(w.edges[i], uint64(c.position)<<32|uint64(own))
	}
	l.kept[own] = uint8(kept)
}

// linkBack adds links that start at one position. If there is no room for them
// they compete with those that are there.
func (w *worker) linkBack(l *layer, edges []uint64) {
	from := uint32(edges[0] >> 32)
	list, links := l.list(from), l.links(from)
	edges = slices.DeleteFunc(edges, func(edge uint64) bool { // peers that chose each other
		return slices.Contains(links, uint32(edge))
	})
	if len(links)+len(edges) <= len(list) {
		for i, edge := range edges {
			list[len(links)+i] = uint32(edge)
		}
		return
	}
	sel := &w.selector
	sel.start(l, l.node(from))
	for i, position := range links {
		sel.add(position, i < int(l.kept[from]))
	}
	for _, edge := range edges {
		sel.add(uint32(edge), false)
	}
	// Some room is left, so that not every further link makes them compete.
	chosen, kept := sel.choose(l.width, l.width*3/4, len(sel.candidates))
	for i, c := range chosen {
		list[i] = c.position
	}
	fill(list[len(chosen):], None)
	l.kept[from] = uint8(kept)
}
