package hnsw

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// crews are ways to run a build.
func crews() map[string]Workers {
	var mu sync.Mutex
	rests := 0
	return map[string]Workers{
		"none": {},
		"one":  {Count: 1},
		"two":  {Count: 2, Rest: func(int) { mu.Lock(); rests++; mu.Unlock() }},
		"three, one after another": {Count: 3, Run: func(count int, work func(int)) {
			for i := range count {
				work(count - 1 - i)
			}
		}},
		"three": {Count: 3},
	}
}

func TestBuildIsTheSameWhateverWorkers(t *testing.T) {
	for name, w := range map[string]*world{
		"cosine": cosineWorld(3, size(2000), 16),
		"dot":    dotWorld(4, size(2000), 16),
	} {
		t.Run(name, func(t *testing.T) {
			all := rowNumbers(0, w.base.Len())
			half := len(all) / 2
			var first, whole []byte
			for crew, workers := range crews() {
				g := mustBuild(t, w.params(), nil, all[:half], w.base, workers)
				started := encoded(t, g)
				g = mustBuild(t, w.params(), g, all[half:], w.base, workers)
				extended := encoded(t, g)
				if first == nil {
					first, whole = started, extended
				}
				if !bytes.Equal(started, first) || !bytes.Equal(extended, whole) {
					t.Errorf("workers %q build another graph", crew)
				}
			}
		})
	}
}

func TestSeed(t *testing.T) {
	w := cosineWorld(3, 300, 8)
	p := w.params()
	one := mustBuild(t, p, nil, rowNumbers(0, 300), w.base, Workers{})
	p.Seed++
	two := mustBuild(t, p, nil, rowNumbers(0, 300), w.base, Workers{})
	if bytes.Equal(encoded(t, one), encoded(t, two)) {
		t.Error("two seeds build the same graph")
	}
}

// TestExtend adds rows in three steps: the graph is as good as one built at
// once, and each step leaves the graph before as it was.
func TestExtend(t *testing.T) {
	for name, w := range map[string]*world{
		"cosine": cosineWorld(5, size(4000), 24),
		"dot":    dotWorld(6, size(4000), 24),
	} {
		t.Run(name, func(t *testing.T) {
			all := rowNumbers(0, w.base.Len())
			var g *Graph
			for _, step := range []struct{ from, to int }{{0, 60}, {60, 70}, {70, 100}} {
				prev, before := g, []byte(nil)
				if prev != nil {
					before = encoded(t, prev)
				}
				rows := all[len(all)*step.from/100 : len(all)*step.to/100]
				g = mustBuild(t, w.params(), prev, rows, w.base, Workers{Count: 2})
				checkRows(t, g, all[:len(all)*step.to/100])
				if prev != nil && !bytes.Equal(encoded(t, prev), before) {
					t.Error("an extension changed the graph before")
				}
			}
			fresh, extended := w.recall(w.build(t), 48, topK), w.recall(g, 48, topK)
			t.Logf("recall %.4f fresh, %.4f extended", fresh, extended)
			if extended < fresh-.02 {
				t.Errorf("recall %.4f, built at once %.4f", extended, fresh)
			}
		})
	}
}

// TestExtendWithStrangers adds rows that the quantizer was not trained for, and
// then nothing at all.
func TestExtendWithStrangers(t *testing.T) {
	for name, w := range map[string]*world{"cosine": cosineWorld(7, 800, 8), "dot": dotWorld(8, 800, 8)} {
		t.Run(name, func(t *testing.T) {
			for row := 400; row < 800; row++ { // all of them on one side
				w.base.at(row)[0] = 20
				if w.unit {
					w.base.scales[row] = 1 / length(w.base.at(row))
				}
			}
			all := rowNumbers(0, 800)
			g := mustBuild(t, w.params(), nil, all[:400], w.base, Workers{})
			old := g.Quantizer()
			g = mustBuild(t, w.params(), g, all[400:], w.base, Workers{})
			checkRows(t, g, all)
			if g.Quantizer() == old || len(g.Outliers()) > 16 {
				t.Errorf("%d outliers, or the old quantizer", len(g.Outliers()))
			}
			fresh, extended := w.recall(w.build(t), 64, topK), w.recall(g, 64, topK)
			t.Logf("recall %.4f fresh, %.4f extended", fresh, extended)
			if extended < fresh-.03 {
				t.Errorf("recall %.4f, built at once %.4f", extended, fresh)
			}
			again := mustBuild(t, w.params(), g, nil, w.base, Workers{})
			checkRows(t, again, all)
			if !bytes.Equal(encoded(t, again), encoded(t, g)) {
				t.Error("no rows more make another graph")
			}
		})
	}
}

// slowVectors cancels when so many rows were read.
type slowVectors struct {
	*table
	left   atomic.Int64
	cancel func()
}

func (v *slowVectors) Row(row uint32) *float32 {
	if v.left.Add(-1) == 0 {
		v.cancel()
	}
	return v.table.Row(row)
}

// TestCancel ends builds at several moments: hardly anything is done then.
func TestCancel(t *testing.T) {
	w := cosineWorld(9, 1000, 16)
	all := rowNumbers(0, w.base.Len())
	prev := mustBuild(t, w.params(), nil, all[:300], w.base, Workers{})
	before := encoded(t, prev)
	for _, after := range []int64{1, 2, 100, 600, 700, 720, 1000, 1300} { // pieces of work
		ctx, cancel := context.WithCancel(context.Background())
		var mu sync.Mutex
		var rests int64
		workers := Workers{Count: 2, Rest: func(int) {
			mu.Lock() // so that the other one does not go on while this one cancels
			defer mu.Unlock()
			if rests++; rests == after {
				cancel()
			}
		}}
		g, err := Build(ctx, w.params(), prev, all[300:], w.base, workers)
		if g != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("canceled after %d: %t, %v", after, g != nil, err)
		}
		if more := rests - after; more > 2 {
			t.Errorf("%d pieces of work were done after the end", more)
		}
		cancel()
	}
	for _, after := range []int64{1, 300, 999} { // rows looked up
		ctx, cancel := context.WithCancel(context.Background())
		v := &slowVectors{table: w.base, cancel: cancel}
		v.left.Store(after)
		if g, err := Build(ctx, w.params(), prev, all[300:], v, Workers{Count: 2}); g != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("canceled at row %d: %t, %v", after, g != nil, err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if g, err := Build(ctx, w.params(), nil, all, w.base, Workers{}); g != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %t, %v", g != nil, err)
	}
	if !bytes.Equal(encoded(t, prev), before) {
		t.Error("a canceled build changed the graph before")
	}
}

func TestParams(t *testing.T) {
	w := cosineWorld(10, 200, 8)
	for _, c := range []struct {
		m, ef int
		floor float64
	}{{0, 0, .98}, {1, 1, 0}, {1, 20, .95}, {1 << 20, 500, .98}} {
		p := Params{Dim: 8, Clip: true, M: c.m, EfConstruction: c.ef}
		g := mustBuild(t, p, nil, rowNumbers(0, 200), w.base, Workers{})
		checkRows(t, g, rowNumbers(0, 200))
		if g.Dim() != 8 || g.Len() != 200 || g.Bytes() < 200*int64(g.Quantizer().Stride()) {
			t.Errorf("dimension %d, %d nodes, %d bytes", g.Dim(), g.Len(), g.Bytes())
		}
		if recall := w.recall(g, 64, topK); recall < c.floor {
			t.Errorf("%+v: recall %.4f", p, recall)
		}
	}
	// The parameters of a graph that is extended stay its own.
	g := mustBuild(t, Params{Dim: 8, Clip: true, M: 5}, nil, rowNumbers(0, 100), w.base, Workers{})
	g = mustBuild(t, Params{}, g, rowNumbers(100, 100), w.base, Workers{})
	if g.params.M != 5 || g.Dim() != 8 {
		t.Errorf("parameters became %+v", g.params)
	}
}

// TestRowsInAnyOrder checks that row numbers may have gaps and any order.
func TestRowsInAnyOrder(t *testing.T) {
	w := cosineWorld(11, 900, 8)
	var rows []uint32
	for row := uint32(800); row > 100; row -= 7 {
		rows = append(rows, row)
	}
	given := slices.Clone(rows)
	g := mustBuild(t, w.params(), nil, rows, w.base, Workers{Count: 2})
	checkRows(t, g, rows)
	if !slices.Equal(rows, given) {
		t.Error("the caller's rows were changed")
	}
	for _, row := range []uint32{0, 99, 801, 5000} {
		if _, ok := g.Node(row); ok {
			t.Errorf("row %d has a node", row)
		}
	}
}
