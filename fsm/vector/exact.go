package vector

import (
	"context"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// scanExact ranks rows that match so that the best k are among them for sure.
//
// All are compared in float32, which is fast, and different from machine to
// machine. Let f be such a score of a row, s the true one, and e a bound of
// |f-s| for all rows. At least k rows have f >= t, the k-th best f, and so
// s >= t-e. A row with f < t-2e has s < t-e: k rows are better. The others,
// few more than k, are compared in float64.
func (s *search) scanExact(ctx context.Context, k int) error {
	s.pool.reset(k, 2*s.tolerance())
	var err error
	if s.matches == nil {
		err = s.eachChunk(ctx, 0, s.poolFloats)
	} else {
		err = s.eachBatch(ctx, 0, s.poolFloatsOf)
	}
	if err == nil {
		err = s.rankPool(ctx)
	}
	if err == nil {
		err = s.rankWild(ctx)
	}
	return err
}

// tolerance bounds how far a score in float32 is from the final one, both for
// the query at length 1, for every row that is not wild.
//
// A product of n values, summed in any order, fused or not, is off by at most
// g(n) * sum |q[j]*x[j]|, where g(n) = n*u / (1 - n*u), u = 2^-24 (Higham,
// "Accuracy and Stability of Numerical Algorithms", 2nd edition, 3.1), and the
// sum is at most the product of the lengths, of which the query's is 1. So far
// n is the stride. Each of these adds about u: rounding the query at length 1
// to float32, the scale, the product with it, and the final score to 24 bits,
// whose order is what counts. A final score's other errors, those of float64,
// and what vanishes below float32's range are far below u: no row that is not
// wild is shorter than tameAbove. 32 u hold all of this, and 1.01 the divisor
// 1 - n*u and products of errors, as n*u <= 65536 * 2^-24 < 0.004.
func (s *search) tolerance() float64 {
	r := s.reader
	bound := 1.01 * float64(r.stride+32) / (1 << 24)
	if r.metric == record.Dot {
		bound *= r.maxNorm
	}
	return bound
}
