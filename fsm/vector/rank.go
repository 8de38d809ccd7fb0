package vector

import (
	"context"

	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

// rank gives rows, at most a batch, their final scores and ranks those that
// live.
func (s *search) rank(rows []uint32) {
	r := s.reader
	for i, row := range rows {
		s.rows[i] = r.Row(row)
	}
	kernel.DotExact(s.vector, s.rows[:len(rows)], s.exact[:])
	for i, row := range rows {
		if r.alive(row) {
			s.ranking.add(row, s.score(row, s.exact[i]))
		}
	}
}

// score returns the final score of a row whose product with the query is
// given.
func (s *search) score(row uint32, product float64) float64 {
	if s.reader.metric == record.Cosine {
		number, at := chunkOf(row)
		product = similarity(product, s.norm, s.reader.chunks[number].norm[at])
	}
	return round24(product)
}

// rankAll ranks all rows that match.
func (s *search) rankAll(ctx context.Context) error {
	return s.eachBatch(ctx, 0, s.rank)
}

// rankAlike ranks all rows that match for a query without direction: every
// score is 0.
func (s *search) rankAlike(ctx context.Context) error {
	return s.eachBatch(ctx, 0, func(rows []uint32) {
		for _, row := range rows {
			if s.reader.alive(row) {
				s.ranking.add(row, 0)
			}
		}
	})
}

// rankPool ranks the rows of the pool.
func (s *search) rankPool(ctx context.Context) error {
	s.pool.cut()
	for candidates := s.pool.items; len(candidates) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids := s.ids[:0]
		for _, c := range candidates[:min(len(candidates), batch)] {
			ids = append(ids, c.Row)
		}
		s.rank(ids)
		s.ids, candidates = ids, candidates[len(ids):]
	}
	return nil
}

// rankWild ranks the rows that only float64 can compare.
func (s *search) rankWild(ctx context.Context) error {
	return s.inBatches(ctx, s.reader.wild, s.rank)
}
