package api

import (
	"strings"
	"testing"
)

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
