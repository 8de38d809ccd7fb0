//go:build !purego

package kernel

import (
	"math"
	"testing"
)

// TestRowOutside has the assembly find the one bad row among n, wherever it
// is, and find no other.
func TestRowOutside(t *testing.T) {
	if active < levelAVX2 {
		t.Skip("no AVX2")
	}
	const stride, rows = 64, 5
	query, codes := make([]int8, stride), make([]byte, rows*stride)
	last := len(codes) - stride
	for n := range 12 {
		ids, out := make([]uint32, n), make([]int32, n)
		for i := range ids {
			ids[i] = uint32(i) % rows
		}
		if !dotCodesAVX2(query, codes, last, ids, out) {
			t.Errorf("%d rows: one is outside, want none", n)
		}
		for i := range ids {
			good := ids[i]
			for _, bad := range []uint32{rows, rows + 1, math.MaxUint32} {
				ids[i] = bad
				if dotCodesAVX2(query, codes, last, ids, out) {
					t.Errorf("%d rows: row %d is not found to be outside", n, bad)
				}
			}
			ids[i] = good
		}
	}
}

// TestNoRows calls the assembly as its callers do not: with nothing to do.
func TestNoRows(t *testing.T) {
	if active < levelAVX2 {
		t.Skip("no AVX2")
	}
	dotCodesAVX2(make([]int8, 64), nil, -64, nil, nil)
	dotCodeRowsAVX2(make([]int8, 64), nil, nil)
	dotFloatsAVX2(make([]float32, 16), nil, nil)
	dotFloatRowsAVX2(make([]float32, 16), nil, nil)
	dotExactAVX2(make([]float32, 16), nil, nil)
}
