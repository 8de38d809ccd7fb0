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

// TestVectorRefusals tries what has no effect: every status and its message.
func TestVectorRefusals(t *testing.T) {
	f := newVectorFixture(t, func(c *Config) {
		c.MaxVectorDim, c.MaxK, c.MaxIDLen, c.MaxJSONBytes, c.MaxCollectionLen, c.MaxVectorBatch = 8, 5, 6, 10, 7, 3
	})
	f.post("/v1/vector/docs/add", `{"id":"a","vector":[1,0,0]}`).want(t, 200, done)
	const add, update, search = "/docs/add", "/docs/update", "/docs/search"
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		path, body string
		status     int
		code, text string
	}{
		{"/docs", `{"dim":3,"metric":"cosine"}`, 409, "already_exists", "collection already exists"},
		{"/x", `{"dim":0,"metric":"cosine"}`, 400, "invalid_argument", "invalid dim: 0, it must be from 1 to 8"},
		{"/x", `{"dim":9,"metric":"cosine"}`, 400, "invalid_argument", "invalid dim: 9"},
		{"/x", `{"metric":"cosine"}`, 422, "unprocessable", "dim is missing"},
		{"/x", `{"dim":null,"metric":"cosine"}`, 422, "unprocessable", "dim is missing"},
		{"/x", `{"dim":-1,"metric":"cosine"}`, 422, "unprocessable", "dim must be a whole number"},
		{"/x", `{"dim":3.0,"metric":"cosine"}`, 422, "unprocessable", "dim must be a whole number"},
		{"/x", `{"dim":"3","metric":"cosine"}`, 422, "unprocessable", "dim must be a whole number"},
		{"/x", `{"dim":3}`, 422, "unprocessable", "metric is missing"},
		{"/x", `{"dim":3,"metric":null}`, 422, "unprocessable", "metric must be a string"},
		{"/x", `{"dim":3,"metric":"Cosine"}`, 422, "unprocessable", "metric must be cosine or dot"},
		{"/x", `{"dim":3,"metric":"l2"}`, 422, "unprocessable", "metric must be cosine or dot"},
		{"/x", `[3,"cosine"]`, 422, "unprocessable", "the body must be an object"},
		{"/x", `{"dim":3,"metric":"cosine"`, 400, "invalid_argument", "not valid JSON"},
		{"/12345678", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "collection too long: 8 bytes, at most 7 are allowed"},
		{"/.x", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/a%2Fb", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/..%2Fx", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/%2E%2E", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/a%20b", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/%C3%B1", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/a%00", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "is no name"},
		{"/%FF", `{"dim":3,"metric":"cosine"}`, 400, "invalid_argument", "not valid UTF-8"},

		{add, `{"id":"a","vector":[0,1,0]}`, 409, "already_exists", "id already exists"},
		{"/none/add", `{"id":"a","vector":[0,1,0]}`, 404, "not_found", "collection or id not found"},
		{"/none/upsert", `{"id":"a","vector":[0,1,0]}`, 404, "not_found", "collection or id not found"},
		{"/none/update", `{"id":"a"}`, 404, "not_found", "collection or id not found"},
		{"/none/delete", `{"id":"a"}`, 404, "not_found", "collection or id not found"},
		{"/none/upsert_batch", `{"items":[{"id":"a","vector":[1]}]}`, 404, "not_found", "collection or id not found"},
		{"/none/delete_batch", `{"ids":["a"]}`, 404, "not_found", "collection or id not found"},
		{"/none/search", `{"vector":[1],"k":1}`, 404, "not_found", "collection not found"},
		{"/none/vacuum", ``, 404, "not_found", "collection not found"},
		{update, `{"id":"b","vector":[0,1,0]}`, 404, "not_found", "id not found"},
		{update, `{"id":"b"}`, 404, "not_found", "id not found"},
		{"/docs/delete", `{"id":"b"}`, 404, "not_found", "id not found"},

		{add, `{"vector":[0,1,0]}`, 422, "unprocessable", "id is missing"},
		{add, `{"id":null,"vector":[0,1,0]}`, 422, "unprocessable", "id must be a string"},
		{add, `{"id":1,"vector":[0,1,0]}`, 422, "unprocessable", "id must be a string"},
		{add, `{"id":"b"}`, 422, "unprocessable", "vector is missing"},
		{add, `{"id":"b","vector":null,"vector_b64":null}`, 422, "unprocessable", "vector is missing"},
		{add, `{"id":"b","vector":{}}`, 422, "unprocessable", "vector must be an array of numbers"},
		{add, `{"id":"b","vector":"AACAPw=="}`, 422, "unprocessable", "vector must be an array of numbers"},
		{add, `{"id":"b","vector":[1,"2",3]}`, 422, "unprocessable", "vector must hold numbers only"},
		{add, `{"id":"b","vector":[1,null,3]}`, 422, "unprocessable", "vector must hold numbers only"},
		{add, `{"id":"b","vector":[1,[2],3]}`, 422, "unprocessable", "vector must hold numbers only"},
		{add, `{"id":"b","vector":[1e39,0,"x"]}`, 422, "unprocessable", "vector must hold numbers only"},
		{add, `{"id":"b","vector":[1,2,3],"meta":` + deep(129) + `}`, 422, "unprocessable", "meta is nested 129 deep"},
		{add, `{"id":"b","vector":[1,2,3],"id":"c"}`, 422, "unprocessable", "twice"},
		{add, `{"id":"b","vector":[1,2,3],"vector":[1,2,3]}`, 422, "unprocessable", "twice"},
		{add, `{"id":"b","vector":[1,2,3],"vect\u006fr":[1,2,3]}`, 422, "unprocessable", "twice"},
		{add, `{"id":"b","vector":[1,2,3],"meta":{"x":1,"x":2}}`, 422, "unprocessable", "twice"},
		{add, `["b",[1,2,3]]`, 422, "unprocessable", "the body must be an object"},
		{add, `{"id":"b","vector":[NaN,0,0]}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[Infinity,0,0]}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[-Infinity,0,0]}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[1,2,3,]}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[01,2,3]}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[1,2,3]} {}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[1,2,3]e5}`, 400, "invalid_argument", "not valid JSON"},
		{add, "{\"id\":\"b\xff\",\"vector\":[1,2,3]}", 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"\ud800","vector":[1,2,3]}`, 400, "invalid_argument", "not valid JSON"},
		{add, `{"id":"b","vector":[1e39,0,0]}`, 400, "invalid_argument", "beyond the range of 32-bit floats: 1e39"},
		{add, `{"id":"b","vector":[0,-3.5e38,0]}`, 400, "invalid_argument", "beyond the range"},
		{add, `{"id":"","vector":[1,2,3]}`, 400, "invalid_argument", "id is empty"},
		{add, `{"id":"ññññ","vector":[1,2,3]}`, 400, "invalid_argument", "id too long: 8 bytes, at most 6 are allowed"},
		{add, `{"id":"b","vector":[1,2,3,4,5,6,7,8,9]}`, 400, "invalid_argument", "vector too large: 9 values, at most 8 are allowed"},
		{add, `{"id":"b","vector":[1,2,3,4]}`, 400, "dim_mismatch", "vector has 4 values, collection docs needs 3"},
		{add, `{"id":"b","vector":[1]}`, 400, "dim_mismatch", "vector has 1 values, collection docs needs 3"},
		{add, `{"id":"b","vector":[]}`, 400, "dim_mismatch", "vector has 0 values"},
		{add, `{"id":"b","vector":[1,2,3],"meta":[ 1, 2, 3, 4, 5 ]}`, 413, "payload_too_large", "meta too large: 11 bytes of compact JSON, at most 10 are allowed"},
		{update, `{"id":"a","vector":[]}`, 400, "dim_mismatch", "vector has 0 values"},
		{update, `{"id":"a","vector":[1,2,3,4]}`, 400, "dim_mismatch", "vector has 4 values, collection docs needs 3"},
		{update, `{"id":"a","vector":[1e39,0,0]}`, 400, "invalid_argument", "beyond the range"},
		{update, `{"id":"a","meta":"123456789"}`, 413, "payload_too_large", "meta too large"},
		{update, `{"vector":[1,2,3]}`, 422, "unprocessable", "id is missing"},
		{"/docs/delete", `{}`, 422, "unprocessable", "id is missing"},
		{"/docs/delete", `{"id":7}`, 422, "unprocessable", "id must be a string"},
		{"/docs/delete", `{"id":""}`, 400, "invalid_argument", "id is empty"},
		{"/docs/delete", `{"id":"1234567"}`, 400, "invalid_argument", "id too long"},

		{add, `{"id":"b","vector":[1,2,3],"vector_b64":"AACAPwAAgD8AAAAA"}`, 400, "invalid_argument", "exclude each other"},
		{add, `{"id":"b","vector_b64":"AACAPwAAgD8AAAAA","vector":[1,2,3]}`, 400, "invalid_argument", "exclude each other"},
		{add, `{"id":"b","vector_b64":7}`, 422, "unprocessable", "vector_b64 must be a string"},
		{add, `{"id":"b","vector_b64":"AACAPwAAgD8AAAA-"}`, 400, "invalid_argument", "vector_b64 is not base64"},
		{add, `{"id":"b","vector_b64":"AACAPwAAgD8AAAAA\n"}`, 400, "invalid_argument", "vector_b64 is not base64"},
		{add, `{"id":"b","vector_b64":"AACAPwAAgD8AAAA="}`, 400, "invalid_argument", "vector_b64 has 11 bytes, which are no 32-bit floats"},
		{add, `{"id":"b","vector_b64":"AACAPwAAgD8AAMB/"}`, 400, "invalid_argument", "vector_b64 has a value that is not finite"},
		{add, `{"id":"b","vector_b64":"AACAPwAAgD8AAID/"}`, 400, "invalid_argument", "vector_b64 has a value that is not finite"},
		{add, `{"id":"b","vector_b64":"AACAPw=="}`, 400, "dim_mismatch", "vector has 1 values, collection docs needs 3"},
		{add, `{"id":"b","vector_b64":""}`, 400, "dim_mismatch", "vector has 0 values"},
		{add, `{"id":"b","vector_b64":"` + strings.Repeat("AACAPwAAgD8AAAAA", 3) + `"}`, 400, "invalid_argument", "vector too large: 9 values"},

		{search, `{"vector":[1,2,3]}`, 422, "unprocessable", "k is missing"},
		{search, `{"vector":[1,2,3],"k":null}`, 422, "unprocessable", "k is missing"},
		{search, `{"vector":[1,2,3],"k":-1}`, 422, "unprocessable", "k must be a whole number"},
		{search, `{"vector":[1,2,3],"k":1.5}`, 422, "unprocessable", "k must be a whole number"},
		{search, `{"vector":[1,2,3],"k":"1"}`, 422, "unprocessable", "k must be a whole number"},
		{search, `{"k":1}`, 422, "unprocessable", "vector is missing"},
		{search, `{"vector":["1"],"k":1}`, 422, "unprocessable", "vector must hold numbers only"},
		{search, `{"vector":[1,2,3],"k":0}`, 400, "invalid_argument", "invalid k: 0, it must be from 1 to 5"},
		{search, `{"vector":[1,2,3],"k":6}`, 400, "invalid_argument", "invalid k: 6, it must be from 1 to 5"},
		{search, `{"vector":[1,2],"k":6}`, 400, "invalid_argument", "invalid k: 6"},
		{search, `{"vector":[1,2],"k":1}`, 400, "dim_mismatch", "vector has 2 values, collection docs needs 3"},
		{search, `{"vector":[],"k":1}`, 400, "dim_mismatch", "vector has 0 values, collection docs needs 3"},
		{search, `{"vector":[1e39,0,0],"k":1}`, 400, "invalid_argument", "beyond the range"},
		{search, `{"vector":[1,2,3,4,5,6,7,8,9],"k":1}`, 400, "invalid_argument", "vector too large: 9 values"},
		{search, `{"vector":[1,2,3],"vector_b64":"AACAPwAAgD8AAAAA","k":1}`, 400, "invalid_argument", "exclude each other"},
		{search, `{"vector":[1,2,3],"k":1,"include_meta":1}`, 422, "unprocessable", "include_meta must be true or false"},
		{search, `{"vector":[1,2,3],"k":1,"exact":"yes"}`, 422, "unprocessable", "exact must be true or false"},
		{search, `{"vector":[1,2,3],"k":1,"ef":1.5}`, 422, "unprocessable", "ef must be a whole number"},
		{search, `{"vector":[1,2,3],"k":1,"ef":0}`, 400, "invalid_argument", "invalid ef: 0"},
		{search, `{"vector":[1,2,3],"k":1,"ef":65537}`, 400, "invalid_argument", "invalid ef: 65537"},
		{search, `{"vector":[1,2,3],"k":1,"group_by":7}`, 422, "unprocessable", "group_by must be a string"},
		{search, `{"vector":[1,2,3],"k":1,"group_by":""}`, 400, "invalid_argument", "group_by is empty"},
		{search, `{"vector":[1,2,3],"k":1,"group_by":"` + strings.Repeat("x", 1025) + `"}`, 400, "invalid_argument", "group_by too long"},
		{search, `{"vector":[1,2,3],"k":1,"group_limit":-1}`, 422, "unprocessable", "group_limit must be a whole number"},
		{search, `{"vector":[1,2,3],"k":1,"group_by":"x","group_limit":0}`, 400, "invalid_argument", "invalid group_limit"},
		{search, `{"vector":[1,2,3],"k":1,"filters":{"a":"1234"}}`, 413, "payload_too_large", "filters too large: 12 bytes"},
		{search, `{"vector":[1,2,3],"k":1,"filters":{"$x":1}}`, 400, "invalid_argument", "$x"},
		{search, `{"vector":[1,2,3],"k":1,"filters":` + deep(129) + `}`, 422, "unprocessable", "filters are nested 129 deep"},
	} {
		a := f.post("/v1/vector"+c.path, c.body)
		a.want(t, c.status, c.code)
		if !strings.Contains(a.body, c.text) {
			t.Errorf("%s %s: %s does not say %q", c.path, c.body, a.body, c.text)
		}
	}
	if got := f.node.Offset(); got != 2 {
		t.Errorf("what was refused left %d events", got-2)
	}
}

// TestVectorRefusedReads tries reads that fail, and which offset they tell.
func TestVectorRefusedReads(t *testing.T) {
	f := newVectorFixture(t, func(c *Config) { c.MaxIDLen = 6 })
	for _, c := range []struct {
		path       string
		status     int
		code, text string
		offset     string
	}{
		{"/none", 404, "not_found", `"collection not found"`, "1"},
		{"/none/get?id=a", 404, "not_found", `"collection or id not found"`, "1"},
		{"/docs/get?id=a", 404, "not_found", `"vector id not found"`, "1"},
		{"/docs/get", 400, "invalid_argument", "id is missing", ""},
		{"/docs/get?id=", 400, "invalid_argument", "id is empty", ""},
		{"/docs/get?id=1234567", 400, "invalid_argument", "id too long: 7 bytes", ""},
		{"/docs/get?id=%FF", 400, "invalid_argument", "UTF-8", ""},
		{"/docs/get?id=a&id=b", 400, "invalid_argument", "2 times", ""},
		{"/.x/get?id=a", 400, "invalid_argument", "is no name", ""},
		{"/.x", 400, "invalid_argument", "is no name", ""},
		{"/docs?consistency=x", 400, "invalid_argument", "consistency", ""},
		{"?min_offset=x", 400, "invalid_argument", "min_offset", ""},
	} {
		a := f.get("/v1/vector" + c.path)
		a.want(t, c.status, c.code)
		a.wantOffset(t, c.offset)
		if !strings.Contains(a.body, c.text) {
			t.Errorf("%s: %s does not say %q", c.path, a.body, c.text)
		}
		if head := f.do("HEAD", "/v1/vector"+c.path, "", nil); head.status != c.status || head.body != "" {
			t.Errorf("HEAD %s: %d %q", c.path, head.status, head.body)
		}
	}
	f.do("DELETE", "/v1/vector/none", "", nil).want(t, 404, "not_found")
	f.do("DELETE", "/v1/vector/.x", "", nil).want(t, 400, "invalid_argument")
	refused := f.post("/v1/vector/docs/add", `{"id":"a","vector":[1]}`)
	refused.want(t, 400, "dim_mismatch")
	refused.wantOffset(t, "1")
	if f.node.Offset() != 1 {
		t.Errorf("offset %d", f.node.Offset())
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

func TestVectorBatches(t *testing.T) {
	f := newVectorFixture(t, func(c *Config) { c.MaxIDLen, c.MaxJSONBytes, c.MaxVectorBatch, c.MaxVectorDim = 6, 10, 12, 4 })
	a := f.post("/v1/vector/docs/upsert_batch", `{"items":[
		{"id":"a","vector":[1,0,0],"meta":{"x":1}},
		{"id":"1234567","vector":[1,0,0]},
		{"id":"b","vector":[1,0,0],"meta":"123456789"},
		{"id":"c","vector":[1,0]},
		{"id":"d","vector":[1,0,0,0,0]},
		{"id":"e","vector":[1e39,0,0]},
		{"id":"f","vector":[1,0,0],"vector_b64":"AACAPwAAAMDNzMw9"},
		{"id":"","vector":[1,0,0]},
		{"id":"g","vector":[]},
		{"id":"a","vector":[0,1,0]},
		{"vector_b64":"AACAPwAAAMDNzMw9","id":"\u0068"}
	]}`)
	refused := func(id, code, message string) string {
		return `{"status":"error","id":"` + id + `","error":{"error":"` + code + `","message":"` + message + `"}}`
	}
	a.want(t, 200, `{"results":[`+strings.Join([]string{
		`{"status":"upserted","id":"a"}`,
		refused("1234567", "invalid_argument", "id too long: 7 bytes, at most 6 are allowed"),
		refused("b", "payload_too_large", "meta too large: 11 bytes of compact JSON, at most 10 are allowed"),
		refused("c", "dim_mismatch", "vector has 2 values, collection docs needs 3"),
		refused("d", "invalid_argument", "vector too large: 5 values, at most 4 are allowed"),
		refused("e", "invalid_argument", "vector has a number beyond the range of 32-bit floats: 1e39"),
		refused("f", "invalid_argument", "vector and vector_b64 exclude each other"),
		refused("", "invalid_argument", "id is empty"),
		refused("g", "dim_mismatch", "vector has 0 values, every collection needs at least 1"),
		`{"status":"upserted","id":"a"}`,
		`{"status":"upserted","id":"h"}`,
	}, ",")+`]}`)
	a.wantOffset(t, "4")
	f.get("/v1/vector/docs/get?id=a").want(t, 200, `{"id":"a","vector":[0,1,0],"meta":null}`)
	a = f.post("/v1/vector/docs/delete_batch", `{"ids":["a","1234567","a","","h"]}`)
	a.want(t, 200, `{"results":[`+strings.Join([]string{
		`{"status":"deleted","id":"a"}`,
		refused("1234567", "invalid_argument", "id too long: 7 bytes, at most 6 are allowed"),
		refused("a", "not_found", "id not found"),
		refused("", "invalid_argument", "id is empty"),
		`{"status":"deleted","id":"h"}`,
	}, ",")+`]}`)
	a.wantOffset(t, "6")
	// Nothing but refusals: the log is not asked, nor is the collection.
	for path, body := range map[string]string{"upsert_batch": `{"items":[{"id":"","vector":[1,0,0]}]}`, "delete_batch": `{"ids":[""]}`} {
		for _, collection := range []string{"docs", "none"} {
			none := f.post("/v1/vector/"+collection+"/"+path, body)
			none.want(t, 200, `{"results":[`+refused("", "invalid_argument", "id is empty")+`]}`)
			none.wantOffset(t, "6")
		}
	}
}

func TestVectorBatchShapes(t *testing.T) {
	f := newVectorFixture(t, func(c *Config) { c.MaxVectorBatch = 3 })
	for _, c := range []struct {
		body   string
		status int
		text   string
	}{
		{`{"items":[]}`, 400, `"items required"`},
		{`{"items":[1,2,3,4]}`, 400, `"too many items: 4, at most 3 are allowed"`},
		{`{}`, 422, `"items must be an array"`},
		{`{"items":null}`, 422, `"items must be an array"`},
		{`{"items":{}}`, 422, `"items must be an array"`},
		{`[]`, 422, `"the body must be an object"`},
		{`{"items":[{"id":"a","vector":[1,2,3]},7]}`, 422, `"operation":1`},
		{`{"items":[{"vector":[1,2,3]}]}`, 422, `"operation":0`},
		{`{"items":[{"id":"a"}]}`, 422, `"vector is missing"`},
		{`{"items":[{"id":"a","vector":[1,2,3]},{"id":"b","vector":[1,2,"3"]}]}`, 422, `"operation":1`},
		{`{"items":[{"id":"a","vector":[1,2,3]},{"id":"b","vector":[1,2,3],"vector":[1]}]}`, 422, `twice`},
		{`{"items":[{"id":"a","vector":[1,2,3]}],"items":[]}`, 422, `twice`},
		{`{"items":[{"id":"a","vector":[1,2,3]},]}`, 400, `not valid JSON`},
	} {
		a := f.post("/v1/vector/docs/upsert_batch", c.body)
		if a.status != c.status || !strings.Contains(a.body, c.text) {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	for body, text := range map[string]string{
		`{"ids":[]}`:                `"ids required"`,
		`{"ids":["1","2","3","4"]}`: `"too many ids: 4, at most 3 are allowed"`,
		`{"ids":"1"}`:               `"ids must be an array"`,
		`{"ids":["1",2]}`:           `"operation":1`,
		`{"ids":[null]}`:            `an id must be a string, not null`,
	} {
		if a := f.post("/v1/vector/docs/delete_batch", body); a.status/100 != 4 || !strings.Contains(a.body, text) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if f.node.Offset() != 1 {
		t.Errorf("refused batches left %d events", f.node.Offset()-1)
	}
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
