package bench

import (
	"math/bits"
	"time"
)

const (
	subBits = 6 // 64 steps per doubling: an error under 1.6 %
	buckets = (64 - subBits) << subBits
)

// histogram counts durations in steps that grow with them, so that its size
// does not depend on how long a run takes. It belongs to one goroutine.
type histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(d, 0)))]++
	h.total++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile returns the duration that the part q of all does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen > rank {
			return min(time.Duration(bucketTop(i)), h.max)
		}
	}
	return h.max
}

// bucketOf returns the bucket of v: its highest bits, led by their exponent.
func bucketOf(v uint64) int {
	shift := bits.Len64(v) - subBits - 1
	if shift <= 0 {
		return int(v)
	}
	return shift<<subBits + int(v>>shift)
}

// bucketTop returns the largest value of a bucket.
func bucketTop(bucket int) uint64 {
	shift := bucket>>subBits - 1
	if shift <= 0 {
		return uint64(bucket)
	}
	base := uint64(bucket) - uint64(shift)<<subBits
	return (base+1)<<shift - 1
}
