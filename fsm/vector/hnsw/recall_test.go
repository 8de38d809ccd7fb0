package hnsw

import (
	"slices"
	"testing"
)

// TestRecallOfDataSets holds searches to what they find in real vectors, and
// in 100,000 made-up ones, of those sets that there are.
func TestRecallOfDataSets(t *testing.T) {
	if testing.Short() {
		t.Skip("builds graphs of 100,000 vectors")
	}
	for name, floors := range map[string]map[int]float64{
		"glove100": {64: .90, 104: .95, 320: .989},
		"synth384": {12: .94, 16: .96, 32: .99},
	} {
		t.Run(name, func(t *testing.T) {
			s := openDataSet(t, name)
			g := buildBench(t, s, 2)
			for ef, floor := range floors {
				if recall := recallOf(s, g, ef); recall < floor {
					t.Errorf("ef %d: recall@%d is %.4f, at least %.3f is due", ef, topK, recall, floor)
				}
			}
		})
	}
}

// recallOf returns which share of the true best topK is found, over all queries.
func recallOf(s *dataSet, g *Graph, ef int) float64 {
	var r reranker
	search := Search{Ef: ef}
	hits := 0
	for i := range s.queries.Len() {
		search.Vector = s.queries.at(i)
		r.found, _ = g.Search(&search, r.found[:0])
		for _, row := range r.best(s, search.Vector, topK) {
			if slices.Contains(s.truth[i][:topK], row) {
				hits++
			}
		}
	}
	return float64(hits) / float64(s.queries.Len()*topK)
}
