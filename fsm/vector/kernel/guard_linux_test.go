package kernel

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// guarded returns n bytes with memory before or behind them that may not be read.
func guarded(t *testing.T, n int, behind bool) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	memory, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	for _, guard := range [][]byte{memory[:page], memory[page+size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if behind {
		return memory[page+size-n : page+size : page+size]
	}
	return memory[page : page+n : page+n]
}

// guardedOf returns a guarded copy of values.
func guardedOf[T int8 | byte | uint32 | int32 | float32 | float64 | *float32](t *testing.T, values []T, behind bool) []T {
	t.Helper()
	if len(values) == 0 {
		return nil
	}
	memory := guarded(t, len(values)*int(unsafe.Sizeof(values[0])), behind)
	to := unsafe.Slice((*T)(unsafe.Pointer(&memory[0])), len(values))
	copy(to, values)
	return to
}

// TestNothingReadOutside has all arguments end, or begin, beside memory that
// ends the process when it is read.
func TestNothingReadOutside(t *testing.T) {
	eachLevel(t, func(t *testing.T, l level) {
		random := rand.New(rand.NewPCG(7, 8))
		for _, behind := range []bool{false, true} {
			for _, lanes := range []int{1, 2, 3, 12, 13} {
				for n := range 10 {
					checkGuarded(t, l, random, lanes, n, behind)
				}
			}
		}
	})
}

func checkGuarded(t *testing.T, l level, random *rand.Rand, lanes, n int, behind bool) {
	codes := newCodeCase(random, lanes*CodeLane, n)
	codes.query = guardedOf(t, codes.query, behind)
	codes.codes = guardedOf(t, codes.codes, behind)
	codes.ids = guardedOf(t, codes.ids, behind)
	codes.check(t, l)
	ints := guardedOf(t, make([]int32, n), behind)
	l.dotCodes(codes.query, codes.codes, codes.ids, ints)
	l.dotCodeRows(codes.query, codes.codes, ints)

	floats := newFloatCase(random, lanes*FloatLane, n)
	floats.query = guardedOf(t, floats.query, behind)
	floats.values = guardedOf(t, floats.values, behind)
	floats.choose(n, func(i int) int { return n - i })
	floats.rows = guardedOf(t, floats.rows, behind)
	floats.check(t, l)
	singles := guardedOf(t, make([]float32, n), behind)
	l.dotFloats(floats.query, floats.rows, singles)
	l.dotFloatRows(floats.query, floats.values, singles)
	l.dotExact(floats.query, floats.rows, guardedOf(t, make([]float64, n), behind))
}
