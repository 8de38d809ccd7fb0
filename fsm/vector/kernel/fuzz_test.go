package kernel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// maxFuzzRows bounds the work of one input.
const maxFuzzRows = 40

func FuzzDotCodes(f *testing.F) {
	f.Add([]byte{1, 2, 3, 255}, uint8(3), uint8(7), uint8(1), uint64(1))
	f.Add([]byte{255}, uint8(1), uint8(4), uint8(0), uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, lanes, n, shift uint8, seed uint64) {
		stride := CodeLane * int(lanes%48)
		c := newCodeCase(rand.New(rand.NewPCG(seed, 1)), stride, int(n%maxFuzzRows))
		c.codes = append(make([]byte, shift%64), c.codes...)[shift%64:] // unaligned
		copy(c.codes, data)
		for i := range min(len(data), stride) {
			c.query[i] = int8(int(data[i])%(2*MaxQueryCode+1) - MaxQueryCode)
		}
		for l := levelGo; l <= active; l++ {
			c.check(t, l)
		}
	})
}

func FuzzDotFloats(f *testing.F) {
	addFloats(f)
	f.Fuzz(func(t *testing.T, data []byte, lanes, n, shift uint8) {
		c := fuzzFloats(data, lanes, n, shift)
		for l := levelGo; l <= active; l++ {
			out := newCanary(len(c.rows), float32(-7))
			l.dotFloats(c.query, c.rows, out.values)
			out.check(t)
			for i, row := range c.rows {
				checkFloat(t, c.query, row, out.values[i])
			}
		}
	})
}

func FuzzDotExact(f *testing.F) {
	addFloats(f)
	f.Fuzz(func(t *testing.T, data []byte, lanes, n, shift uint8) {
		c := fuzzFloats(data, lanes, n, shift)
		want := make([]float64, len(c.rows))
		dotExactGo(c.query, c.rows, want)
		for l := levelAVX2; l <= active; l++ {
			out := newCanary(len(c.rows), float64(-7))
			l.dotExact(c.query, c.rows, out.values)
			out.check(t)
			for i := range want {
				if !sameBits(out.values[i], want[i]) {
					t.Fatalf("%v: row %d of stride %d: got %v, want %v", l, i, len(c.query), out.values[i], want[i])
				}
			}
		}
	})
}

func addFloats(f *testing.F) {
	var values []byte
	for _, v := range []float64{1, -2.5, 1e-40, 3.4e38, math.Inf(1), math.NaN()} {
		values = binary.LittleEndian.AppendUint32(values, math.Float32bits(float32(v)))
	}
	f.Add(values, uint8(3), uint8(9), uint8(1))
	f.Add(values[:12], uint8(1), uint8(4), uint8(0))
	f.Add(values[:16], uint8(2), uint8(3), uint8(3))
}

// fuzzFloats makes a query and rows of the bits of data, over and over, each
// time of other values beside one another.
func fuzzFloats(data []byte, lanes, n, shift uint8) *floatCase {
	stride := FloatLane * (1 + int(lanes%40))
	rows := int(n % maxFuzzRows)
	all := make([]float32, int(shift%16)+(rows+2)*stride)
	for i := range all {
		if len(data) < 4 {
			break
		}
		all[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[(4*i+i*4/len(data))%(len(data)-3):]))
	}
	all = all[shift%16:]
	c := &floatCase{query: all[:stride], values: all[stride:]}
	c.choose(rows, func(i int) int { return i * 7 % (rows + 1) })
	return c
}
