package vector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// A collection has one graph that grows, or several once that has maxGraph
// nodes. Rows that are written are compared one by one until there are enough
// of them to be worth a larger graph, which is then built beside the old one:
// a copy of it, with the new rows added.
const (
	minGraph = 4096    // rows below which comparing them all is as quick
	maxGraph = 1 << 21 // nodes of a graph that gets no more
	// growth is the share of a graph's nodes that the rows in no graph must
	// reach, while writes go on: an eighth.
	growth = 8
	// stepRows bounds what one build adds to a small graph, so that a part of
	// the work serves searches, and outlasts a restart, early.
	stepRows = 32768
	// idleRows are enough for a build once nothing was written for idleAfter.
	idleRows  = 64
	idleAfter = 2 * time.Second
	// deadShare is the share of dead nodes at which a graph is built anew.
	deadShare = 4
)

// plan is a graph to be built.
type plan struct {
	place   int         // in the index's graphs
	prev    *hnsw.Graph // to add to; nil = a new one
	rows    []uint32    // to add
	covered uint32      // by the index, once it is built
}

// build builds the graphs that are due, one after another.
func (k *keeper) build() (again bool) {
	for _, c := range k.collections() {
		if k.ctx.Err() != nil {
			return false
		}
		if _, wanted := c.upkeep.pending(); wanted || c.upkeep.dropped.Load() {
			continue
		}
		more, err := k.buildNext(c)
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errDropped) {
			k.s.log.Error("graph was not built", "collection", c.name, "error", err)
		}
		again = again || more
	}
	return again
}

// buildNext builds a collection's next graph, if one is due. It returns
// whether it is worth to look again without being woken.
func (k *keeper) buildNext(c *collection) (again bool, err error) {
	c.upkeep.job.Lock()
	defer c.upkeep.job.Unlock()
	d, r := k.look(c)
	p, later := k.plan(c, r)
	if p == nil {
		return later, nil
	}
	ctx, stop := context.WithCancel(k.ctx)
	defer stop()
	c.upkeep.began(stop)
	start := time.Now()
	g, err := buildGraph(ctx, r, p, k.workers())
	c.upkeep.ended(time.Since(start), err)
	if err != nil {
		return true, fmt.Errorf("build: %w", err)
	}
	d.change(func(old index) index { return old.with(p, g) })
	k.s.log.Info("graph built", "collection", c.name, "nodes", g.Len(), "added", len(p.rows), "seconds", time.Since(start).Seconds())
	k.wake() // codes that are needed no more
	if err := k.save(c, d, p.place, g); err != nil {
		// The graph serves all the same, and is built again after a restart.
		return true, fmt.Errorf("save: %w", err)
	}
	k.s.cfg.Saved()
	return true, nil
}

func buildGraph(ctx context.Context, r *Reader, p *plan, workers int) (*hnsw.Graph, error) {
	crew := newCrew(workers)
	defer crew.dismiss()
	return hnsw.Build(ctx, hnsw.Params{Dim: r.dim, Clip: r.clips()}, p.prev, p.rows, r, hnsw.Workers{Count: workers, Run: crew.run, Rest: crew.rest})
}

// clips reports whether the rows' codes may cut the rarest values off: all
// rows have the same length then, so that no row stands for one of them.
func (r *Reader) clips() bool { return r.metric == record.Cosine }

// with returns the index with a planned graph in its place.
func (x index) with(p *plan, g *hnsw.Graph) index {
	x.graphs = slices.Clone(x.graphs)
	if p.place == len(x.graphs) {
		x.graphs = append(x.graphs, g)
	} else {
		x.graphs[p.place] = g
	}
	x.covered = max(x.covered, p.covered)
	x.quantizer = g.Quantizer()
	return x
}

// plan returns what is to be built next, or nil, and then whether that may
// change without a write.
func (k *keeper) plan(c *collection, r *Reader) (p *plan, later bool) {
	if r.rows == 0 || c.data.Load().index.Load().covered > r.rows {
		return nil, false
	}
	for place, g := range r.index.graphs {
		if rows := r.worn(g); rows != nil {
			return &plan{place: place, rows: rows}, false
		}
	}
	return k.planGrowth(c, r)
}

// worn returns the living rows of a graph that has too many dead nodes.
func (r *Reader) worn(g *hnsw.Graph) []uint32 {
	rows := make([]uint32, 0, g.Len())
	for node := range uint32(g.Len()) {
		if row := g.Row(node); row != hnsw.None && r.alive(row) {
			rows = append(rows, row)
		}
	}
	if dead := g.Len() - len(rows); dead == 0 || dead*deadShare < g.Len() {
		return nil
	}
	return append(rows, r.living(g.Outliers())...)
}

// living returns those of some rows that are alive.
func (r *Reader) living(rows []uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(rows), func(row uint32) bool { return !r.alive(row) })
}

// planGrowth plans the graph that takes up the rows that are in none.
func (k *keeper) planGrowth(c *collection, r *Reader) (p *plan, later bool) {
	p = &plan{place: len(r.index.graphs)}
	nodes := 0
	if n := len(r.index.graphs); n > 0 && r.index.graphs[n-1].Len() < maxGraph {
		p.place, p.prev = n-1, r.index.graphs[n-1]
		nodes = p.prev.Len()
	}
	limit := max(nodes, stepRows)
	for row := r.index.covered; row < r.rows && len(p.rows) < limit; row++ {
		if scale := r.Scale(row); r.alive(row) && scale == scale {
			p.rows = append(p.rows, row)
		}
		p.covered = row + 1
	}
	switch n := len(p.rows); {
	case n >= max(k.s.cfg.Graph, nodes/growth):
		return p, false
	case nodes > 0 && n >= idleRows:
		// It is worth it once the writes have come to rest.
		if c.upkeep.idle() {
			return p, false
		}
		return nil, true
	}
	return nil, false
}
