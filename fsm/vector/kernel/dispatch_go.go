package kernel

// Features names the instructions that the kernels use, for logs and benchmarks.
func Features() string { return "go" }

func dotCodes(query []int8, codes []byte, ids []uint32, out []int32) {
	dotCodesGo(query, codes, ids, out)
}

func dotCodeRows(query []int8, codes []byte, out []int32) {
	dotCodeRowsGo(query, codes, out)
}

func dotFloats(query []float32, rows []*float32, out []float32) {
	dotFloatsGo(query, rows, out)
}

func dotFloatRows(query []float32, rows []float32, out []float32) {
	dotFloatRowsGo(query, rows, out)
}

func dotExact(query []float32, rows []*float32, out []float64) {
	dotExactGo(query, rows, out)
}
