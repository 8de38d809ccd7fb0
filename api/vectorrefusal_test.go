package api

import (
	"strings"
	"testing"
)

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
		{"/none/search", `{"vector":[1],"k":1}`, 404, "not_found", "collection or id not found"},
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
