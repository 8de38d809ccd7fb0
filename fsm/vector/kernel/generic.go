package kernel

import "unsafe"

// The functions of this file are what every machine can run, and what the
// assembly is tested against.

func dotCodesGo(query []int8, codes []byte, ids []uint32, out []int32) {
	stride := len(query)
	codes = codes[:len(codes):len(codes)] // so that a row can not end in what is only capacity
	for i, id := range ids {
		start := int(id) * stride
		out[i] = dotCodeGo(query, codes[start:start+stride])
	}
}

func dotCodeRowsGo(query []int8, codes []byte, out []int32) {
	stride := len(query)
	for i := range out {
		out[i] = dotCodeGo(query, codes[i*stride:(i+1)*stride])
	}
}

func dotFloatsGo(query []float32, rows []*float32, out []float32) {
	for i, row := range rows {
		out[i] = dotFloatGo(query, unsafe.Slice(row, len(query)))
	}
}

func dotFloatRowsGo(query []float32, rows []float32, out []float32) {
	stride := len(query)
	for i := range out {
		out[i] = dotFloatGo(query, rows[i*stride:(i+1)*stride])
	}
}

func dotExactGo(query []float32, rows []*float32, out []float64) {
	for i, row := range rows {
		out[i] = dotExactRowGo(query, unsafe.Slice(row, len(query)))
	}
}

// The loops below consume their slices from the front, eight values at a time:
// the compiler sees that every index is in range.

func dotCodeGo(query []int8, row []byte) int32 {
	var s0, s1, s2, s3 int32
	for len(query) >= 8 && len(row) >= 8 {
		s0 += int32(query[0])*int32(row[0]) + int32(query[4])*int32(row[4])
		s1 += int32(query[1])*int32(row[1]) + int32(query[5])*int32(row[5])
		s2 += int32(query[2])*int32(row[2]) + int32(query[6])*int32(row[6])
		s3 += int32(query[3])*int32(row[3]) + int32(query[7])*int32(row[7])
		query, row = query[8:], row[8:]
	}
	return s0 + s1 + s2 + s3
}

func dotFloatGo(query, row []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(query) >= 8 && len(row) >= 8 {
		s0 += query[0] * row[0]
		s1 += query[1] * row[1]
		s2 += query[2] * row[2]
		s3 += query[3] * row[3]
		s4 += query[4] * row[4]
		s5 += query[5] * row[5]
		s6 += query[6] * row[6]
		s7 += query[7] * row[7]
		query, row = query[8:], row[8:]
	}
	return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}

// dotExactRowGo defines the result of DotExact, bit for bit.
func dotExactRowGo(query, row []float32) float64 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float64
	for len(query) >= 8 && len(row) >= 8 {
		s0 += float64(query[0]) * float64(row[0])
		s1 += float64(query[1]) * float64(row[1])
		s2 += float64(query[2]) * float64(row[2])
		s3 += float64(query[3]) * float64(row[3])
		s4 += float64(query[4]) * float64(row[4])
		s5 += float64(query[5]) * float64(row[5])
		s6 += float64(query[6]) * float64(row[6])
		s7 += float64(query[7]) * float64(row[7])
		query, row = query[8:], row[8:]
	}
	return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}
