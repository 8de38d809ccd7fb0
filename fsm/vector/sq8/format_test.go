package sq8

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, dim := range []int{1, 7, 32, 50} {
		for _, clip := range []bool{false, true} {
			s := gaussian(200, dim)
			q := s.train(clip)
			data := q.AppendBinary([]byte("x"))
			if len(data) != 1+BinarySize(dim) || data[0] != 'x' {
				t.Fatalf("%d bytes", len(data))
			}
			read, err := Decode(dim, clip, data[1:])
			if err != nil {
				t.Fatal(err)
			}
			if read.Dim() != dim || read.Stride() != q.Stride() || !bytes.Equal(read.AppendBinary(nil), data[1:]) {
				t.Error("what was read is written otherwise")
			}
			for i := range s.rows {
				s.scales[i] = float32(i%7) / 2
			}
			codes, fits := s.encode(q)
			again, fitsAgain := s.encode(read)
			if !bytes.Equal(codes, again) || !slices.Equal(fits, fitsAgain) {
				t.Error("what was read makes other codes")
			}
			if !slices.Equal(scores(q, codes, s.rows[0]), scores(read, codes, s.rows[0])) {
				t.Error("what was read makes other scores")
			}
		}
	}
}

func TestForged(t *testing.T) {
	const dim = 5
	good := gaussian(50, dim).train(true).AppendBinary(nil)
	for name, c := range map[string]struct {
		dim  int
		data []byte
	}{
		"short":           {dim, good[:len(good)-1]},
		"long":            {dim, append(slices.Clone(good), 0)},
		"nothing":         {dim, nil},
		"no dimension":    {0, nil},
		"below zero":      {-1, nil},
		"another":         {dim + 1, good},
		"lo not a number": {dim, forged(good, 1, math.NaN())},
		"lo infinite":     {dim, forged(good, 0, math.Inf(-1))},
		"step zero":       {dim, forged(good, dim, 0)},
		"step negative":   {dim, forged(good, dim+4, -1)},
		"step infinite":   {dim, forged(good, dim, math.Inf(1))},
		"step no number":  {dim, forged(good, dim, math.NaN())},
		"step subnormal":  {dim, forged(good, dim, 1e-44)},
		"too wide":        {dim, forged(good, dim, 3e38)},
	} {
		if q, err := Decode(c.dim, true, c.data); err == nil || q != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// forged returns data with another value at a place.
func forged(data []byte, at int, x float64) []byte {
	data = slices.Clone(data)
	binary.LittleEndian.PutUint32(data[4*at:], math.Float32bits(float32(x)))
	return data
}

// FuzzDecode reads ranges that may be anything: what is read works.
func FuzzDecode(f *testing.F) {
	f.Add(gaussian(50, 3).train(true).AppendBinary(nil), float32(1))
	f.Add(forged(gaussian(50, 1).train(true).AppendBinary(nil), 1, 1e-38), float32(-2))
	f.Add(forged(gaussian(50, 1).train(true).AppendBinary(nil), 0, 3e38), float32(1e38))
	f.Fuzz(func(t *testing.T, data []byte, x float32) {
		dim := len(data) / 8
		q, err := Decode(dim, dim%2 == 0, data)
		if err != nil {
			return
		}
		if !bytes.Equal(q.AppendBinary(nil), data) {
			t.Error("what was read is written otherwise")
		}
		if !finite(x) {
			return
		}
		s := newSample(3, dim, func(row, j int) float32 { return x * float32(row-1) / float32(j+1) })
		codes, _ := s.encode(q)
		for _, row := range s.rows {
			scores(q, codes, row)
			q.Beyond(&row[0], 1)
		}
	})
}
