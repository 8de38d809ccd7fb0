package filter

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kissvdb/kissvdb/fault"
)

func nested(depth int) string {
	return strings.Repeat(`{"$not":`, depth-1) + `{"a":1}` + strings.Repeat("}", depth-1)
}

func list(n int, element func(int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = element(i)
	}
	return strings.Join(all, ",")
}

func number(i int) string { return fmt.Sprint(i) }

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("é", 200)
	for _, c := range []struct{ filter, message string }{
		{`{"a":{"$foo":1}}`, `unknown operator $foo at "a"`},
		{`{"a.b":{"$gt":1,"$regex":"x"}}`, `unknown operator $regex at "a.b"`},
		{`{"a":{"$":1}}`, `unknown operator $ at "a"`},
		{`{"$nor":[]}`, `unknown operator $nor`},
		{`{"a":1,"$gt":1}`, `operator $gt must be below the name of a field`},
		{`{"$or":[{"$exists":true}]}`, `operator $exists must be below the name of a field`},
		{`{"a":{"$gt":1,"b":2}}`, `filter mixes operator $gt and name "b" at "a"`},
		{`{"a":{"":2,"$gt":1}}`, `filter mixes operator $gt and name "" at "a"`},
		{`{"a":{"$not":{"$gt":1,"b":2}}}`, `filter mixes operator $gt and name "b" at "a"`},
		{`{"a":{"$in":1}}`, `$in at "a" must be an array`},
		{`{"a":{"$nin":{}}}`, `$nin at "a" must be an array`},
		{`{"a":{"$exists":1}}`, `$exists at "a" must be true or false`},
		{`{"a":{"$exists":null}}`, `$exists at "a" must be true or false`},
		{`{"a":{"$not":1}}`, `$not at "a" takes objects of operators`},
		{`{"a":{"$not":{}}}`, `$not at "a" takes objects of operators`},
		{`{"a":{"$not":{"b":1}}}`, `$not at "a" takes objects of operators`},
		{`{"a":{"$or":[{"b":1}]}}`, `$or at "a" takes objects of operators`},
		{`{"a":{"$and":{"$gt":1}}}`, `$and at "a" must be an array`},
		{`{"a":{"$and":[]}}`, `$and at "a" must not be empty`},
		{`{"$and":{"a":1}}`, `$and must be an array`},
		{`{"$or":null}`, `$or must be an array`},
		{`{"$or":[]}`, `$or must not be empty`},
		{`{"$or":[{"a":1},[]]}`, `$or takes filters, and filters are objects`},
		{`{"$not":[{"a":1}]}`, `$not takes filters, and filters are objects`},
		{`{"$not":null}`, `$not takes filters, and filters are objects`},
		{nested(33), `filter nests more than 32 deep`},
		{`{"a":` + strings.Repeat(`{"$not":`, 32) + `{"$gt":1}` + strings.Repeat("}", 32) + `}`, `filter nests more than 32 deep at "a"`},
		{`{"$and":[` + list(1025, func(int) string { return "{}" }) + `]}`, `filter has more than 1024 conditions and values`},
		{`{"a":{"$and":[` + list(1025, func(i int) string { return `{"$gt":` + number(i) + `}` }) + `]}}`, `filter has more than 1024 conditions and values`},
		{`{"a":{"$in":[` + list(1024, number) + `]}}`, `filter has more than 1024 conditions and values`},
		{`{` + list(65, func(i int) string { return fmt.Sprintf(`"f%d":1`, i) }) + `}`, `filter names more than 64 fields, such as "f64"`},
		{`{"` + long + `":{"$` + long + `":1}}`, `unknown operator $` + strings.Repeat("é", 29) + `... at "` + strings.Repeat("é", 30) + `..."`},
		{`{"a\nb":{"$foo\n":1}}`, `unknown operator $foo\n at "a\nb"`},
	} {
		f, err := Parse([]byte(c.filter))
		if f != nil || !fault.Is(err, fault.InvalidArgument) {
			t.Errorf("%.100s: %v, %v", c.filter, f, err)
			continue
		}
		message := strings.TrimPrefix(err.Error(), "invalid_argument: ")
		if message != c.message || !utf8.ValidString(message) {
			t.Errorf("%.100s: says %q, not %q", c.filter, message, c.message)
		}
	}
}

// TestParseLimits has filters that are as large as they may be.
func TestParseLimits(t *testing.T) {
	if mustParse(t, nested(32)).MatchString(`{"a":1}`) {
		t.Error("31 complements are one")
	}
	in := mustParse(t, `{"a":{"$in":[`+list(1023, number)+`]}}`)
	if !in.MatchString(`{"a":1022}`) || in.MatchString(`{"a":1023}`) {
		t.Error("$in of 1023 values")
	}
	fields := list(64, func(i int) string { return fmt.Sprintf(`"f%d":%d`, i, i) })
	if f := mustParse(t, `{`+fields+`}`); !f.MatchString(`{`+fields+`,"g":0}`) || f.MatchString(`{`+fields[:len(fields)-2]+`0}`) {
		t.Error("64 fields")
	}
	or := mustParse(t, `{"$or":[`+list(1024, func(i int) string { return `{"a":` + number(i) + `}` })+`]}`)
	if !or.MatchString(`{"a":1023}`) || or.MatchString(`{"a":1024}`) {
		t.Error("$or of 1024 conditions")
	}
}

// TestParseKeepsNothing changes the bytes that were parsed.
func TestParseKeepsNothing(t *testing.T) {
	raw := []byte(`{"a":"x","b":{"$in":["y"]},"c":{"$gt":"z"}}`)
	f, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	if !f.MatchString(`{"a":"x","b":"y","c":"zz"}`) {
		t.Error("the filter changed")
	}
}
