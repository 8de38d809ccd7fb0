package api

import (
	"bytes"
	"encoding/binary"
	stdjson "encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

func floatsOf(b []byte) []float32 {
	var fs []float32
	for ; len(b) >= 4; b = b[4:] {
		fs = append(fs, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return fs
}

// randomNumbers are numbers as clients print them.
func randomNumbers(rng *rand.Rand, n int) []string {
	numbers := make([]string, n)
	for i := range numbers {
		f := float32(rng.NormFloat64() * 0.05)
		switch i % 8 {
		case 0:
			numbers[i] = strconv.FormatFloat(float64(f), 'g', -1, 64) // a double made of a float, as Python does
		case 1:
			numbers[i] = strconv.FormatFloat(float64(f), 'g', -1, 32)
		case 2:
			numbers[i] = strconv.FormatFloat(rng.NormFloat64(), 'g', -1, 64)
		case 3:
			numbers[i] = strconv.FormatFloat(rng.NormFloat64(), 'f', rng.IntN(25), 64)
		case 4:
			numbers[i] = strconv.FormatFloat(math.Float64frombits(rng.Uint64()&^(1<<62)), 'e', rng.IntN(20), 64)
		case 5:
			numbers[i] = strconv.FormatFloat(float64(math.Float32frombits(rng.Uint32()&^(1<<30))), 'g', -1, 32)
		case 6: // a tie, or next to one
			bits := math.Float64bits(float64(f))&^(1<<29-1) | 1<<28
			numbers[i] = strconv.FormatFloat(math.Float64frombits(bits+uint64(rng.IntN(3))-1), 'e', -1, 64)
		case 7:
			numbers[i] = fmt.Sprintf("%d.%019d", rng.IntN(3)-1, rng.Uint64())
		}
	}
	return numbers
}

// padded is an array that begins with text, and is long enough for text to be
// read by the words.
func padded(text string) []byte {
	return []byte("[" + text + ",0" + strings.Repeat(" ", floatWindow) + "]")
}

// slowFloats is appendFloats by encoding/json and strconv.
func slowFloats(array []byte) (floats []float32, ok bool) {
	var values []stdjson.RawMessage
	if stdjson.Unmarshal(array, &values) != nil {
		return nil, false
	}
	for _, v := range values {
		f, err := strconv.ParseFloat(string(v), 32)
		if err != nil || v[0] != '-' && !isDigit(v[0]) {
			return nil, false
		}
		floats = append(floats, float32(f))
	}
	return floats, len(floats) > 0
}

// agree holds appendFloats against slowFloats, bit by bit. text may go on after
// its array.
func agree(t testing.TB, text []byte) {
	t.Helper()
	got, n := appendFloats(nil, text, math.MaxInt)
	if n > 0 {
		text = text[:n]
	}
	want, ok := slowFloats(text)
	if ok != (n > 0) {
		t.Fatalf("%q: %d bytes taken, want all: %v", text, n, ok)
	}
	if ok && !bytes.Equal(got, record.AppendVector(nil, want)) {
		t.Fatalf("%q is %v, want %v", text, floatsOf(got), want)
	}
}

func TestFloatsAgreeWithStrconv(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, text := range randomNumbers(rng, 100_000) {
		agree(t, padded(text))
	}
	for _, text := range []string{"0", "-0", "-0.0", "0e5", "0.0e-999", "1e22", "1e23", "-1e-22", "1e-23", "16777217", "16777219", "3.4028235e38", "3.4028234663852886e38",
		"3.4028235677973366e38", "3.40282357e38", "1e39", "-1e39", "1e400", "1e-400", "1e99999999999999999999", "1e-99999999999999999999", "1.401298464324817e-45", "7e-46",
		"1.1754943508222875e-38", "1.1754942e-38", "9999999999999999999", "18446744073709551615", "18446744073709551616", "99999999999999999999", "0.00000000000000000001",
		"0.000000000000000000000000000001", "1.00000005960464477539", "1.000000059604644775390625", "1.0000000596046447753906251", "0.10000000149011612", "0.1", "123456789.123456789",
		"0.00012345678901234567", "1E5", "1E+5", "1e-05", strings.Repeat("9", 400), "0." + strings.Repeat("0", 400) + "1", "0." + strings.Repeat("3", 400)} {
		agree(t, padded(text))
		agree(t, []byte("["+text+"]"))
	}
}

// TestFloatsAreFast checks that what clients send takes the path that costs
// little, and that a doubt is left to strconv.
func TestFloatsAreFast(t *testing.T) {
	short := func(text string) bool {
		var window [floatWindow]byte
		copy(window[:], text+", 0.5, 0.25, 0.125, 0.0625, 0.03125")
		_, n := shortFloat(&window)
		return n == len(text)
	}
	for _, text := range []string{"0.10000000149011612", "-0.012345678901234567", "0.05", "-1.0", "0.0", "9.999999999", "0.1234567", "0.12345678", "0.123456789", "0.1234567890123456",
		"9.123456789012345678", "0.1234567890123456789"} {
		if !short(text) {
			t.Errorf("%s is slow", text)
		}
	}
	for _, text := range []string{"1.00000005960464477", "1.000000059604644775", "1.1234567890123456789", "0.12345678901234567890", "1.5e-05", "1.", "12.5", "1"} {
		if short(text) {
			t.Errorf("%s is decided without strconv", text)
		}
	}
}

func TestFloatGrammar(t *testing.T) {
	for _, text := range []string{"", "-", "+1", ".5", "1.", "-.5", "01", "00", "-01", "01.5", "1.e5", "1e", "1e+", "1e-", "1ex", "1.5e", "1.5.5", "0.1234567:", "NaN", "Infinity", "-Infinity", "nan", "inf", "0x10",
		"null", `"1"`, "--1", "1 2", "[1]", "1_0", "1.5f"} {
		agree(t, padded(text))
		agree(t, []byte("["+text+"]"))
		if _, n := appendFloats(nil, padded(text), 99); n != 0 {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestAppendFloats(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
		rest string
	}{
		{"[1]", "[1]", ""},
		{"[ 1 , -2.5\n,\t3e2\r]x", "[1 -2.5 300]", "x"},
		{"[1,2,3,4]]", "[1 2 3 4]", "]"},
	} {
		out, n := appendFloats([]byte("1234"), []byte(c.text), 4)
		if got := fmt.Sprint(floatsOf(out[min(4, len(out)):])); n == 0 || got != c.want || c.text[n:] != c.rest || string(out[:4]) != "1234" {
			t.Errorf("%s: %s, %d bytes", c.text, got, n)
		}
	}
	for _, text := range []string{"", "[", "[]", "[ ]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,2,3,4,5]", "{}", "1", "[[1]]", "[null]", `["1"]`, "[1e39]", "[1}", "[01]", "[1.]"} {
		out, n := appendFloats([]byte("1234"), []byte(text), 4)
		if n != 0 || string(out) != "1234" {
			t.Errorf("%s: %d bytes, %q", text, n, out)
		}
	}
}

func FuzzFloats(f *testing.F) {
	for _, seed := range []string{"1", "-0.0", "0.10000000149011612", "1e-45", "3.4028235e38", "1e39", "01", "1.", "1.000000059604644775390625", "12345678901234567890", "1e+", "NaN", "1, 2\t,3.25"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		agree(t, padded(text))
		agree(t, []byte("["+text+"]"))
	})
}

func vectorBody(dim int, seed uint64, format func(f float32) string) []byte {
	rng := rand.New(rand.NewPCG(3, seed))
	numbers := make([]string, dim)
	for i := range numbers {
		numbers[i] = format(float32(rng.NormFloat64() * 0.05))
	}
	return []byte(`{"id":"point-000001","vector":[` + strings.Join(numbers, ",") + `],"meta":{"group":"a","n":17}}`)
}

// Numbers as a JavaScript or Go client prints them, and as Python does.
func shortest(f float32) string { return strconv.FormatFloat(float64(f), 'g', -1, 32) }
func asDouble(f float32) string { return strconv.FormatFloat(float64(f), 'g', -1, 64) }

func BenchmarkAppendFloats(b *testing.B) {
	for name, format := range map[string]func(float32) string{"shortest": shortest, "double": asDouble} {
		b.Run(name, func(b *testing.B) {
			var arrays [256][]byte
			for i := range arrays {
				body := vectorBody(384, uint64(i), format)
				arrays[i] = body[bytes.IndexByte(body, '['):]
			}
			buf := make([]byte, 0, 8192)
			b.SetBytes(int64(len(arrays[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, n := appendFloats(buf, arrays[i&255], 4096); n == 0 {
					b.Fatal("refused")
				}
			}
		})
	}
}
