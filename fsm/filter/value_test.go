package filter

import (
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		doc, path, form string
		ok              bool
	}{
		{`{"a":1}`, "a", `1`, true},
		{`{"a":null}`, "a", `null`, true},
		{`{"a":{"b":"\u0078"}}`, "a.b", `"x"`, true},
		{`{"a":{"b":1},"a.b":2}`, "a.b", `2`, true},
		{`{"a": { "y" : [ 1.0, {} ], "x" : "\n" } }`, "a", `{"x":"\u000a","y":[1,{}]}`, true},
		{`{"a":1}`, "b", ``, false},
		{`{"a":[1]}`, "a.0", ``, false},
		{`[1]`, "0", ``, false},
		{`null`, "a", ``, false},
		{``, "a", ``, false},
		{``, "", ``, false},
	} {
		if form, ok := Lookup(c.doc, c.path); form != c.form || ok != c.ok {
			t.Errorf("Lookup(%s, %q) = %s, %v", c.doc, c.path, form, ok)
		}
		if form, ok := Lookup([]byte(c.doc), c.path); form != c.form || ok != c.ok {
			t.Errorf("Lookup(bytes %s, %q) = %s, %v", c.doc, c.path, form, ok)
		}
	}
}

func TestCanonical(t *testing.T) {
	digits := "123456789012345678901"
	for _, c := range []struct{ value, form string }{
		{`0`, `0`}, {`-0`, `0`}, {`0.0`, `0`}, {`-0e5`, `0`}, {`0e-99999999999999999999`, `0`},
		{`1`, `1`}, {`-1`, `-1`}, {`1.0`, `1`}, {`10`, `10`}, {`1e1`, `10`}, {`1E+01`, `10`}, {`100e-2`, `1`}, {`-1.50`, `-1.5`},
		{`0.5`, `0.5`}, {`5e-1`, `0.5`}, {`0.050`, `0.05`}, {`50.0e-3`, `0.05`}, {`12.5e1`, `125`}, {`12.5e-1`, `1.25`},
		{`1e20`, `1` + strings.Repeat("0", 20)}, {`1e21`, `1e21`}, {`1` + strings.Repeat("0", 21), `1e21`}, {`-120e21`, `-12e22`},
		{digits, digits}, {digits + "2", digits + "2e0"}, {digits + "0", digits + "e1"}, {digits[:20] + ".1", digits[:20] + ".1"}, {digits + ".1", digits + "1e-1"},
		{`0.` + digits, `0.` + digits}, {`0.` + digits + `1`, digits + `1e-22`}, {`1e-21`, `0.` + strings.Repeat("0", 20) + "1"}, {`1e-22`, `1e-22`},
		{`10e99999999999999999999`, `1e100000000000000000000`}, {`0.1e-99999999999999999999`, `1e-100000000000000000000`},
		{`"a"`, `"a"`}, {`"\u0061\/"`, `"a/"`}, {`"\"\\"`, `"\"\\"`}, {`"\b\f\n\r\t"`, `"\u0008\u000c\u000a\u000d\u0009"`}, {`"\u00e9é"`, `"éé"`},
		{`"\ud83d\ude00"`, `"😀"`}, {`"\ud83d"`, `"` + "\ufffd" + `"`}, {`"\ud83dx"`, `"` + "\ufffd" + `x"`}, {`"\ude00\ud83d"`, `"` + "\ufffd\ufffd" + `"`}, {`"\ud83d\u0041"`, `"` + "\ufffd" + `A"`},
		{`[ ]`, `[]`}, {`[ 1.0 , [ "\u0061" ] , null ]`, `[1,["a"],null]`},
		{`{ }`, `{}`}, {`{"b":1,"a":2}`, `{"a":2,"b":1}`}, {`{"b":{"d":[{"f":1,"e":2}],"c":0},"a":1}`, `{"a":1,"b":{"c":0,"d":[{"e":2,"f":1}]}}`},
		{`{"aa":1,"a":2,"":3}`, `{"":3,"a":2,"aa":1}`}, {`{"\u0062":1,"a":2}`, `{"a":2,"b":1}`},
		{`{"i":1,"h":1,"g":1,"f":1,"e":1,"d":1,"c":1,"b":1,"a":1}`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`},
		{`true`, `true`}, {`false`, `false`}, {`null`, `null`},
	} {
		if got := canonical(c.value); got != c.form {
			t.Errorf("canonical(%s) = %s, not %s", c.value, got, c.form)
		}
		if got := canonical(c.form); got != c.form {
			t.Errorf("canonical(%s) = %s", c.form, got)
		}
	}
}

// TestNumberOrder compares every two of a list of numbers.
func TestNumberOrder(t *testing.T) {
	ascending := [][]string{
		{`-1e99999999999999999999`, `-10e99999999999999999998`},
		{`-1e400`},
		{`-9007199254740993`}, {`-9007199254740992`},
		{`-100`, `-1e2`}, {`-11`}, {`-10.1`}, {`-10`}, {`-1`}, {`-0.11`}, {`-0.1`}, {`-0.09`}, {`-1e-400`},
		{`-1e-99999999999999999999`},
		{`0`, `-0`, `0.0`, `0e999999999999999999999`},
		{`1e-99999999999999999999`, `0.1e-99999999999999999998`}, {`1.1e-99999999999999999999`},
		{`1e-999999999999999999`}, {`1e-400`}, {`0.09`}, {`0.1`, `1e-1`}, {`0.11`}, {`0.9`},
		{`1`, `1.0`, `0.01e2`}, {`1.05`}, {`1.5`}, {`2`}, {`9.99`}, {`10`}, {`10.01`}, {`99`}, {`100`, `100.00`},
		{`9007199254740992`}, {`9007199254740992.5`}, {`9007199254740993`}, {`18446744073709551615`}, {`18446744073709551616`},
		{`1e400`}, {`1.01e400`}, {`1e999999999999999999`}, {`1e1000000000000000000`}, {`1e99999999999999999999`},
	}
	for i, low := range ascending {
		for j, high := range ascending {
			want := compareInts(i, j)
			for _, a := range low {
				for _, b := range high {
					o := newOperand(b)
					if got, ok := o.compare(a); !ok || compareInts(got, 0) != want {
						t.Errorf("%s against %s: %d, %v", a, b, got, ok)
					}
					if (canonical(a) == canonical(b)) != (want == 0) {
						t.Errorf("forms of %s and %s: %s and %s", a, b, canonical(a), canonical(b))
					}
					if naive := naiveNumbers(a, b); naive != want {
						t.Errorf("naive %s against %s: %d", a, b, naive)
					}
				}
			}
		}
	}
}

func compareInts(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestBitmap(t *testing.T) {
	rows := func(n uint32, set ...uint32) Bitmap {
		b := Bitmap(nil).sized(n)
		for _, row := range set {
			b.set(row)
		}
		return b
	}
	check := func(what string, b Bitmap, want ...uint32) {
		t.Helper()
		var got []uint32
		for row := range b.All {
			got = append(got, row)
			if !b.Contains(row) {
				t.Errorf("%s does not contain %d", what, row)
			}
		}
		if len(got) != len(want) || b.Count() != len(want) {
			t.Errorf("%s is %v", what, got)
			return
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s is %v", what, got)
			}
		}
	}
	b := rows(130, 0, 63, 64, 129)
	check("set", b, 0, 63, 64, 129)
	b.Or(rows(300, 1, 129, 255))
	check("or", b, 0, 1, 63, 64, 129)
	b.AndNot(rows(64, 0))
	check("and not", b, 1, 63, 64, 129)
	b.And(rows(65, 1, 2, 64))
	check("and", b, 1, 64)
	if b.Contains(192) || b.Contains(1<<32-1) || Bitmap(nil).Contains(0) {
		t.Error("contains rows beyond its length")
	}
	b.fill(130)
	if b.Count() != 130 {
		t.Errorf("full has %d", b.Count())
	}
	for row := range b.All {
		if row == 70 {
			break
		}
	}
	check("empty", b[:1].sized(1))
	for _, n := range []uint32{0, 1, 63, 64, 65} {
		b := Bitmap(nil).sized(n)
		b.fill(n)
		if b.Count() != int(n) {
			t.Errorf("%d rows filled are %d", n, b.Count())
		}
	}
}
