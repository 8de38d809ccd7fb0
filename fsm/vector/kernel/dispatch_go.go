//go:build !amd64 || purego

package kernel

const active = levelGo

func (level) dotCodes(query []int8, codes []byte, ids []uint32, out []int32) {
	dotCodesGo(query, codes, ids, out)
}

func (level) dotCodeRows(query []int8, codes []byte, out []int32) {
	dotCodeRowsGo(query, codes, out)
}

func (level) dotFloats(query []float32, rows []*float32, out []float32) {
	dotFloatsGo(query, rows, out)
}

func (level) dotFloatRows(query []float32, rows []float32, out []float32) {
	dotFloatRowsGo(query, rows, out)
}

func (level) dotExact(query []float32, rows []*float32, out []float64) {
	dotExactGo(query, rows, out)
}
