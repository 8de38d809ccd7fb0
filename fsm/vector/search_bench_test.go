package vector

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// dataEnv names the folder of the sets that the benchmarks search, without
// which they are skipped: files NAME.base.vf32 and NAME.query.vf32 ("VF32",
// version, count, dimension, all u32, then float32, little endian).
const dataEnv = "KISSVDB_VECTOR_DATA"

// topics is how many parts the rows of a benchmark are cut into, each around
// one of its rows.
const topics = 100

// benchSet is a data set in a collection with one graph.
type benchSet struct {
	reader  *Reader
	queries [][]float32
	topics  []int // of the queries
}

var benchSets = map[string]func(tb testing.TB) *benchSet{
	"glove100": loadOnce("glove100"),
	"synth384": loadOnce("synth384"),
}

func loadOnce(name string) func(tb testing.TB) *benchSet {
	var once sync.Once
	var set *benchSet
	return func(tb testing.TB) *benchSet {
		if os.Getenv(dataEnv) == "" {
			tb.Skip(dataEnv + " is not set")
		}
		once.Do(func() { set = loadSet(tb, name) })
		if set == nil {
			tb.Skip("no data")
		}
		return set
	}
}

func loadSet(tb testing.TB, name string) *benchSet {
	base, queries := readVectors(tb, name+".base.vf32"), readVectors(tb, name+".query.vf32")
	f := fixture{
		metric: record.Cosine, dim: len(base[0]), rows: len(base),
		vector: func(_ *rand.Rand, row int) []float32 { return base[row] },
		meta:   func(rng *rand.Rand, row int) string { return benchMeta(rng, topicOf(base, base[row])) },
	}
	f.graphs, f.effort = []int{f.rows}, 200
	set := &benchSet{reader: f.reader(tb, 1), queries: queries}
	for _, q := range queries {
		set.topics = append(set.topics, topicOf(base, q))
	}
	return set
}

// permilles are the shares of rows that the benchmarks' filters match.
var permilles = []int{1, 10, 50, 100, 200, 500, 900}

// benchMeta has the row's topic and, for each share, whether it belongs to it.
func benchMeta(rng *rand.Rand, topic int) string {
	meta, luck := fmt.Sprintf(`{"t":%d`, topic), rng.IntN(1000)
	for _, permille := range permilles {
		meta += fmt.Sprintf(`,"in%d":%t`, permille, luck < permille)
	}
	return meta + "}"
}

// topicOf returns the number of the nearest of some rows.
func topicOf(base [][]float32, v []float32) int {
	best, nearest := math.Inf(-1), 0
	for t := range topics {
		var s float32
		for j, x := range base[t*len(base)/topics] {
			s += x * v[j]
		}
		if float64(s) > best {
			best, nearest = float64(s), t
		}
	}
	return nearest
}

func readVectors(tb testing.TB, name string) [][]float32 {
	data, err := os.ReadFile(filepath.Join(os.Getenv(dataEnv), name))
	if err != nil || len(data) < 16 {
		tb.Skip("no data: ", err)
	}
	dim := int(binary.LittleEndian.Uint32(data[12:]))
	all := make([][]float32, binary.LittleEndian.Uint32(data[8:]))
	for i := range all {
		all[i] = record.DecodeVector(nil, data[16+4*dim*i:16+4*dim*(i+1)])
	}
	return all
}

// measure runs queries one after another, b.N times all of them, and reports
// the recall and the queries per second by the quickest run of each.
func (set *benchSet) measure(b *testing.B, query func(i int) Query) {
	least := make([]time.Duration, len(set.queries))
	found, wanted := 0, 0
	for round := 0; b.Loop(); round++ {
		for i, v := range set.queries {
			q := query(i)
			q.Vector = v
			start := time.Now()
			hits := nearest(b, set.reader, &q)
			if took := time.Since(start); round == 0 || took < least[i] {
				least[i] = took
			}
			if round > 0 || i >= 200 {
				continue
			}
			q.Exact = true
			want := nearest(b, set.reader, &q)
			wanted += len(want)
			for _, h := range hits {
				if slices.Contains(want, h) {
					found++
				}
			}
		}
	}
	var sum time.Duration
	for _, took := range least {
		sum += took
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(least))/sum.Seconds(), "qps")
	b.ReportMetric(float64(found)/float64(max(1, wanted)), "recall")
}

// BenchmarkSearch searches with several numbers of candidates.
func BenchmarkSearch(b *testing.B) {
	for _, name := range []string{"glove100", "synth384"} {
		for _, ef := range []int{0, 16, 24, 32, 48, 64, 96, 128, 256, 512} {
			b.Run(fmt.Sprintf("%s/ef=%d", name, ef), func(b *testing.B) {
				benchSets[name](b).measure(b, func(int) Query { return Query{K: 10, Ef: ef} })
			})
		}
		b.Run(name+"/exact", func(b *testing.B) {
			benchSets[name](b).measure(b, func(int) Query { return Query{K: 10, Exact: true} })
		})
	}
}

// BenchmarkFiltered searches with filters that have nothing to do with the
// vectors.
func BenchmarkFiltered(b *testing.B) {
	for _, name := range []string{"glove100", "synth384"} {
		for _, permille := range permilles {
			b.Run(fmt.Sprintf("%s/permille=%d", name, permille), func(b *testing.B) {
				f := parseFilter(b, fmt.Sprintf(`{"in%d":true}`, permille))
				benchSets[name](b).measure(b, func(int) Query { return Query{K: 10, Filter: f} })
			})
		}
	}
}

// BenchmarkTopics searches with filters that ask for some topics, wherever the
// query is, and with filters that leave out all topics around the query's.
func BenchmarkTopics(b *testing.B) {
	for _, name := range []string{"glove100", "synth384"} {
		for _, n := range []int{5, 10, 40} {
			b.Run(fmt.Sprintf("%s/in=%d", name, n), func(b *testing.B) {
				f := parseFilter(b, fmt.Sprintf(`{"t":{"$lt":%d}}`, n))
				benchSets[name](b).measure(b, func(int) Query { return Query{K: 10, Filter: f} })
			})
		}
		b.Run(name+"/without", func(b *testing.B) {
			set := benchSets[name](b)
			var without [topics]*filter.Filter
			for t := range without {
				without[t] = parseFilter(b, fmt.Sprintf(`{"t":{"$ne":%d}}`, t))
			}
			set.measure(b, func(i int) Query { return Query{K: 10, Filter: without[set.topics[i]]} })
		})
	}
}
