package vector

import (
	"context"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// approximate ranks rows that match so that the best k are among them nearly
// always, and no fewer than k if there are so many.
func (s *search) approximate(ctx context.Context, k int) error {
	if s.walkPays(k) {
		s.pool.reset(rerank(k), 0)
		done, err := s.poolWalks(ctx, k)
		if err == nil && done {
			err = s.rankRest(ctx)
		}
		if err != nil || done && s.ranking.complete() {
			return err
		}
		s.ranking.reset(s.reader, k)
	}
	if s.matches == nil {
		return s.scanExact(ctx, k)
	}
	return s.scanCodes(ctx, k)
}

// poolWalks finds candidates by walking over the graphs. done is false if a
// walk gave up, because what matches lies elsewhere.
func (s *search) poolWalks(ctx context.Context, k int) (done bool, err error) {
	r := s.reader
	walk := hnsw.Search{Vector: s.unit, Ef: s.ef(k)}
	switch dead := s.anyDead(); {
	case s.matches != nil:
		walk.Share = float64(s.count) / float64(r.rows)
		walk.Admit = s.matches.Contains
		if dead {
			walk.Admit = func(row uint32) bool { return s.matches.Contains(row) && r.alive(row) }
		}
	case dead:
		walk.Admit = func(row uint32) bool { return row < r.rows && r.alive(row) }
	}
	for _, g := range r.index.graphs {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		walk.Budget = int(walk.Share * float64(g.Len()) * budget)
		s.found, done = g.Search(&walk, s.found[:0])
		if !done {
			return false, nil
		}
		s.poolFound()
	}
	return true, nil
}

// scanCodes ranks rows that match so that the best k are among them nearly
// always: it compares all by their codes, those without one in float32.
func (s *search) scanCodes(ctx context.Context, k int) error {
	s.pool.reset(rerank(k), 0)
	for _, g := range s.reader.index.graphs {
		if err := s.poolNodes(ctx, g); err != nil {
			return err
		}
	}
	return s.rankRest(ctx)
}

// maxNodes is how many nodes of a graph are compared at once: enough that what
// a scan costs besides is little.
const maxNodes = 8 << 10

// poolNodes compares those rows that match and are in a graph by their codes.
func (s *search) poolNodes(ctx context.Context, g *hnsw.Graph) error {
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

// rankRest compares what is in no graph, and ranks the rows of the pool.
func (s *search) rankRest(ctx context.Context) error {
	for _, g := range s.reader.index.graphs {
		if err := s.inBatches(ctx, g.Outliers(), s.poolFloatsOf); err != nil {
			return err
		}
	}
	if err := s.poolTail(ctx); err != nil {
		return err
	}
	if err := s.rankPool(ctx); err != nil {
		return err
	}
	return s.rankWild(ctx)
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
