package api

import (
	"fmt"
	"strings"
	"testing"
)

// TestSearch asks small collections everything that can be asked.
func TestSearch(t *testing.T) {
	f := newVectorFixture(t, nil)
	f.post("/v1/vector/dot", `{"dim":2,"metric":"dot"}`)
	f.post("/v1/vector/empty", `{"dim":2,"metric":"dot"}`)
	f.post("/v1/vector/docs/upsert_batch", `{"items":[
		{"id":"e","vector":[1,0,0],"meta":{"color":"red","size":1,"tag":{"x":["a","b"]}}},
		{"id":"d","vector":[1,1,0],"meta":{"color":"red","size":2.0}},
		{"id":"c","vector":[0,2,0],"meta":{"color":"blue","size":3}},
		{"id":"b","vector":[-3,0,0],"meta":{"color":"blue"}},
		{"id":"a","vector":[0,0,0]},
		{"id":"z","vector":[0,0,1],"meta":{"color":"red"}}
	]}`)
	f.post("/v1/vector/dot/upsert_batch", `{"items":[
		{"id":"big","vector":[3e38,3e38]},{"id":"small","vector":[1e-30,0]},{"id":"zero","vector":[0,0]},{"id":"minus","vector":[-2,0.5]}
	]}`)
	hits := func(pairs ...string) string {
		var all []string
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, fmt.Sprintf(`{"id":%q,"score":%s,"meta":null}`, pairs[i], pairs[i+1]))
		}
		return `{"hits":[` + strings.Join(all, ",") + `]}`
	}
	for _, c := range []struct{ name, collection, body, want string }{
		{"empty", "empty", `{"vector":[1,1],"k":10}`, hits()},
		{"all, ties by id", "docs", `{"vector":[2,0,0],"k":256}`, hits("e", "1", "d", "0.70710677", "a", "0", "c", "0", "z", "0", "b", "-1")},
		{"the first", "docs", `{"vector":[2,0,0],"k":1}`, hits("e", "1")},
		{"exact", "docs", `{"vector":[2,0,0],"k":2,"exact":true}`, hits("e", "1", "d", "0.70710677")},
		{"ef", "docs", `{"vector":[2,0,0],"k":2,"ef":1}`, hits("e", "1", "d", "0.70710677")},
		{"zero query", "docs", `{"vector":[0,0,-0.0],"k":2}`, hits("a", "0", "b", "0")},
		{"equal", "docs", `{"vector":[1,0,0],"k":9,"filters":{"color":"blue"}}`, hits("c", "0", "b", "-1")},
		{"numbers compare as numbers", "docs", `{"vector":[1,0,0],"k":9,"filters":{"size":2}}`, hits("d", "0.70710677")},
		{"operators", "docs", `{"vector":[1,0,0],"k":9,"filters":{"size":{"$gte":2},"color":{"$in":["blue","red"]}}}`, hits("d", "0.70710677", "c", "0")},
		{"dotted", "docs", `{"vector":[1,0,0],"k":9,"filters":{"tag.x":{"$contains":"b"}}}`, hits("e", "1")},
		{"or", "docs", `{"vector":[1,0,0],"k":9,"filters":{"$or":[{"size":1},{"color":"blue"}]}}`, hits("e", "1", "c", "0", "b", "-1")},
		{"no match", "docs", `{"vector":[1,0,0],"k":9,"filters":{"color":"green"}}`, hits()},
		{"objects only", "docs", `{"vector":[1,0,0],"k":9,"filters":{}}`, hits("e", "1", "d", "0.70710677", "c", "0", "z", "0", "b", "-1")},
		{"no object", "docs", `{"vector":[1,0,0],"k":9,"filters":"x"}`, hits()},
		{"null", "docs", `{"vector":[1,0,0],"k":1,"filters":null}`, hits("e", "1")},
		{"meta", "docs", `{"vector":[1,0,0],"k":1,"include_meta":true}`, `{"hits":[{"id":"e","score":1,"meta":{"color":"red","size":1,"tag":{"x":["a","b"]}}}]}`},
		{"null meta", "docs", `{"vector":[0,0,0],"k":1,"include_meta":true}`, hits("a", "0")},
		{"groups", "docs", `{"vector":[1,0,0],"k":9,"group_by":"color"}`, hits("e", "1", "a", "0", "c", "0")},
		{"larger groups", "docs", `{"vector":[1,0,0],"k":9,"group_by":"color","group_limit":2}`, hits("e", "1", "d", "0.70710677", "a", "0", "c", "0", "b", "-1")},
		{"inner product", "dot", `{"vector":[0.5,1],"k":9}`, hits("big", "4.4999998054225376e+38", "small", "5e-31", "zero", "0", "minus", "-0.5")},
		{"beyond float32", "dot", `{"vector":[3e38,3e38],"k":1}`, hits("big", "1.8000000174599736e+77")},
		{"below float32", "dot", `{"vector":[1e-30,0],"k":9,"filters":null}`, hits("big", "300000000", "small", "9.999999752540074e-61", "zero", "0", "minus", "-2e-30")},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			a := f.post("/v1/vector/"+c.collection+"/search", c.body)
			a.want(t, 200, c.want)
			a.wantOffset(t, "13")
		})
	}
}

// TestSearchLongAnswer has hits that are written in several pieces.
func TestSearchLongAnswer(t *testing.T) {
	f := newVectorFixture(t, nil)
	meta := strings.Repeat("m", 60_000)
	for i := range 12 {
		f.post("/v1/vector/docs/add", fmt.Sprintf(`{"id":"%d","vector":[1,0,0],"meta":%q}`, i, meta)).want(t, 200, done)
	}
	a := f.post("/v1/vector/docs/search", `{"vector":[1,0,0],"k":12,"include_meta":true}`)
	if a.status != 200 || strings.Count(a.body, meta) != 12 || !strings.HasSuffix(a.body, `"}]}`) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	a.wantOffset(t, "13")
}

func TestScores(t *testing.T) {
	for score, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", float64(float32(0.1)): "0.1", float64(float32(0.70710677)): "0.70710677", 16777216: "16777216",
		float64(float32(1e-7)): "1e-7", float64(float32(3e38)): "3e+38", 0x1p128: "3.402823669209385e+38", -0x1.8p200: "-2.4104070663884854e+60", 0x1p-160: "6.842277657836021e-49",
	} {
		if got := string(appendScore(nil, score)); got != want {
			t.Errorf("%g is %s, want %s", score, got, want)
		}
	}
}
