package hnsw

import (
	"cmp"
	"slices"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// scores returns the score of each node, one product of codes after another.
func (g *Graph) scores(vector []float32) []float32 {
	var query sq8.Query
	g.quantizer.Query(&query, vector)
	scores := make([]float32, g.Len())
	for node := range scores {
		product := int32(0)
		for j, code := range g.code(uint32(node)) {
			product += int32(query.Codes[j]) * int32(code)
		}
		scores[node] = query.Score(product)
	}
	return scores
}

// checkScan compares what a scan found with the best keep of all of nodes.
// Which of equal ones comes first is open.
func checkScan(t *testing.T, g *Graph, scores []float32, nodes []uint32, keep int, found []Candidate) {
	t.Helper()
	checkFound(t, found, keep, nil)
	var want []float32
	for _, node := range nodes {
		want = append(want, scores[node])
	}
	slices.SortFunc(want, func(x, y float32) int { return cmp.Compare(y, x) })
	want = want[:max(0, min(keep, len(want)))]
	if len(found) != len(want) {
		t.Fatalf("%d found of %d nodes, keep %d", len(found), len(nodes), keep)
	}
	for i, c := range found {
		node, ok := g.Node(c.Row)
		if !ok || !slices.Contains(nodes, node) || c.Score != scores[node] || c.Score != want[i] {
			t.Errorf("row %d with %g at %d, where %g belongs", c.Row, c.Score, i, want[i])
		}
	}
}

func testScan(t *testing.T, w *world, g *Graph) {
	query := w.queries.at(0)
	scores := g.scores(query)
	step := uint32(g.Len()/1000 + 1)
	var all []uint32 // in a mixed order
	for start := range step {
		for node := start; node < uint32(g.Len()); node += step {
			all = append(all, node)
		}
	}
	for _, count := range []int{0, 1, maxWidth - 1, maxWidth, maxWidth + 1, 1000} {
		count = min(count, len(all))
		for _, keep := range []int{0, 1, 10, 300, 2000} {
			found := g.Scan(query, all[:count], keep, nil)
			checkScan(t, g, scores, all[:count], keep, found)
		}
	}
	kept := Candidate{Row: 12345, Score: 99}
	if found := g.Scan(query, all[:20], 5, []Candidate{kept}); len(found) != 6 || found[0] != kept {
		t.Errorf("%v was not appended", found)
	}
}

func testScanAll(t *testing.T, w *world, g *Graph) {
	for i := range 5 {
		query := w.queries.at(i)
		scores := g.scores(query)
		for _, part := range []uint32{1, 2, 50, None} {
			admit := func(row uint32) bool { return row%part == 1%part }
			var nodes []uint32
			for node := range uint32(g.Len()) {
				if admit(g.Row(node)) {
					nodes = append(nodes, node)
				}
			}
			for _, keep := range []int{0, 1, 10, 300} {
				checkScan(t, g, scores, nodes, keep, g.ScanAll(query, admit, keep, nil))
				if part == 1 {
					checkScan(t, g, scores, nodes, keep, g.ScanAll(query, nil, keep, nil))
				}
			}
		}
	}
}
