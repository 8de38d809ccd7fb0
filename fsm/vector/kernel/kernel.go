// Package kernel has the inner loops of vector search: products of one query
// with many rows.
//
// A call takes a batch of rows, because the batch is what makes it fast: the
// query is loaded once for several rows, and their cache misses overlap. All
// functions are safe for concurrent use; none allocates or keeps its arguments.
//
// Rows and queries are padded with zeros to a stride, a multiple of FloatLane
// or CodeLane. Lengths that do not fit together, and a row that does not lie in
// its slice, are a mistake of the caller and panic.
package kernel

// Strides are multiples of these.
const (
	FloatLane = 8  // float32s
	CodeLane  = 32 // bytes
)

// MaxQueryCode bounds the values of a query of codes: -MaxQueryCode to
// MaxQueryCode. Then two products with codes, 2*63*255 at most, fit into 16
// bits, which is what lets one instruction multiply and add 32 codes.
const MaxQueryCode = 63

// DotCodes computes products of query with rows of codes, by number:
//
//	out[i] = sum over j of query[j] * codes[ids[i]*len(query)+j]
//
// len(query) is the stride; up to 65536 the sums can not overflow. ids may
// repeat. out has at least the length of ids. The result is exact.
func DotCodes(query []int8, codes []byte, ids []uint32, out []int32) {
	checkStride(len(query), CodeLane)
	checkLen(out, len(ids))
	active.dotCodes(query, codes, ids, out[:len(ids)])
}

// DotCodeRows is DotCodes for the first len(out) rows of codes.
func DotCodeRows(query []int8, codes []byte, out []int32) {
	checkStride(len(query), CodeLane)
	checkLen(codes, len(out)*len(query))
	active.dotCodeRows(query, codes, out)
}

// DotFloats computes products of query with rows of len(query) values, each
// given by its first:
//
//	out[i] = sum over j of query[j] * rows[i][j]
//
// The order of summation, and so the last bits of the result, are the
// machine's; use DotExact where they matter. out has at least the length of
// rows. That all values of a row exist is up to the caller.
func DotFloats(query []float32, rows []*float32, out []float32) {
	checkStride(len(query), FloatLane)
	checkLen(out, len(rows))
	active.dotFloats(query, rows, out[:len(rows)])
}

// DotFloatRows is DotFloats for the first len(out) rows of rows.
func DotFloatRows(query []float32, rows []float32, out []float32) {
	checkStride(len(query), FloatLane)
	checkLen(rows, len(out)*len(query))
	active.dotFloatRows(query, rows, out)
}

// DotExact is DotFloats in float64, with the same bits on every machine but
// for those of a NaN: eight sums, of the values whose index has the same
// remainder by eight, in order of index; then the sums s are added as
// ((s0+s4)+(s2+s6)) + ((s1+s5)+(s3+s7)). A product of two float32 is exact in
// float64, so that fusing multiplication and addition changes nothing.
func DotExact(query []float32, rows []*float32, out []float64) {
	checkStride(len(query), FloatLane)
	checkLen(out, len(rows))
	active.dotExact(query, rows, out[:len(rows)])
}

func checkStride(stride, lane int) {
	if stride%lane != 0 {
		panic("kernel: the length of the query is not a multiple of the lane")
	}
}

// checkLen panics as an index does if s is too short.
func checkLen[T any](s []T, n int) {
	if n > 0 {
		_ = s[n-1]
	}
}
