package main

import "testing"

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, loosePercent},
		{1 << 20, loosePercent},
		{64 << 20, 300},
		{128 << 20, 100},
		{200 << 20, tightPercent},
		{1 << 30, tightPercent},
	} {
		if got := gcPercent(c.live); got != c.want {
			t.Errorf("%d MiB live: GOGC %d, want %d", c.live>>20, got, c.want)
		}
	}
}
