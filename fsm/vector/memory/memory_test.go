package memory

import "testing"

func TestMake(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 2*hugePage - 1, 2 * hugePage, 3*hugePage + 12345} {
		s := Make[byte](n)
		if len(s) != n {
			t.Fatalf("%d bytes, want %d", len(s), n)
		}
		for i := range s {
			if s[i] != 0 {
				t.Fatalf("byte %d of %d is %d", i, n, s[i])
			}
			s[i] = 1
		}
	}
	if f := Make[float32](hugePage); len(f) != hugePage || f[hugePage-1] != 0 {
		t.Errorf("%d floats", len(f))
	}
}
