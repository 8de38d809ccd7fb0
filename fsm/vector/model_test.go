package vector

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// twin is what a collection must be: points by id.
type twin map[string]Point

// TestModel runs random writes, deletes, vacuums, snapshots and restores over
// a store on disk, one in memory, and a twin made of a map.
func TestModel(t *testing.T) {
	for _, metric := range []record.Metric{record.Cosine, record.Dot} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", metric, seed), func(t *testing.T) {
				m := newModel(t, metric, seed)
				for range 120 {
					m.step()
				}
				m.compare()
			})
		}
	}
}

type model struct {
	t          *testing.T
	rnd        *rand.Rand
	dir        string
	disk       *bed
	mem        *bed
	twin       twin
	last       *snapshot
	twinAtLast twin
}

const modelDim = 9

func newModel(t *testing.T, metric record.Metric, seed uint64) *model {
	m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), twin: twin{}}
	m.disk = newBed(t, Config{Dir: m.dir, Graph: 200, Workers: 2})
	m.mem = newBed(t, Config{Graph: 1 << 30})
	for _, b := range m.beds() {
		b.create("c", modelDim, metric)
	}
	return m
}

func (m *model) beds() []*bed { return []*bed{m.disk, m.mem} }

func (m *model) step() {
	switch n := m.rnd.IntN(20); {
	case n < 10:
		m.put(1 + m.rnd.IntN(80))
	case n == 10:
		m.disk.build("c")
	case n < 14:
		m.delete(1 + m.rnd.IntN(40))
	case n == 14:
		m.vacuum()
	case n == 15:
		m.last, m.twinAtLast = m.disk.snapshot(), maps.Clone(m.twin)
	case n == 16:
		m.install()
	case n == 17:
		m.restart()
	default:
		m.compare()
	}
}

func (m *model) put(n int) {
	batch := make([]Point, 0, n)
	for range n {
		p := Point{ID: fmt.Sprintf("%03d", m.rnd.IntN(600)), Vector: m.vector(), Meta: fmt.Sprintf(`{"n":%d}`, m.rnd.IntN(10))}
		batch, m.twin[p.ID] = append(batch, p), p
	}
	for _, b := range m.beds() {
		b.put("c", batch...)
	}
}

// vector is mostly an ordinary one.
func (m *model) vector() []float32 {
	v := randomVector(m.rnd, modelDim)
	switch m.rnd.IntN(50) {
	case 0:
		clear(v)
	case 1:
		v[0] = math.MaxFloat32
	case 2:
		for i := range v {
			v[i] *= 1e-30
		}
	case 3:
		for i := range v {
			v[i] = 1
		}
	}
	return v
}

func (m *model) delete(n int) {
	ids := slices.Sorted(maps.Keys(m.twin))
	m.rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ids = ids[:min(n, len(ids))]
	for _, id := range ids {
		delete(m.twin, id)
	}
	for _, b := range m.beds() {
		b.delete("c", ids...)
	}
}

func (m *model) vacuum() {
	before := m.disk.digest()
	for _, b := range m.beds() {
		b.entry(func(c *record.Change) { b.s.RequestVacuum(c, &record.VectorVacuum{Collection: []byte("c")}) })
		if _, err := b.s.AwaitVacuum(context.Background(), "c"); err != nil {
			m.t.Fatal(err)
		}
		if info := b.info("c"); info.Deleted != 0 || info.Records != info.Live {
			m.t.Errorf("after a vacuum: %+v", info)
		}
	}
	if m.disk.digest() != before {
		m.t.Error("a vacuum changed what is replicated")
	}
}

// install restores a snapshot of the store on disk into both.
func (m *model) install() {
	s := m.disk.snapshot()
	if m.mem.restore(s) {
		m.t.Error("a store in memory restored from its own files")
	}
	if m.disk.restore(s) {
		m.t.Error("a running store restored from its own files")
	}
}

// restart opens the store on disk again, from the last snapshot, and applies
// what came after it once more, here by way of the other one.
func (m *model) restart() {
	if m.last == nil {
		return
	}
	if err := m.disk.s.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.disk = newBed(m.t, Config{Dir: m.dir, Graph: 200, Workers: 2})
	m.disk.restore(m.last)
	m.mem.restore(m.disk.snapshot())
	m.twin = maps.Clone(m.twinAtLast)
}

func (m *model) compare() {
	m.t.Helper()
	if d, e := m.disk.digest(), m.mem.digest(); d != e {
		m.t.Fatal("the stores differ")
	}
	for _, b := range m.beds() {
		m.comparePoints(b)
		m.compareSearch(b, nil)
		f, err := filter.Parse([]byte(`{"n":{"$lt":3}}`))
		if err != nil {
			m.t.Fatal(err)
		}
		m.compareSearch(b, f)
	}
}

func (m *model) comparePoints(b *bed) {
	m.t.Helper()
	if info := b.info("c"); info.Live != uint64(len(m.twin)) {
		m.t.Fatalf("%d points, want %d", info.Live, len(m.twin))
	}
	for id, want := range m.twin {
		got, _, found := b.s.Get("c", id)
		if !found || got.Meta != want.Meta || !slices.Equal(got.Vector, want.Vector) {
			m.t.Fatalf("point %s: %+v, want %+v", id, got, want)
		}
	}
}

// compareSearch compares exact search with the twin's, and the number of hits
// of the other.
func (m *model) compareSearch(b *bed, f *filter.Filter) {
	m.t.Helper()
	q := &Query{Vector: m.vector(), K: 1 + m.rnd.IntN(30), Filter: f, Exact: true}
	r := b.reader("c")
	got, err := r.Search(context.Background(), q)
	if err != nil {
		m.t.Fatal(err)
	}
	want := m.twin.search(q, r.metric)
	if !slices.EqualFunc(got, want, func(g, w Hit) bool { return g.ID == w.ID && near(g.Score, w.Score) }) {
		m.t.Fatalf("search %v: %v, want %v", q.Vector, got, want)
	}
	q.Exact = false
	if got, err = r.Search(context.Background(), q); err != nil || len(got) != len(want) {
		m.t.Fatalf("search: %d hits, want %d, %v", len(got), len(want), err)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(a), math.Abs(b)) }

// search compares with all points, in float64, rounded as scores are.
func (w twin) search(q *Query, metric record.Metric) []Hit {
	var hits []Hit
	for _, p := range w {
		if q.Filter != nil && !q.Filter.Match([]byte(p.Meta)) {
			continue
		}
		score := product(q.Vector, p.Vector)
		if norms := math.Sqrt(product(q.Vector, q.Vector)) * math.Sqrt(product(p.Vector, p.Vector)); metric == record.Cosine && norms > 0 {
			score = max(-1, min(1, score/norms))
		}
		hits = append(hits, Hit{ID: p.ID, Score: float64(float32(score)), Meta: p.Meta})
		if math.IsInf(hits[len(hits)-1].Score, 0) {
			hits[len(hits)-1].Score = score
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	return hits[:min(q.K, len(hits))]
}

func product(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
