//go:build !purego

package kernel

//go:generate go run ./gen

import "golang.org/x/sys/cpu"

// active is the best level of this machine.
var active = detect()

func detect() level {
	switch {
	case !cpu.X86.HasAVX2 || !cpu.X86.HasFMA:
		return levelGo
	case !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512VNNI:
		return levelAVX2
	}
	return levelAVX512
}

// chunk is how many rows one call into assembly takes at most. The scheduler
// can not interrupt assembly, and a stop of the world waits for it.
const chunk = 256

func (l level) dotCodes(query []int8, codes []byte, ids []uint32, out []int32) {
	if l == levelGo {
		dotCodesGo(query, codes, ids, out)
		return
	}
	last := len(codes) - len(query) // where the last row may begin
	for len(ids) > 0 {
		n := min(len(ids), chunk)
		var ok bool
		if l == levelAVX512 {
			ok = dotCodesAVX512(query, codes, last, ids[:n], out[:n])
		} else {
			ok = dotCodesAVX2(query, codes, last, ids[:n], out[:n])
		}
		if !ok {
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
		if l == levelAVX512 {
			dotCodeRowsAVX512(query, codes, out[:n])
		} else {
			dotCodeRowsAVX2(query, codes, out[:n])
		}
		codes, out = codes[n*len(query):], out[n:]
	}
}

func (l level) dotFloats(query []float32, rows []*float32, out []float32) {
	if l == levelGo {
		dotFloatsGo(query, rows, out)
		return
	}
	for len(out) > 0 {
		n := min(len(out), chunk)
		if l == levelAVX512 {
			dotFloatsAVX512(query, rows[:n], out[:n])
		} else {
			dotFloatsAVX2(query, rows[:n], out[:n])
		}
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
		if l == levelAVX512 {
			dotFloatRowsAVX512(query, rows, out[:n])
		} else {
			dotFloatRowsAVX2(query, rows, out[:n])
		}
		rows, out = rows[n*len(query):], out[n:]
	}
}

func (l level) dotExact(query []float32, rows []*float32, out []float64) {
	if l == levelGo {
		dotExactGo(query, rows, out)
		return
	}
	for len(out) > 0 {
		n := min(len(out), chunk)
		if l == levelAVX512 {
			dotExactAVX512(query, rows[:n], out[:n])
		} else {
			dotExactAVX2(query, rows[:n], out[:n])
		}
		rows, out = rows[n:], out[n:]
	}
}
