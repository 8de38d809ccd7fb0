package hnsw

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

var benchSets = []string{"glove100", "synth384", "synth768"}

var efs = map[string][]int{
	"glove100": {64, 88, 96, 100, 104, 112, 128, 192, 256, 288, 304, 320, 352, 384, 448},
	"synth768": {10, 12, 14, 16, 20, 24, 28, 32, 48},
	"synth384": {10, 11, 12, 13, 14, 16, 20, 24, 26, 28, 30, 32, 40, 48, 64, 96},
}

const topK = 10

func buildBench(b testing.TB, s *dataSet, workers int) *Graph {
	p := Params{Dim: s.base.dim, Clip: true, Seed: 1}
	g, err := Build(context.Background(), p, nil, rowNumbers(0, s.base.Len()), s.base, Workers{Count: workers})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkBuild builds a graph over each set.
func BenchmarkBuild(b *testing.B) {
	for _, name := range benchSets {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				s := openDataSet(b, name)
				for b.Loop() {
					g := buildBench(b, s, workers)
					b.ReportMetric(float64(g.Bytes())/float64(g.Len())-float64(g.quantizer.Stride()), "B/node")
				}
			})
		}
	}
}

// BenchmarkSearch measures searches, the exact order of the best 2k candidates
// included; an iteration is a pass over all queries. QPSmin takes for each query
// its fastest pass: the machine may be busy with other things.
func BenchmarkSearch(b *testing.B) {
	for _, name := range benchSets {
		var s *dataSet
		var g *Graph
		for _, ef := range efs[name] {
			b.Run(fmt.Sprintf("%s/ef=%d", name, ef), func(b *testing.B) {
				if g == nil {
					s = openDataSet(b, name)
					g = benchGraph(b, name, s)
				}
				benchSearch(b, s, g, ef)
			})
		}
	}
}

// graphDir is where benchmarks keep the graphs that they have built for the
// next time; not set = they do not.
const graphDir = "KISSVDB_VECTOR_GRAPHS"

func benchGraph(b *testing.B, name string, s *dataSet) *Graph {
	dir := os.Getenv(graphDir)
	path := filepath.Join(dir, name+".graph")
	if file, err := os.ReadFile(path); dir != "" && err == nil {
		g, err := Decode(bytes.NewReader(file), int64(len(file)), uint32(s.base.Len()))
		if err != nil {
			b.Fatal(err)
		}
		return g
	}
	g := buildBench(b, s, 2)
	if dir != "" {
		if err := os.WriteFile(path, encoded(b, g), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return g
}

func benchSearch(b *testing.B, s *dataSet, g *Graph, ef int) {
	count := s.queries.Len()
	fastest := slices.Repeat([]time.Duration{time.Hour}, count)
	var r reranker
	search := Search{Ef: ef}
	passes := 0
	for b.Loop() {
		for i := range count {
			begin := time.Now()
			search.Vector = s.queries.at(i)
			r.found, _ = g.Search(&search, r.found[:0])
			r.best(s, search.Vector, topK)
			fastest[i] = min(fastest[i], time.Since(begin))
		}
		passes++
	}
	recall := recallOf(s, g, ef)
	sum := time.Duration(0)
	for _, d := range fastest {
		sum += d
	}
	b.ReportMetric(float64(passes*count)/b.Elapsed().Seconds(), "QPS")
	b.ReportMetric(float64(count)/sum.Seconds(), "QPSmin")
	b.ReportMetric(recall, "recall@10")
}

// reranker orders candidates by their exact products, as the caller does.
type reranker struct {
	found  []Candidate
	rows   []*float32
	exact  []float64
	order  []int
	result []uint32
}

// best returns the best k rows of the best 2k candidates found, 20 at least.
func (r *reranker) best(s *dataSet, query []float32, k int) []uint32 {
	found := r.found[:min(len(r.found), max(20, 2*k))]
	r.rows, r.order, r.result = r.rows[:0], r.order[:0], r.result[:0]
	for i, c := range found {
		r.rows, r.order = append(r.rows, s.base.Row(c.Row)), append(r.order, i)
	}
	r.exact = slices.Grow(r.exact[:0], len(found))[:len(found)]
	kernel.DotExact(query, r.rows, r.exact)
	slices.SortFunc(r.order, func(x, y int) int { return cmp.Compare(r.exact[y], r.exact[x]) })
	for _, at := range r.order[:min(k, len(r.order))] {
		r.result = append(r.result, found[at].Row)
	}
	return r.result
}
