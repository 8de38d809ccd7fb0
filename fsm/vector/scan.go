package vector

import (
	"context"
	"math"
	"math/bits"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/vector/kernel"
	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// eachBatch calls fn with the rows that match, in ascending order from a row
// on, at most batch at a time. Some may be dead.
func (s *search) eachBatch(ctx context.Context, from uint32, fn func(rows []uint32)) error {
	ids := s.ids[:0]
	words := int((uint64(s.reader.rows) + 63) / 64)
	for i := int(from / 64); i < words; i++ {
		for word := s.word(i, from); word != 0; word &= word - 1 {
			ids = append(ids, uint32(i*64+bits.TrailingZeros64(word)))
		}
		if len(ids) <= batch-64 && (i < words-1 || len(ids) == 0) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		fn(ids)
		ids = ids[:0]
	}
	s.ids = ids
	return nil
}

// word returns which of the rows 64*i to 64*i+63 match, exist, and are not
// below from.
func (s *search) word(i int, from uint32) uint64 {
	word := ^uint64(0)
	if s.matches != nil {
		if i >= len(s.matches) {
			return 0
		}
		word = s.matches[i]
	}
	first := uint32(i * 64)
	if from > first {
		word &= ^uint64(0) << (from - first)
	}
	if left := s.reader.rows - first; left < 64 {
		word &= 1<<left - 1
	}
	return word
}

// inBatches calls fn with those of rows that exist and match, at most batch
// at a time. Some may be dead.
func (s *search) inBatches(ctx context.Context, rows []uint32, fn func(rows []uint32)) error {
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(rows), batch)
		ids := s.ids[:0]
		for _, row := range rows[:n] {
			if row < s.reader.rows && (s.matches == nil || s.matches.Contains(row)) {
				ids = append(ids, row)
			}
		}
		fn(ids)
		s.ids, rows = ids, rows[n:]
	}
	return nil
}

// eachChunk calls fn with the chunks from a row on: the rows at, up to end, of
// each are those that exist.
func (s *search) eachChunk(ctx context.Context, from uint32, fn func(c *chunk, at, end uint32)) error {
	r := s.reader
	for number, at := chunkOf(from); number < len(r.chunks); number, at = number+1, 0 {
		c := r.chunks[number]
		if c.first+at >= r.rows {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		fn(c, at, min(uint32(len(c.points)), r.rows-c.first))
	}
	return nil
}

// A score of NaN has no place in the pool.

// poolRow gives a row that scores well a place in the pool, if it lives. A wild
// row has none: its score means nothing.
func (s *search) poolRow(row uint32, score float32) {
	if scale := s.reader.Scale(row); scale == scale && s.reader.alive(row) {
		s.pool.add(row, score)
	}
}

// poolScores gives rows that follow one another a place in the pool.
func (s *search) poolScores(first uint32, scores []float32) {
	for i, score := range scores {
		if score >= s.pool.limit {
			s.poolRow(first+uint32(i), score)
		}
	}
}

// poolScoresOf gives rows a place in the pool.
func (s *search) poolScoresOf(rows []uint32, scores []float32) {
	for i, score := range scores {
		if score >= s.pool.limit {
			s.poolRow(rows[i], score)
		}
	}
}

// poolFloats compares rows of a chunk in float32.
func (s *search) poolFloats(c *chunk, at, end uint32) {
	stride := s.reader.stride
	scores := s.scores[:end-at]
	kernel.DotFloatRows(s.unit, c.vectors[int(at)*stride:int(end)*stride], scores)
	for i, scale := range c.scale[at:end] {
		scores[i] *= scale
	}
	s.poolScores(c.first+at, scores)
}

// poolFloatsOf compares rows in float32.
func (s *search) poolFloatsOf(rows []uint32) {
	scores := s.scores[:len(rows)]
	for i, row := range rows {
		s.rows[i] = s.reader.Row(row)
	}
	kernel.DotFloats(s.unit, s.rows[:len(rows)], scores)
	for i, row := range rows {
		scores[i] *= s.reader.Scale(row)
	}
	s.poolScoresOf(rows, scores)
}

// poolCodes compares rows of a chunk by their codes, and those that these do
// not describe in float32.
func (s *search) poolCodes(c *chunk, codes *codes, at, end uint32) {
	query := s.prepare(codes.quantizer)
	products, scores := s.products[:end-at], s.scores[:end-at]
	kernel.DotCodeRows(query.Codes, codes.bytes[int(at)*len(query.Codes):], products)
	for i, product := range products {
		scores[i] = query.Score(product)
	}
	from, _ := slices.BinarySearch(codes.outliers, c.first+at)
	to, _ := slices.BinarySearch(codes.outliers, c.first+end)
	outliers := codes.outliers[from:to]
	for _, row := range outliers {
		scores[row-c.first-at] = nan
	}
	s.poolScores(c.first+at, scores)
	s.poolFloatsOf(outliers)
}

// poolCodesOf compares rows of one chunk, in ascending order, by their codes,
// and those that these do not describe in float32.
func (s *search) poolCodesOf(c *chunk, codes *codes, rows []uint32) {
	query := s.prepare(codes.quantizer)
	products, scores := s.products[:len(rows)], s.scores[:len(rows)]
	for i, row := range rows {
		s.places[i] = row - c.first
	}
	kernel.DotCodes(query.Codes, codes.bytes, s.places[:len(rows)], products)
	for i, product := range products {
		scores[i] = query.Score(product)
	}
	outliers := s.outliers[:0]
	for _, row := range codes.outliers {
		if i, ok := slices.BinarySearch(rows, row); ok {
			scores[i] = nan
			outliers = append(outliers, row)
		}
	}
	s.poolScoresOf(rows, scores)
	s.poolFloatsOf(outliers)
	s.outliers = outliers
}

// prepare returns the query as codes of the quantizer are compared with it.
func (s *search) prepare(q *sq8.Quantizer) *sq8.Query {
	if s.quantizer != q {
		q.Query(&s.codes, s.unit)
		s.quantizer = q
	}
	return &s.codes
}

var nan = float32(math.NaN())
