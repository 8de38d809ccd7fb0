//go:build !purego

package kernel

//go:generate go run ./gen

import "golang.org/x/sys/cpu"

// active is the best level of this machine. AVX-512 (VPDPBUSD for codes, 16
// lanes for floats) was measured and is not worth its code: codes are 1.2 to 1.8
// times as fast, floats 1.2 times, if the rows are in the caches of a core, and
// nothing is gained on rows from the last cache or from memory, where the rows
// of a search are.
var active = detect()

func detect() level {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		return levelAVX2
	}
	return levelGo
}

func (l level) dotCodes(query []int8, codes []byte, ids []uint32, out []int32) {
	if l == levelGo {
		dotCodesGo(query, codes, ids, out)
		return
	}
	last := len(codes) - len(query) // where the last row may begin
	for len(ids) > 0 {
		n := min(len(ids), chunk)
		if !dotCodesAVX2(query, codes, last, ids[:n], out[:n]) {
			dotCodesGo(query, codes, ids, out) // panics at the row that is outside
		}
		ids, out = ids[n:], out[n:]
	}
}

func (l level) dotCodeRows(query []int8, codes []byte, out []int32) {
	if l == levelGo {
		dotCodeRowsGo(query, codes, out)
		return
	}
	for len(out) > 0 {
		n := min(len(out), chunk)
		dotCodeRowsAVX2(query, codes, out[:n])
		codes, out = codes[n*len(query):], out[n:]
	}
}

func (l level) dotFloats(query []float32, rows []*float32, out []float32) {
	if l == levelGo {
		dotFloatsGo(query, rows, out)
		return
	}
	for len(rows) > 0 {
		n := min(len(rows), chunk)
		dotFloatsAVX2(query, rows[:n], out[:n])
		rows, out = rows[n:], out[n:]
	}
}

func (l level) dotFloatRows(query []float32, rows []float32, out []float32) {
	if l == levelGo {
		dotFloatRowsGo(query, rows, out)
		return
	}
	for len(out) > 0 {
		n := min(len(out), chunk)
		dotFloatRowsAVX2(query, rows, out[:n])
		rows, out = rows[n*len(query):], out[n:]
	}
}

func (l level) dotExact(query []float32, rows []*float32, out []float64) {
	if l == levelGo {
		dotExactGo(query, rows, out)
		return
	}
	for len(rows) > 0 {
		n := min(len(rows), chunk)
		dotExactAVX2(query, rows[:n], out[:n])
		rows, out = rows[n:], out[n:]
	}
}
