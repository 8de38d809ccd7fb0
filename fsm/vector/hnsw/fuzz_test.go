package hnsw

import (
	"bytes"
	"testing"
)

// FuzzDecode reads graphs that may be anything, with right checksums. What is
// read can be used like any other graph.
func FuzzDecode(f *testing.F) {
	for _, g := range tiny(f) {
		data := encoded(f, g)
		f.Add(data)
		for i := range 6 {
			starts, sizes := sections(data)
			if i < len(starts) && sizes[i] >= 8 {
				f.Add(forged(data, i, 4, 1))
			}
		}
	}
	w := dotWorld(24, tinyRows, 3)
	f.Fuzz(func(t *testing.T, data []byte) {
		data = resealed(data)
		g, err := decode(data)
		if err != nil {
			return
		}
		if !bytes.Equal(encoded(t, g), data) {
			t.Error("what was read is written otherwise")
		}
		if g.Dim() > 64 || g.params.EfConstruction > 1000 {
			return
		}
		useAll(t, g, w)
	})
}

// useAll does with a graph whatever can be done. Only that it ends without a
// panic counts: a forged graph may find nothing.
func useAll(t *testing.T, g *Graph, w *world) {
	query := make([]float32, padded(g.Dim()))
	copy(query, w.queries.at(0)[:min(g.Dim(), 3)])
	odd := func(row uint32) bool { return row%2 == 1 }
	var nodes []uint32
	for row := range uint32(tinyRows) {
		if node, ok := g.Node(row); ok {
			nodes = append(nodes, node)
		}
	}
	for _, s := range []Search{{Ef: 4}, {Ef: 1000}, {Ef: 4, Admit: odd}, {Ef: 9, Admit: odd, Share: .01}, {Ef: 9, Budget: 3}} {
		s.Vector = query
		g.Search(&s, nil)
	}
	g.Scan(query, nodes, 5, nil)
	g.ScanAll(query, odd, 5, nil)
	r := g.Renumber(func(row uint32) (uint32, bool) { return row / 2, row%2 == 0 })
	r.Search(&Search{Vector: query, Ef: 10}, nil)

	rows := newTable(tinyRows, g.Dim())
	for row := range tinyRows {
		copy(rows.at(row)[:g.Dim()], w.base.at(row)[:3])
	}
	var more []uint32
	for row := range uint32(tinyRows / 2) {
		if _, ok := r.Node(row); !ok {
			more = append(more, row)
		}
	}
	mustBuild(t, Params{}, r, more, rows, Workers{}).Search(&Search{Vector: query, Ef: 10}, nil)
}
