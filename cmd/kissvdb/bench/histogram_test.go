package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantiles compares with the sorted durations themselves.
func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 20000 {
		d := time.Duration(random.Int64N(int64(1) << random.IntN(40)))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, .1, .5, .9, .99, .999} {
		want := all[int(q*float64(len(all)))]
		got := h.quantile(q)
		if got < want || float64(got) > float64(want)*1.02+1 {
			t.Errorf("quantile %v: got %d, want %d to 2 %% above", q, got, want)
		}
	}
	if got := h.quantile(1); got != all[len(all)-1] {
		t.Errorf("quantile 1: got %d, want the largest, %d", got, all[len(all)-1])
	}
}

func TestHistogramEdges(t *testing.T) {
	var empty, h, other histogram
	if got := empty.quantile(.5); got != 0 {
		t.Errorf("empty: got %v", got)
	}
	h.add(-time.Second) // the clock was set back
	other.add(1<<63 - 1)
	h.merge(&other)
	if got := h.quantile(0); got != 0 {
		t.Errorf("least: got %v", got)
	}
	if got := h.quantile(.99); got != 1<<63-1 || h.total != 2 {
		t.Errorf("largest: got %v of %d", got, h.total)
	}
	for _, v := range []uint64{0, 1, 63, 64, 65, 127, 128, 1000, 1 << 40, 1<<63 - 1} {
		bucket := bucketOf(v)
		if top := bucketTop(bucket); top < v || bucketOf(top) != bucket || bucketOf(top+1) == bucket {
			t.Errorf("%d is in bucket %d, which ends at %d", v, bucket, top)
		}
	}
}
