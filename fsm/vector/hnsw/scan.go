package hnsw

import "github.com/kissvdb/kissvdb/fsm/vector/kernel"

// Scan appends to dst the best keep of the given nodes, best first. They are
// fastest in ascending order.
func (g *Graph) Scan(vector []float32, nodes []uint32, keep int, dst []Candidate) []Candidate {
	if keep < 1 || len(nodes) == 0 {
		return dst
	}
	sc := g.scratch.Get().(*scratch)
	defer g.scratch.Put(sc)
	g.quantizer.Query(&sc.query, vector)
	sc.admitted.reset(keep)
	for len(nodes) > 0 {
		n := min(len(nodes), batch)
		sc.admitted.offer(nodes[:n], g.score(sc, g.layers[0], nodes[:n]))
		nodes = nodes[n:]
	}
	return g.candidates(sc, &sc.admitted, dst)
}

// ScanAll appends to dst the best keep of all nodes whose rows are admitted,
// best first; admit = nil admits all.
func (g *Graph) ScanAll(vector []float32, admit func(row uint32) bool, keep int, dst []Candidate) []Candidate {
	if keep < 1 || g.Len() == 0 {
		return dst
	}
	sc := g.scratch.Get().(*scratch)
	defer g.scratch.Put(sc)
	g.quantizer.Query(&sc.query, vector)
	sc.admitted.reset(keep)
	for start := 0; start < g.Len(); start += batch {
		end := min(start+batch, g.Len())
		nodes := sc.nodes[:0]
		for node := start; node < end; node++ {
			if row := g.rows[node]; row != None && (admit == nil || admit(row)) {
				nodes = append(nodes, uint32(node))
			}
		}
		products := sc.products[:len(nodes)]
		if len(nodes) == end-start {
			kernel.DotCodeRows(sc.query.Codes, g.codes[start*len(sc.query.Codes):], products)
		} else {
			kernel.DotCodes(sc.query.Codes, g.codes, nodes, products)
		}
		sc.admitted.offer(nodes, products)
	}
	return g.candidates(sc, &sc.admitted, dst)
}
