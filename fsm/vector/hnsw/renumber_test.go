package hnsw

import (
	"bytes"
	"testing"
)

// TestRenumber takes a third of the rows away and moves the others.
func TestRenumber(t *testing.T) {
	for name, w := range map[string]*world{
		"cosine": cosineWorld(14, size(1200), 8),
		"dot":    dotWorld(15, size(1200), 8),
	} {
		t.Run(name, func(t *testing.T) { testRenumber(t, w) })
	}
}

func testRenumber(t *testing.T, w *world) {
	g := w.build(t)
	before := encoded(t, g)
	moved := newTable(w.base.Len(), w.base.dim) // the rows by their new numbers
	moved.scales = make([]float32, moved.Len())
	back := make(map[uint32]uint32)
	var rows []uint32
	for row := range uint32(w.base.Len()) {
		if row%3 != 1 {
			to := uint32(len(rows))
			rows, back[to] = append(rows, to), row
			copy(moved.at(int(to)), w.base.at(int(row)))
			moved.scales[to] = w.base.Scale(row)
		}
	}
	forth := make(map[uint32]uint32)
	for to, row := range back {
		forth[row] = to
	}
	r := g.Renumber(func(old uint32) (uint32, bool) { row, ok := forth[old]; return row, ok })
	checkRows(t, r, rows)
	if r.Len() != g.Len() || !bytes.Equal(encoded(t, g), before) {
		t.Error("the graph that is renumbered changed, or nodes are gone")
	}
	for row := range rows {
		old, had := g.Node(back[uint32(row)])
		if node, ok := r.Node(uint32(row)); ok != had || ok && node != old {
			t.Errorf("row %d moved to another node", row)
		}
	}
	checkAnswers(t, w, r, moved, rows)

	// It is read again, and extended, like any other.
	data := encoded(t, r)
	read, err := Decode(bytes.NewReader(data), int64(len(data)), uint32(len(rows)))
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, read, rows)
	checkAnswers(t, w, read, moved, rows)
	n := uint32(len(rows))
	for row := n; row < uint32(moved.Len()); row++ {
		copy(moved.at(int(row)), w.base.at(int(row)))
		moved.scales[row] = w.base.Scale(row)
		rows = append(rows, row)
	}
	extended := mustBuild(t, w.params(), read, rows[n:], moved, Workers{Count: 2})
	checkRows(t, extended, rows)
	checkAnswers(t, w, extended, moved, rows)

	// When all rows are gone nothing is found any more.
	none := extended.Renumber(func(uint32) (uint32, bool) { return 0, false })
	checkRows(t, none, nil)
	checkAnswers(t, w, none, moved, nil)
	again := mustBuild(t, w.params(), none, rows, moved, Workers{})
	checkRows(t, again, rows)
	checkAnswers(t, w, again, moved, rows)
}

// checkAnswers checks that searches and scans find only rows, and the near ones.
func checkAnswers(t *testing.T, w *world, g *Graph, base *table, rows []uint32) {
	t.Helper()
	isRow := func(row uint32) bool { return row < uint32(len(rows)) }
	var nodes []uint32
	for _, row := range rows {
		if node, ok := g.Node(row); ok {
			nodes = append(nodes, node)
		}
	}
	hits, of := 0, 0
	for i := range w.queries.Len() {
		query := w.queries.at(i)
		scores := g.scores(query)
		checkScan(t, g, scores, nodes, 30, g.ScanAll(query, nil, 30, nil))
		checkScan(t, g, scores, nodes, 30, g.Scan(query, nodes, 30, nil))
		found, done := g.Search(&Search{Vector: query, Ef: 64}, nil)
		checkFound(t, found, 64, isRow)
		h, n := base.hits(g, query, isRow, topK, found)
		if hits, of = hits+h, of+n; !done {
			t.Error("a search gave up")
		}
	}
	if float64(hits) < .95*float64(of) {
		t.Errorf("%d of %d found", hits, of)
	}
}
