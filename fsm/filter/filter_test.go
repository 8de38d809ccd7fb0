package filter

import (
	"fmt"
	"strings"
	"testing"
)

func mustParse(t testing.TB, raw string) *Filter {
	t.Helper()
	f, err := Parse([]byte(raw))
	if err != nil {
		t.Fatalf("Parse(%s): %v", raw, err)
	}
	return f
}

// matchCases are filters with documents that they match and that they do not.
var matchCases = []struct {
	filter string
	yes    []string
	no     []string
}{
	{`{}`, []string{`{}`, `{"a":1}`, ` {} `}, []string{``, `null`, `[]`, `"a"`, `1`, `[{}]`}},
	{`null`, nil, []string{``, `null`, `{}`}},
	{`[]`, nil, []string{`[]`, `{}`}},
	{`"a"`, nil, []string{`"a"`}},

	// Equality of fields.
	{`{"a":1}`, []string{`{"a":1}`, `{"b":2,"a":1}`, `{"a":1.0}`, `{"a":1e0}`, `{"a":10E-1}`, `{"a":0.1e+1}`, "{ \"a\" :\n1 }"},
		[]string{``, `null`, `{}`, `{"a":2}`, `{"a":"1"}`, `{"a":null}`, `{"a":[1]}`, `{"a":true}`, `{"A":1}`, `[1]`, `{"b":{"a":1}}`}},
	{`{"a":1,"b":"x"}`, []string{`{"a":1,"b":"x"}`, `{"b":"x","a":1}`}, []string{`{"a":1}`, `{"b":"x"}`, `{"a":1,"b":"y"}`}},
	{`{"a":null}`, []string{`{"a":null}`}, []string{`{}`, `null`, `{"a":0}`, `{"a":false}`, `{"a":""}`}},
	{`{"a":true}`, []string{`{"a":true}`}, []string{`{"a":false}`, `{"a":1}`, `{"a":"true"}`}},
	{`{"a":""}`, []string{`{"a":""}`}, []string{`{"a":null}`, `{"a":"x"}`, `{}`}},
	{`{"a":0}`, []string{`{"a":0}`, `{"a":-0}`, `{"a":0.00}`, `{"a":0e99999999999999999999}`, `{"a":-0.0e-5}`}, []string{`{"a":1e-400}`, `{"a":null}`}},
	{`{"a":9007199254740993}`, []string{`{"a":9007199254740993}`, `{"a":9007199254740993.0}`, `{"a":900719925474099.3e1}`}, []string{`{"a":9007199254740992}`, `{"a":9007199254740994}`}},
	{`{"a":0.1}`, []string{`{"a":0.1}`, `{"a":1e-1}`, `{"a":0.10}`}, []string{`{"a":0.1000000000000000055511151231257827}`}},
	{`{"a":1e400}`, []string{`{"a":10e399}`, `{"a":1` + strings.Repeat("0", 400) + `}`}, []string{`{"a":1e401}`, `{"a":-1e400}`}},
	{`{"a":1e99999999999999999999}`, []string{`{"a":10e99999999999999999998}`, `{"a":0.1E+100000000000000000000}`}, []string{`{"a":1e99999999999999999998}`, `{"a":1e-99999999999999999999}`}},
	{`{"a":"\u0061\/\n"}`, []string{`{"a":"a/\n"}`, `{"a":"\u0061\u002f\u000A"}`, `{"\u0061":"a/\n"}`}, []string{`{"a":"\\u0061"}`, `{"a":"a/n"}`}},
	{`{"a":"\ud83d\ude00"}`, []string{`{"a":"😀"}`}, []string{`{"a":"😁"}`}},
	{`{"a":[1,"x"]}`, []string{`{"a":[1,"x"]}`, `{"a":[1.0, "\u0078"]}`}, []string{`{"a":["x",1]}`, `{"a":[1]}`, `{"a":[1,"x",null]}`, `{"a":1}`}},
	{`{"a":[]}`, []string{`{"a":[]}`, `{"a":[ ]}`}, []string{`{"a":{}}`, `{"a":[[]]}`, `{"a":null}`}},
	{`{"a":{}}`, []string{`{"a":{}}`, `{"a":{ }}`}, []string{`{"a":[]}`, `{"a":{"b":1}}`, `{}`}},
	{`{"a":{"x":1,"y":{"p":[2],"q":null}}}`, []string{`{"a":{"y":{"q":null,"p":[2e0]},"x":1.0}}`, `{"a":{"\u0078":1,"y":{"p":[2],"q":null}}}`},
		[]string{`{"a":{"x":1}}`, `{"a":{"x":1,"y":{"p":[2],"q":null},"z":0}}`, `{"a":{"x":1,"y":{"p":[2],"q":0}}}`}},
	{`{"a":{"b":{"$gt":1}}}`, []string{`{"a":{"b":{"$gt":1}}}`}, []string{`{"a":{"b":2}}`}},
	{`{"":1}`, []string{`{"":1}`}, []string{`{"a":1}`, `{}`}},

	// Operators of equality.
	{`{"a":{"$eq":1}}`, []string{`{"a":1.0}`}, []string{`{"a":2}`, `{}`}},
	{`{"a":{"$eq":null}}`, []string{`{"a":null}`}, []string{`{}`, `null`}},
	{`{"a":{"$eq":{"$gt":1}}}`, []string{`{"a":{"$gt":1}}`}, []string{`{"a":2}`}},
	{`{"a":{"$ne":1}}`, []string{`{"a":2}`, `{"a":"1"}`, `{"a":null}`, `{}`, `null`, ``, `[1]`}, []string{`{"a":1}`, `{"a":1.0}`}},
	{`{"a":{"$in":[1,"x",null,[2],{"p":1,"q":2}]}}`, []string{`{"a":1e0}`, `{"a":"x"}`, `{"a":null}`, `{"a":[2.0]}`, `{"a":{"q":2,"p":1}}`}, []string{`{}`, `{"a":2}`, `{"a":[1]}`, `null`}},
	{`{"a":{"$in":[]}}`, nil, []string{`{}`, `{"a":[]}`, `{"a":null}`}},
	{`{"a":{"$nin":[1,2]}}`, []string{`{"a":3}`, `{}`, `null`, `{"a":[1]}`}, []string{`{"a":1}`, `{"a":2.0}`}},
	{`{"a":{"$nin":[]}}`, []string{`{}`, `{"a":1}`, `null`}, nil},

	// Order.
	{`{"a":{"$gt":1}}`, []string{`{"a":1.0000000000000000000001}`, `{"a":2}`, `{"a":1e400}`}, []string{`{"a":1}`, `{"a":1.0}`, `{"a":0}`, `{"a":-2}`, `{"a":"2"}`, `{"a":null}`, `{"a":true}`, `{"a":[2]}`, `{}`, `null`}},
	{`{"a":{"$gte":9007199254740993}}`, []string{`{"a":9007199254740993}`, `{"a":9007199254740994}`}, []string{`{"a":9007199254740992}`, `{"a":9007199254740992.999}`}},
	{`{"a":{"$lt":-1}}`, []string{`{"a":-2}`, `{"a":-1.5}`, `{"a":-1e99999999999999999999}`}, []string{`{"a":-1}`, `{"a":0}`, `{"a":-0.5}`, `{"a":-1e-99999999999999999999}`}},
	{`{"a":{"$lte":0}}`, []string{`{"a":-0}`, `{"a":0.0}`, `{"a":-1e-400}`}, []string{`{"a":1e-400}`, `{"a":""}`}},
	{`{"a":{"$gt":"b"}}`, []string{`{"a":"ba"}`, `{"a":"c"}`, `{"a":"\u0063"}`, `{"a":"é"}`}, []string{`{"a":"b"}`, `{"a":"a"}`, `{"a":"B"}`, `{"a":""}`, `{"a":9}`, `{}`}},
	{`{"a":{"$lte":"\u0062"}}`, []string{`{"a":"b"}`, `{"a":"a\uffff"}`, `{"a":""}`}, []string{`{"a":"b\u0000"}`, `{"a":1}`}},
	{`{"a":{"$gte":"\uffff"}}`, []string{`{"a":"\uffff"}`, `{"a":"\ud83d\ude00"}`}, []string{`{"a":"\ufffe"}`}}, // bytes, not UTF-16
	{`{"a":{"$gte":1,"$lt":3}}`, []string{`{"a":1}`, `{"a":2.9}`}, []string{`{"a":3}`, `{"a":0}`, `{"a":"2"}`}},
	{`{"a":{"$gte":null}}`, nil, []string{`{"a":null}`, `{}`}},
	{`{"a":{"$gte":true}}`, nil, []string{`{"a":true}`}},
	{`{"a":{"$lte":[1]}}`, nil, []string{`{"a":[1]}`, `{"a":[0]}`}},

	// Being there.
	{`{"a":{"$exists":true}}`, []string{`{"a":1}`, `{"a":null}`}, []string{`{}`, `{"b":1}`, `null`, `["a"]`}},
	{`{"a":{"$exists":false}}`, []string{`{}`, `{"b":1}`, `null`, ``, `["a"]`}, []string{`{"a":1}`, `{"a":null}`}},

	// Arrays.
	{`{"a":{"$contains":1}}`, []string{`{"a":[1]}`, `{"a":["x", 1.0 ]}`, `{"a":[1,1]}`}, []string{`{"a":1}`, `{"a":[]}`, `{"a":["1"]}`, `{"a":[[1]]}`, `{"a":{"1":1}}`, `{"a":"1"}`, `{}`}},
	{`{"a":{"$contains":[1]}}`, []string{`{"a":[[1]]}`, `{"a":[0,[1e0]]}`}, []string{`{"a":[1]}`}},
	{`{"a":{"$contains":{"p":1,"q":2}}}`, []string{`{"a":[{"q":2,"p":1}]}`}, []string{`{"a":[{"p":1}]}`}},
	{`{"a":{"$contains":null}}`, []string{`{"a":[null]}`}, []string{`{"a":[]}`, `{"a":null}`, `{}`}},
	{`{"a":{"$contains":{"$gt":1}}}`, []string{`{"a":[{"$gt":1}]}`}, []string{`{"a":[2]}`}},

	// Combinations of operators.
	{`{"a":{"$not":{"$gt":1}}}`, []string{`{"a":1}`, `{"a":"x"}`, `{}`, `null`}, []string{`{"a":2}`}},
	{`{"a":{"$not":{"$gte":1,"$lt":3}}}`, []string{`{"a":0}`, `{"a":3}`, `{}`}, []string{`{"a":1}`, `{"a":2}`}},
	{`{"a":{"$not":{"$not":{"$eq":1}}}}`, []string{`{"a":1}`}, []string{`{"a":2}`, `{}`}},
	{`{"a":{"$or":[{"$lt":1},{"$gt":5},{"$eq":"x"}]}}`, []string{`{"a":0}`, `{"a":6}`, `{"a":"x"}`}, []string{`{"a":1}`, `{"a":5}`, `{"a":"y"}`, `{}`}},
	{`{"a":{"$and":[{"$gt":1},{"$ne":3}],"$lt":5}}`, []string{`{"a":2}`, `{"a":4}`}, []string{`{"a":3}`, `{"a":1}`, `{"a":5}`, `{}`}},

	// Combinations of filters.
	{`{"$and":[{"a":1},{"b":2}]}`, []string{`{"a":1,"b":2}`}, []string{`{"a":1}`, `{"b":2}`}},
	{`{"$or":[{"a":1},{"b":2}]}`, []string{`{"a":1}`, `{"b":2,"a":0}`}, []string{`{}`, `{"a":2,"b":1}`}},
	{`{"$not":{"a":1}}`, []string{`{"a":2}`, `{}`, `null`, ``, `[]`}, []string{`{"a":1}`}},
	{`{"$not":{}}`, []string{`null`, ``, `[]`, `1`}, []string{`{}`, `{"a":1}`}},
	{`{"c":1,"$or":[{"a":1},{"$and":[{"b":2},{"$not":{"d":3}}]}]}`, []string{`{"c":1,"a":1}`, `{"c":1,"b":2}`, `{"c":1,"b":2,"d":4}`}, []string{`{"a":1}`, `{"c":1}`, `{"c":1,"b":2,"d":3}`}},
	{`{"$or":[{},{"a":{"$exists":false}}]}`, []string{`{}`, `null`, `{"a":1}`}, nil},
	{`{"\u0024or":[{"a":{"\u0024gt":1}}]}`, []string{`{"a":2}`}, []string{`{"a":1}`}},

	// Paths.
	{`{"a.b":1}`, []string{`{"a":{"b":1}}`, `{"a.b":1}`, `{"a":{"b":2},"a.b":1}`, `{"a.b":1,"a":{"b":2}}`, `{"a":{"x":{},"b":1.0}}`},
		[]string{`{"a":{"b":1},"a.b":2}`, `{"a.b":2,"a":{"b":1}}`, `{"a":1}`, `{"b":1}`, `{"a":[{"b":1}]}`, `{"a":{"b":[1]}}`, `{"a":null}`}},
	{`{"a.b.c":1}`, []string{`{"a":{"b":{"c":1}}}`, `{"a":{"b.c":1}}`, `{"a.b.c":1}`, `{"a":{"b":{"c":2},"b.c":1}}`, `{"a":{"b":{"c":2},"b.c":2},"a.b.c":1}`},
		[]string{`{"a.b":{"c":1}}`, `{"a":{"b":{"c":1}},"a.b.c":2}`, `{"a":{"b":{"c":1},"b.c":2}}`}},
	{`{"a.b":1,"a":{"b":1},"a.c":{"$exists":false}}`, []string{`{"a":{"b":1}}`}, []string{`{"a.b":1}`, `{"a":{"b":1,"c":1}}`}},
	{`{"a.b":1,"a.c.d":2,"e":3}`, []string{`{"e":3,"a":{"c":{"d":2},"b":1}}`}, []string{`{"e":3,"a":{"c":{"d":1},"b":1}}`, `{"e":3,"a":{"c":2,"b":1}}`}},
	{`{"a.":1}`, []string{`{"a":{"":1}}`, `{"a.":1}`}, []string{`{"a":1}`}},
	{`{".":1}`, []string{`{"":{"":1}}`, `{".":1}`}, []string{`{"":1}`}},
	{`{".a":1}`, []string{`{"":{"a":1}}`}, []string{`{"a":1}`}},
	{`{"a.0":1}`, []string{`{"a":{"0":1}}`}, []string{`{"a":[1]}`}},
	{`{"a.$b":1}`, []string{`{"a":{"$b":1}}`}, nil},
	{`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":{"$ne":6}}`, []string{`{"e":5,"d":4,"c":3,"b":2,"a":1}`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":7}`}, []string{`{"a":1,"b":2,"c":3,"d":4}`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}`}},
}

func TestMatch(t *testing.T) {
	for _, c := range matchCases {
		f := mustParse(t, c.filter)
		docs, wants := append(c.yes[:len(c.yes):len(c.yes)], c.no...), len(c.yes)
		rows := NewIndex().Rows(nil, f, uint32(len(docs)), func(row uint32) string { return docs[row] })
		for i, doc := range docs {
			want := i < wants
			if got := f.Match([]byte(doc)); got != want {
				t.Errorf("%s on %s: Match is %v", c.filter, doc, got)
			}
			if got := rows.Contains(uint32(i)); got != want {
				t.Errorf("%s on %s: Rows has it: %v", c.filter, doc, got)
			}
			if got := naiveFilter(decode(t, c.filter), decode(t, doc)); got != want {
				t.Errorf("%s on %s: the naive evaluator says %v", c.filter, doc, got)
			}
		}
	}
}

func TestNilAndZero(t *testing.T) {
	var none *Filter
	docs := func(uint32) string { return "" }
	if !none.Match(nil) || NewIndex().Rows(nil, none, 70, docs).Count() != 70 {
		t.Error("a nil filter does not match everything")
	}
	zero := &Filter{}
	if zero.Match([]byte("{}")) || NewIndex().Rows(nil, zero, 70, docs).Count() != 0 {
		t.Error("the zero filter matches something")
	}
}

// TestDeep has values and documents as deep as they may be.
func TestDeep(t *testing.T) {
	const depth = 128
	path := "a" + strings.Repeat(".a", depth-1)
	doc := strings.Repeat(`{"b":[],"a":`, depth) + "1" + strings.Repeat("}", depth)
	if !mustParse(t, fmt.Sprintf(`{%q:1}`, path)).MatchString(doc) {
		t.Error("the path does not lead there")
	}
	if mustParse(t, fmt.Sprintf(`{%q:1}`, path+strings.Repeat(".a", 9000))).MatchString(doc) {
		t.Error("a path leads beyond the document")
	}
	if !mustParse(t, `{"x":`+doc+`}`).MatchString(`{"x":` + doc + `}`) {
		t.Error("a deep value is not equal to itself")
	}
}

func TestMatchAllocates(t *testing.T) {
	doc := []byte(`{"id":17,"lang":"en","tags":["a","b"],"score":0.75,"author":{"name":"kim","age":40}}`)
	for _, raw := range []string{
		`{}`,
		`{"lang":"en"}`,
		`{"lang":"en","id":17}`,
		`{"id":{"$gte":10,"$lt":20},"score":{"$gt":0.5}}`,
		`{"author.age":{"$lt":50},"lang":{"$in":["de","en"]}}`,
		`{"tags":{"$contains":"b"}}`,
		`{"$or":[{"lang":"de"},{"missing":{"$exists":false}}]}`,
	} {
		f := mustParse(t, raw)
		if !f.Match(doc) {
			t.Errorf("%s does not match", raw)
		}
		if n := testing.AllocsPerRun(100, func() { f.Match(doc) }); n != 0 {
			t.Errorf("%s: %v allocations", raw, n)
		}
	}
}
