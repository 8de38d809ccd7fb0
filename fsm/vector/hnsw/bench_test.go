package hnsw

import (
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

var benchSets = []string{"glove100", "synth384"}

var efs = map[string][]int{
	"glove100": {64, 96, 104, 112, 120, 128, 160, 256, 320, 352, 368, 384, 448},
	"synth384": {16, 18, 20, 24, 32, 40, 44, 48, 64, 96},
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

// reranker orders candidates by their exact products, as the caller does.
type reranker struct {
	rows  []*float32
	exact []float64
	order []int
}

func (r *reranker) best(s *dataSet, query []float32, found []Candidate, k int) {
	r.rows, r.order = r.rows[:0], r.order[:0]
	for i, c := range found {
		r.rows = append(r.rows, s.base.Row(c.Row))
		r.order = append(r.order, i)
	}
	r.exact = slices.Grow(r.exact[:0], len(found))[:len(found)]
	kernel.DotExact(query, r.rows, r.exact)
	slices.SortFunc(r.order, func(x, y int) int { return cmp.Compare(r.exact[y], r.exact[x]) })
	r.order = r.order[:min(k, len(r.order))]
}

// BenchmarkSearch measures searches, the exact order of the best 2k candidates
// included. QPSmin takes for each query its fastest pass: the machine may be
// busy with other things.
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

func benchGraph(b *testing.B, name string, s *dataSet) *Graph {
	path := os.Getenv("KISSVDB_VECTOR_GRAPHS")
	if path == "" {
		return buildBench(b, s, 2)
	}
	path = filepath.Join(path, name+".graph")
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		g, err := Decode(f, info.Size(), uint32(s.base.Len()))
		if err != nil {
			b.Fatal(err)
		}
		return g
	}
	g := buildBench(b, s, 2)
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Encode(f); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return g
}

func benchSearch(b *testing.B, s *dataSet, g *Graph, ef int) {
	count := s.queries.Len()
	fastest := make([]time.Duration, count)
	for i := range fastest {
		fastest[i] = time.Hour
	}
	var found []Candidate
	var r reranker
	hits := 0
	search := Search{Ef: ef}
	start := time.Now()
	passes := 5
	for pass := range passes {
		for i := range count {
			begin := time.Now()
			search.Vector = s.queries.at(i)
			found, _ = g.Search(&search, found[:0])
			best := found[:min(len(found), max(20, 2*topK))]
			r.best(s, search.Vector, best, topK)
			fastest[i] = min(fastest[i], time.Since(begin))
			if pass == 0 {
				for _, at := range r.order {
					if slices.Contains(s.truth[i][:topK], best[at].Row) {
						hits++
					}
				}
			}
		}
	}
	elapsed := time.Since(start)
	sum := time.Duration(0)
	for _, d := range fastest {
		sum += d
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(passes*count)/elapsed.Seconds(), "QPS")
	b.ReportMetric(float64(count)/sum.Seconds(), "QPSmin")
	b.ReportMetric(float64(hits)/float64(count*topK), "recall@10")
}
