package vector

import (
	"context"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// approximate ranks rows that match so that the best k are among them nearly
// always, and no fewer than k if there are so many.
func (s *search) approximate(ctx context.Context, k int) error {
	s.pool.reset(s.ef(k), noSlack)
	for _, g := range s.reader.index.graphs {
		if err := s.poolGraph(ctx, g, k); err != nil {
			return err
		}
	}
	if err := s.poolRest(ctx); err != nil {
		return err
	}
	if err := s.rankLikely(ctx, k); err != nil {
		return err
	}
	if err := s.rankWild(ctx); err != nil || s.ranking.complete() {
		return err
	}
	s.ranking.reset(s.reader, k)
	return s.scanExact(ctx, k)
}

// poolGraph finds candidates in a graph: by walking over it as long as that
// pays, else by comparing all codes of rows that match.
func (s *search) poolGraph(ctx context.Context, g *hnsw.Graph, k int) error {
	walks := s.plan(g.Len(), k)
	for i := range walks {
		if err := ctx.Err(); err != nil {
			return err
		}
		found, done := g.Search(&walks[i], s.found[:0])
		s.found = found
		if done && len(found) >= s.least(k) {
			s.poolFound()
			return nil
		}
	}
	if s.matches != nil {
		return s.scanNodes(ctx, g)
	}
	s.found = g.ScanAll(s.unit, s.admission(), s.pool.keep, s.found[:0])
	s.poolFound()
	return ctx.Err()
}

// admission returns which rows a walk may find: those that match and live;
// nil for all.
func (s *search) admission() func(row uint32) bool {
	r, matches, dead := s.reader, s.matches, s.anyDead()
	switch {
	case matches == nil && !dead:
		return nil
	case matches == nil:
		return func(row uint32) bool { return row < r.rows && r.alive(row) }
	case !dead:
		return matches.Contains
	}
	return func(row uint32) bool { return matches.Contains(row) && r.alive(row) }
}

// maxNodes is how many nodes of a graph are compared at once: enough that what
// a scan costs besides is little.
const maxNodes = 8 << 10

// scanNodes compares those rows that match and are in a graph by their codes.
func (s *search) scanNodes(ctx context.Context, g *hnsw.Graph) error {
	s.nodes = s.nodes[:0]
	scan := func() {
		s.found = g.Scan(s.unit, s.nodes, s.pool.keep, s.found[:0])
		s.poolFound()
		s.nodes = s.nodes[:0]
	}
	dead := s.anyDead()
	err := s.eachBatch(ctx, 0, func(rows []uint32) {
		for _, row := range rows {
			node, ok := g.Node(row)
			if ok && (!dead || s.reader.alive(row)) {
				s.nodes = append(s.nodes, node)
			}
		}
		if len(s.nodes) > maxNodes-batch {
			scan()
		}
	})
	if err == nil && len(s.nodes) > 0 {
		scan()
	}
	return err
}

// poolFound gives what was found in a graph, best first, a place in the pool.
func (s *search) poolFound() {
	for _, c := range s.found {
		if !(c.Score >= s.pool.limit) {
			return
		}
		if c.Row < s.reader.rows {
			s.poolRow(c.Row, c.Score)
		}
	}
}

// poolRest finds candidates among the rows that are in no graph.
func (s *search) poolRest(ctx context.Context) error {
	for _, g := range s.reader.index.graphs {
		if err := s.inBatches(ctx, g.Outliers(), s.poolFloatsOf); err != nil {
			return err
		}
	}
	return s.poolTail(ctx)
}

// poolTail compares the rows that match and are newer than the graphs, by
// their codes where a chunk has them.
func (s *search) poolTail(ctx context.Context) error {
	covered := s.reader.index.covered
	if s.matches == nil {
		return s.eachChunk(ctx, covered, func(c *chunk, at, end uint32) {
			if codes := c.codes.Load(); codes != nil {
				s.poolCodes(c, codes, at, end)
			} else {
				s.poolFloats(c, at, end)
			}
		})
	}
	return s.eachBatch(ctx, covered, func(rows []uint32) {
		for len(rows) > 0 {
			number, _ := chunkOf(rows[0])
			c := s.reader.chunks[number]
			n, _ := slices.BinarySearch(rows, c.first+uint32(len(c.points)))
			if codes := c.codes.Load(); codes != nil {
				s.poolCodesOf(c, codes, rows[:n])
			} else {
				s.poolFloatsOf(rows[:n])
			}
			rows = rows[n:]
		}
	})
}
