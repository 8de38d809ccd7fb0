package vector

import (
	"context"
	"math"

	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
)

// rank gives rows, at most a batch, their final scores, which are in s.exact
// then, and ranks those that live.
func (s *search) rank(rows []uint32) {
	r := s.reader
	for i, row := range rows {
		s.rows[i] = r.Row(row)
	}
	kernel.DotExact(s.vector, s.rows[:len(rows)], s.exact[:])
	for i, row := range rows {
		s.exact[i] = s.score(row, s.exact[i])
		if r.alive(row) {
			s.ranking.add(row, s.exact[i])
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

// rankPool ranks all rows of the pool.
func (s *search) rankPool(ctx context.Context) error {
	s.pool.cut()
	for candidates := s.pool.items; len(candidates) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(candidates), batch)
		s.rankCandidates(candidates[:n])
		candidates = candidates[n:]
	}
	return nil
}

func (s *search) rankCandidates(candidates []hnsw.Candidate) {
	ids := s.ids[:0]
	for _, c := range candidates {
		ids = append(ids, c.Row)
	}
	s.rank(ids)
	s.ids = ids
}

// firstRanked and nextRanked are how many candidates rankLikely ranks at first,
// beyond k, and at a time then.
const (
	firstRanked = 6
	nextRanked  = 8
	likely      = 2.5 // standard deviations
)

// rankLikely ranks the rows of the pool, best first, as long as the next one
// may be among the best k. How far its score by codes may be off is judged by
// what it was for those before: errors are many small ones added up, of which
// hardly any exceeds likely standard deviations.
func (s *search) rankLikely(ctx context.Context, k int) error {
	candidates := s.pool.sorted()
	var errors float64 // sum of their squares
	for n := 0; n < len(candidates); {
		if err := ctx.Err(); err != nil {
			return err
		}
		step := nextRanked
		if n == 0 {
			step = k + firstRanked
		}
		part := candidates[n:min(n+step, len(candidates), n+batch)]
		n += len(part)
		s.rankCandidates(part)
		for i, c := range part {
			off := s.exact[i] - float64(c.Score)*s.factor
			errors += off * off
		}
		if n == len(candidates) {
			break
		}
		if last, ok := s.ranking.last(); ok {
			if float64(candidates[n].Score)*s.factor+likely*math.Sqrt(errors/float64(n)) < last {
				break
			}
		}
	}
	return nil
}

// rankWild ranks the rows that only float64 can compare.
func (s *search) rankWild(ctx context.Context) error {
	return s.inBatches(ctx, s.reader.wild, s.rank)
}
