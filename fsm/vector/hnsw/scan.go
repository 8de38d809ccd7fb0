package hnsw

import "github.com/kissvdb/kissvdb/fsm/vector/kernel"

// Scan appends to dst the best keep of the given nodes, best first.
func (g *Graph) Scan(vector []float32, nodes []uint32, keep int, dst []Candidate) []Candidate {
	if g.Len() == 0 || keep < 1 {
		return dst
	}
	sc := g.scratch.Get().(*scratch)
	defer g.scratch.Put(sc)
	g.quantizer.Query(&sc.query, vector)
	sc.admitted.reset(keep)
	for len(nodes) > 0 {
		n := min(len(nodes), len(sc.products))
		kernel.DotCodes(sc.query.Codes, g.codes, nodes[:n], sc.products[:n])
		sc.admitted.offer(nodes[:n], sc.products[:n])
		nodes = nodes[n:]
	}
	return g.candidates(sc, &sc.admitted, dst)
}

// ScanAll appends to dst the best keep of all nodes whose rows are admitted,
// best first; admit = nil admits all.
func (g *Graph) ScanAll(vector []float32, admit func(row uint32) bool, keep int, dst []Candidate) []Candidate {
	if g.Len() == 0 || keep < 1 {
		return dst
	}
	sc := g.scratch.Get().(*scratch)
	defer g.scratch.Put(sc)
	g.quantizer.Query(&sc.query, vector)
	sc.admitted.reset(keep)
	nodes := sc.nodes[:0]
	flush := func() {
		kernel.DotCodes(sc.query.Codes, g.codes, nodes, sc.products[:len(nodes)])
		sc.admitted.offer(nodes, sc.products[:len(nodes)])
		nodes = nodes[:0]
	}
	for node, row := range g.rows {
		if row == None || admit != nil && !admit(row) {
			continue
		}
		if nodes = append(nodes, uint32(node)); len(nodes) == batch {
			flush()
		}
	}
	flush()
	return g.candidates(sc, &sc.admitted, dst)
}
