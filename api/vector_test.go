package api

import (
	stdjson "encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const (
	done    = `{"ok":true}`
	deleted = `{"deleted":true}`
)

// vectors returns a fixture with a collection docs of 3 dimensions.
func newVectorFixture(t testing.TB, change func(*Config)) *fixture {
	f := newFixture(t, change)
	f.post("/v1/vector/docs", `{"dim":3,"metric":"cosine"}`).want(t, 200, `{"collection":"docs","dim":3,"metric":"cosine"}`)
	return f
}

// wantOffset checks which offset an answer reflects.
func (a answer) wantOffset(t testing.TB, offset string) {
	t.Helper()
	if got := a.header.Get("Kiss-Offset"); got != offset {
		t.Errorf("Kiss-Offset is %q, want %s: %s", got, offset, a.body)
	}
}

// TestVectorWalk goes over all routes, as one client does, and then looks at
// the events it made.
func TestVectorWalk(t *testing.T) {
	f := newFixture(t, nil)
	for i, step := range []struct {
		method, path, body string
		want               string
		offset             string
	}{
		{"GET", "", "", `{"collections":[]}`, "0"},
		{"POST", "/docs", `{"dim":3,"metric":"cosine"}`, `{"collection":"docs","dim":3,"metric":"cosine"}`, "1"},
		{"POST", "/docs/add", `{"id":"a","vector":[1, 0.10000000149011612, -2e-1],"meta":{ "z" : [1.0] }}`, done, "2"},
		{"GET", "/docs/get?id=a", "", `{"id":"a","vector":[1,0.1,-0.2],"meta":{"z":[1.0]}}`, "2"},
		{"POST", "/docs/upsert", `{"id":"a","vector":[0,0,1]}`, done, "3"},
		{"GET", "/docs/get?id=a", "", `{"id":"a","vector":[0,0,1],"meta":null}`, "3"},
		{"POST", "/docs/update", `{"id":"a","meta":"m"}`, done, "4"},
		{"POST", "/docs/update", `{"id":"a","vector":[0,1,-0.0]}`, done, "5"},
		{"GET", "/docs/get?id=a", "", `{"id":"a","vector":[0,1,-0],"meta":"m"}`, "5"},
		{"POST", "/docs/update", `{"id":"a"}`, done, "5"},
		{"POST", "/docs/update", `{"id":"a","vector":null}`, done, "5"},
		{"POST", "/docs/update", `{"id":"a","meta":null}`, done, "6"},
		{"GET", "/docs/get?id=a", "", `{"id":"a","vector":[0,1,-0],"meta":null}`, "6"},
		{"POST", "/docs/upsert_batch", `{"items":[{"id":"b","vector":[1,0,0],"meta":1},{"id":"c","vector_b64":"AACAPwAAgD8AAAAA"}]}`,
			`{"results":[{"status":"upserted","id":"b"},{"status":"upserted","id":"c"}]}`, "8"},
		{"POST", "/docs/search", `{"vector":[1,0,0],"k":2,"include_meta":true}`,
			`{"hits":[{"id":"b","score":1,"meta":1},{"id":"c","score":0.70710677,"meta":null}]}`, "8"},
		{"POST", "/docs/delete_batch", `{"ids":["c","none"]}`,
			`{"results":[{"status":"deleted","id":"c"},{"status":"error","id":"none","error":{"error":"not_found","message":"id not found"}}]}`, "9"},
		{"POST", "/docs/delete", `{"id":"a"}`, deleted, "10"},
		{"POST", "/docs/vacuum", "", `{"ok":true,"reclaimed_bytes":R}`, "10"},
		{"GET", "/docs", "", `{"collection":"docs","dim":3,"metric":"cosine","count":1,"created_at_ms":T,"updated_at_ms":T,"segments":1,"deleted":0,"unindexed":1}`, "10"},
		{"GET", "", "", `{"collections":[{"collection":"docs","dim":3,"metric":"cosine","live_count":1,"total_records":1,"upsert_count":7,"file_len":F,"applied_offset":10,` +
			`"created_at_ms":T,"updated_at_ms":T,"segments":1,"deleted_count":0,"unindexed":1}]}`, "10"},
		{"DELETE", "/docs", "", deleted, "11"},
		{"GET", "", "", `{"collections":[]}`, "11"},
	} {
		a := f.do(step.method, "/v1/vector"+step.path, step.body, nil)
		a.body = regexp.MustCompile(`_at_ms":\d{13}`).ReplaceAllString(a.body, `_at_ms":T`)
		a.body = regexp.MustCompile(`file_len":[1-9]\d*`).ReplaceAllString(a.body, `file_len":F`)
		a.body = regexp.MustCompile(`reclaimed_bytes":[1-9]\d*`).ReplaceAllString(a.body, `reclaimed_bytes":R`)
		a.want(t, 200, step.want)
		a.wantOffset(t, step.offset)
		if t.Failed() {
			t.Fatalf("step %d: %s %s", i, step.method, step.path)
		}
	}
	stream := f.listen("/v1/stream?collection=docs", nil)
	defer stream.close()
	for i, want := range []string{
		`"type":"vector_collection_created","data":{"collection":"docs","dim":3,"metric":"cosine"}}`,
		`"type":"vector_added","data":{"collection":"docs","id":"a","meta":{"z":[1.0]},"vector":[1,0.1,-0.2]}}`,
		`"type":"vector_upserted","data":{"collection":"docs","id":"a","meta":null,"vector":[0,0,1]}}`,
		`"type":"vector_updated","data":{"collection":"docs","id":"a","meta":"m","vector":[0,0,1]}}`,
		`"type":"vector_updated","data":{"collection":"docs","id":"a","meta":"m","vector":[0,1,-0]}}`,
		`"type":"vector_updated","data":{"collection":"docs","id":"a","meta":null,"vector":[0,1,-0]}}`,
		`"type":"vector_upserted","data":{"collection":"docs","id":"b","meta":1,"vector":[1,0,0]}}`,
		`"type":"vector_upserted","data":{"collection":"docs","id":"c","meta":null,"vector":[1,1,0]}}`,
		`"type":"vector_deleted","data":{"collection":"docs","id":"c"}}`,
		`"type":"vector_deleted","data":{"collection":"docs","id":"a"}}`,
		`"type":"vector_collection_deleted","data":{"collection":"docs"}}`,
	} {
		if got := stream.frame(); !strings.HasSuffix(got, want+"\n\n") {
			t.Errorf("event %d is %s, want %s", i+1, got, want)
		} else {
			f.isRecord(got)
		}
	}
}

// isRecord checks a frame of a stream against the description.
func (f *fixture) isRecord(frame string) {
	f.t.Helper()
	_, data, _ := strings.Cut(frame, "\ndata: ")
	var value any
	if err := stdjson.Unmarshal([]byte(data), &value); err != nil {
		f.t.Errorf("%s: %v", frame, err)
		return
	}
	if err := f.spec.Components.Schemas["Record"].Value.VisitJSON(value); err != nil {
		f.t.Errorf("%s: %v", frame, err)
	}
}

// TestVectorLimits is at the limits, where all is allowed.
func TestVectorLimits(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.MaxVectorDim, c.MaxK, c.MaxIDLen, c.MaxJSONBytes, c.MaxCollectionLen, c.MaxVectorBatch = 3, 5, 6, 11, 7, 3
	})
	for _, c := range []struct{ path, body, want string }{
		{"/A-z_0.9", `{"dim":3,"metric":"dot","more":[]}`, `{"collection":"A-z_0.9","dim":3,"metric":"dot"}`},
		{"/A-z_0.9/add", `{"id":"ñññ","vector":[1,2,3],"meta":[ 1, 2, 3, 4, 5 ]}`, done},
		{"/A-z_0.9/add", `{"id":"\u0000/\"","vector":[3.4028235e38,-3.4028235e38,1e-45],"meta":` + strings.Repeat("[", 5) + strings.Repeat("]", 5) + `}`, done},
		{"/A-z_0.9/upsert_batch", `{"items":[{"id":"1","vector":[1,2,3]},{"id":"1","vector":[4,5,6]},{"id":"1","vector":[7,8,9]}]}`,
			`{"results":[{"status":"upserted","id":"1"},{"status":"upserted","id":"1"},{"status":"upserted","id":"1"}]}`},
		{"/A-z_0.9/search", `{"vector":[0,0,1],"k":5,"filters":{"a":"123"},"ef":65536,"group_by":"x","group_limit":18446744073709551615}`, `{"hits":[]}`},
		{"/A-z_0.9/search", `{"vector":[0,0,1],"k":5,"filters":null,"ef":null,"group_by":null,"group_limit":null,"exact":null,"include_meta":null,"vector_b64":null}`,
			`{"hits":[{"id":"1","score":9,"meta":null},{"id":"ñññ","score":3,"meta":null},{"id":"\u0000/\"","score":1e-45,"meta":null}]}`},
	} {
		f.post("/v1/vector"+c.path, c.body).want(t, 200, c.want)
	}
	f.get("/v1/vector/A-z_0.9/get?id=%00%2F%22").want(t, 200, `{"id":"\u0000/\"","vector":[3.4028235e+38,-3.4028235e+38,1e-45],"meta":[[[[[]]]]]}`)
	f.get("/v1/vector/A-z_0.9/get?id=1").want(t, 200, `{"id":"1","vector":[7,8,9],"meta":null}`)
}

func TestVectorBase64(t *testing.T) {
	f := newVectorFixture(t, nil)
	f.post("/v1/vector/one", `{"dim":1,"metric":"dot"}`)
	for i, c := range []struct{ path, body string }{
		{"docs", `"vector_b64":"AACAPwAAAMDNzMw9"`},               // 12 bytes need no padding
		{"docs", `"vector":null,"vector_b64":"AACAPwAAAMDNzMw9"`}, //
		{"docs", `"vector_b64":"AACAPwAA\u0041MDNzMw9"`},
		{"one", `"vector_b64":"zczMPQ=="`},
		{"one", `"vector_b64":"zczMPQ"`},
	} {
		f.post("/v1/vector/"+c.path+"/add", fmt.Sprintf(`{"id":"%d",%s}`, i, c.body)).want(t, 200, done)
		want := "[1,-2,0.1]"
		if c.path == "one" {
			want = "[0.1]"
		}
		f.get(fmt.Sprintf("/v1/vector/%s/get?id=%d", c.path, i)).want(t, 200, fmt.Sprintf(`{"id":"%d","vector":%s,"meta":null}`, i, want))
	}
	f.post("/v1/vector/one/search", `{"vector_b64":"AAAAQA","k":1}`).want(t, 200, `{"hits":[{"id":"3","score":0.2,"meta":null}]}`)
}

// TestVectorReadLevels waits for offsets on every read.
func TestVectorReadLevels(t *testing.T) {
	f := newVectorFixture(t, nil)
	f.post("/v1/vector/docs/add", `{"id":"a","vector":[1,0,0]}`)
	read := func(route, query string, with headers) answer {
		if route == "search" {
			return f.do("POST", "/v1/vector/docs/search?"+query, `{"vector":[1,0,0],"k":1}`, with)
		}
		return f.do("GET", "/v1/vector"+route+query, "", with)
	}
	for _, route := range []string{"?", "/docs?", "/docs/get?id=a&", "search"} {
		for _, query := range []string{"min_offset=2", "consistency=linearizable", "min_offset=1&consistency=local&wait_ms=0"} {
			a := read(route, query, nil)
			if a.status != 200 {
				t.Errorf("%s%s: %d %s", route, query, a.status, a.body)
			}
			a.wantOffset(t, "2")
		}
		for _, a := range []answer{read(route, "min_offset=3&wait_ms=1", nil), read(route, "wait_ms=1", headers{"Kiss-Min-Offset": "3"})} {
			a.want(t, 503, "stale_read")
			a.wantOffset(t, "2")
		}
		read(route, "consistency=strong", nil).want(t, 400, "invalid_argument")
		read(route, "", headers{"Kiss-Min-Offset": "x"}).want(t, 400, "invalid_argument")
	}
	for _, route := range []string{"", "/add", "/upsert", "/update", "/delete", "/upsert_batch", "/delete_batch", "/vacuum"} {
		f.do("POST", "/v1/vector/docs"+route, `{}`, headers{"Kiss-Min-Offset": "x"}).want(t, 400, "invalid_argument")
		f.do("POST", "/v1/vector/docs"+route, `{}`, headers{"Idempotency-Key": strings.Repeat("k", 256)}).want(t, 400, "invalid_argument")
		if route != "/vacuum" {
			f.do("POST", "/v1/vector/docs"+route, `{}`, headers{"Content-Type": "text/plain"}).want(t, 415, "unsupported_media_type")
		}
	}
	f.do("DELETE", "/v1/vector/docs", "", headers{"Kiss-Min-Offset": "x"}).want(t, 400, "invalid_argument")
}

func TestVectorMetrics(t *testing.T) {
	f := newVectorFixture(t, nil)
	for _, c := range []struct{ path, body string }{
		{"add", `{"id":"a","vector":[1,0,0]}`},
		{"add", `{"id":"a","vector":[1,0,0]}`}, // refused
		{"upsert", `{"id":"a","vector":[1,0,0]}`},
		{"update", `{"id":"a","meta":1}`},
		{"upsert_batch", `{"items":[{"id":"b","vector":[1,0,0]},{"id":"c","vector":[1,0,0]},{"id":"d","vector":[1,0]}]}`},
		{"delete", `{"id":"a"}`},
		{"delete_batch", `{"ids":["b","none"]}`},
		{"search", `{"vector":[1,0,0],"k":1}`},
		{"search", `{"vector":[1,0,0]}`}, // refused, and counted
	} {
		f.post("/v1/vector/docs/"+c.path, c.body)
	}
	f.get("/v1/vector/docs/get?id=c")
	a := f.get("/v1/metrics")
	for _, line := range []string{
		"vector_ops_total 10", "kissvdb_vector_search_duration_seconds_count 1",
		`kissvdb_vector_live{collection="docs"} 1`, `kissvdb_vector_deleted{collection="docs"} 4`, `kissvdb_vector_unindexed{collection="docs"} 1`,
		`kissvdb_vector_segments{collection="docs"} 1`, `kissvdb_vector_index_bytes{collection="docs"} 0`,
		`kissvdb_vector_builds_total{collection="docs"} 0`, `kissvdb_vector_build_seconds_total{collection="docs"} 0`,
	} {
		if !strings.Contains(a.body, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	lintMetrics(t, a.body)
}
