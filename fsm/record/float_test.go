package record_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

func TestVectorBytes(t *testing.T) {
	v := []float32{1, -2.5, math.SmallestNonzeroFloat32}
	b := record.AppendVector([]byte{9}, v)
	if want := []byte{9, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 1, 0, 0, 0}; !slices.Equal(b, want) {
		t.Fatalf("% x, want % x", b, want)
	}
	if got := record.DecodeVector([]float32{7}, b[1:]); !slices.Equal(got, append([]float32{7}, v...)) {
		t.Fatalf("%v", got)
	}
}

// TestFiniteVector puts every kind of float at every place of vectors of
// several lengths.
func TestFiniteVector(t *testing.T) {
	for bits, want := range map[uint32]bool{
		0: true, 1 << 31: true, 1: true, 0x007fffff: true, 0x7f7fffff: true, 0xff7fffff: true, 0x3f800000: true,
		0x7f800000: false, 0xff800000: false, 0x7f800001: false, 0x7fc00000: false, 0xffffffff: false,
	} {
		for n := 1; n <= 5; n++ {
			for at := range n {
				v := slices.Repeat([]float32{-math.MaxFloat32}, n)
				v[at] = math.Float32frombits(bits)
				if got := record.FiniteVector(record.AppendVector(nil, v)); got != want {
					t.Errorf("%#x at %d of %d: %v", bits, at, n, got)
				}
			}
		}
	}
	if !record.FiniteVector(nil) || record.FiniteVector(make([]byte, 6)) {
		t.Error("the empty vector, or half a float")
	}
}

func TestAppendFloat32(t *testing.T) {
	for f, want := range map[float32]string{
		0: "0", 1: "1", -1.5: "-1.5", 0.1: "0.1", 16777216: "16777216",
		1e-6: "0.000001", 9.999999e-7: "9.999999e-7", -1e-7: "-1e-7", 1e-10: "1e-10",
		1e20: "100000000000000000000", 1e21: "1e+21", 123e30: "1.23e+32",
		math.MaxFloat32: "3.4028235e+38", math.SmallestNonzeroFloat32: "1e-45",
	} {
		if got := string(record.AppendFloat32([]byte("x"), f)); got != "x"+want {
			t.Errorf("%g: %s, want x%s", f, got, want)
		}
	}
	if got := string(record.AppendFloat32(nil, float32(math.Copysign(0, -1)))); got != "-0" {
		t.Errorf("negative zero: %s", got)
	}
}

// TestAppendFloat32Twin compares with encoding/json, and reads back.
func TestAppendFloat32Twin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		checkFloat32(t, math.Float32frombits(rng.Uint32()))
	}
}

func checkFloat32(t *testing.T, f float32) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return
	}
	got := string(record.AppendFloat32(nil, f))
	want, err := json.Marshal(f)
	if err != nil || got != string(want) {
		t.Fatalf("%#x: %s, encoding/json %s, %v", math.Float32bits(f), got, want, err)
	}
	back, err := strconv.ParseFloat(got, 32)
	if err != nil || math.Float32bits(float32(back)) != math.Float32bits(f) {
		t.Fatalf("%#x: %s reads back as %#x, %v", math.Float32bits(f), got, math.Float32bits(float32(back)), err)
	}
}

func FuzzAppendFloat32(f *testing.F) {
	for _, bits := range []uint32{0, 1 << 31, 1, 0x7f7fffff, 0x358637bd, 0x358637be, 0x6258d726, 0x6258d727} {
		f.Add(bits)
	}
	f.Fuzz(func(t *testing.T, bits uint32) { checkFloat32(t, math.Float32frombits(bits)) })
}
