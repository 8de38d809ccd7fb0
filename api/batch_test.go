package api

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func (f *fixture) batch(body string) answer {
	f.t.Helper()
	return f.do("POST", "/v1/state/batch_put", body, nil)
}

func TestBatch(t *testing.T) {
	f := newFixture(t, nil)
	a := f.batch(`{"operations":[{"key":"a","value":{ "x" : 1 }},{"key":"a","value":2},{"key":"b","value":1,"if_revision":7},{"key":"docidx:x","value":1},{"key":"","value":1},{"value":null,"key":"\u0063"}]}`)
	a.body = regexp.MustCompile(`"message":"if_revision[^"]*"`).ReplaceAllString(a.body, `"message":"if_revision"`)
	a.want(t, 200, `{"results":[{"status":"ok","key":"a","revision":1,"expires_at_ms":null},`+
		`{"status":"ok","key":"a","revision":2,"expires_at_ms":null},`+
		`{"status":"error","key":"b","error":{"error":"revision_mismatch","message":"if_revision"}},`+
		`{"status":"error","key":"docidx:x","error":{"error":"invalid_argument","message":"keys that begin with docidx: belong to the document index and cannot be written"}},`+
		`{"status":"error","key":"","error":{"error":"invalid_argument","message":"key is empty"}},`+
		`{"status":"ok","key":"c","revision":1,"expires_at_ms":null}]}`)
	if got := a.header.Get("Kiss-Offset"); got != "3" {
		t.Errorf("Kiss-Offset is %q", got)
	}
	f.get("/v1/state/a").want(t, 200, `{"key":"a","value":2,"revision":2,"expires_at_ms":null}`)
	// Nothing but refusals: nothing is written, and the answer is the same.
	none := f.batch(`{"operations":[{"key":"","value":1}]}`)
	if none.status != 200 || !strings.Contains(none.body, `"status":"error"`) || f.node.Offset() != 3 {
		t.Errorf("%d %s at %d", none.status, none.body, f.node.Offset())
	}
}

func TestBatchAtomic(t *testing.T) {
	f := newFixture(t, nil)
	f.batch(`{"atomic":true,"operations":[{"key":"a","value":1},{"key":"b","value":2,"if_revision":0}]}`).
		want(t, 200, `{"results":[{"status":"ok","key":"a","revision":1,"expires_at_ms":null},{"status":"ok","key":"b","revision":1,"expires_at_ms":null}]}`)
	for _, c := range []struct {
		operations string
		status     int
		code       string
		index      int
	}{
		{`[{"key":"x","value":1},{"key":"b","value":2,"if_revision":0}]`, 409, "revision_mismatch", 1},
		{`[{"key":"x","value":1},{"key":"b","value":2},{"key":"docidx:1","value":1}]`, 400, "invalid_argument", 2},
		{`[{"key":"x","value":1},{"key":"","value":2}]`, 400, "invalid_argument", 1},
		{`[{"key":"` + strings.Repeat("k", 513) + `","value":2}]`, 400, "invalid_argument", 0},
		{`[{"key":"x","value":1},{"key":"b","value":"` + strings.Repeat("v", 64<<10) + `"}]`, 413, "payload_too_large", 1},
		{`[{"key":"x","value":1},{"key":"b"}]`, 422, "unprocessable", 1},
	} {
		a := f.batch(`{"atomic":true,"operations":` + c.operations + `}`)
		a.want(t, c.status, c.code)
		if !strings.Contains(a.body, `"operation":`+strconv.Itoa(c.index)+`}`) {
			t.Errorf("%s does not name operation %d", a.body, c.index)
		}
	}
	f.get("/v1/state/x").want(t, 404, "not_found")
}

func TestBatchShapes(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxStateBatch = 3 })
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{`{"operations":[]}`, 400, "invalid_argument"},
		{`{"operations":[1,2,3,4]}`, 400, "invalid_argument"},
		{`{"operations":[{"key":"a","value":1}]} []`, 400, "invalid_argument"},
		{`{}`, 422, "unprocessable"},
		{`[]`, 422, "unprocessable"},
		{`{"operations":null}`, 422, "unprocessable"},
		{`{"operations":{}}`, 422, "unprocessable"},
		{`{"operations":[1]}`, 422, "unprocessable"},
		{`{"operations":[{}]}`, 422, "unprocessable"},
		{`{"operations":[{"key":"a"}]}`, 422, "unprocessable"},
		{`{"operations":[{"value":1}]}`, 422, "unprocessable"},
		{`{"operations":[{"key":null,"value":1}]}`, 422, "unprocessable"},
		{`{"operations":[{"key":1,"value":1}]}`, 422, "unprocessable"},
		{`{"operations":[{"key":"a","value":1,"ttl_ms":-1}]}`, 422, "unprocessable"},
		{`{"operations":[{"key":"a","value":1}],"atomic":1}`, 422, "unprocessable"},
		{`{"operations":[{"key":"a","value":` + strings.Repeat("[", 129) + strings.Repeat("]", 129) + `}]}`, 422, "unprocessable"},
		{`{"operations":[{"key":"a","value":1},{"key":"b","value":1},{"key":"c","value":1,"key":"d"}]}`, 422, "unprocessable"},
	} {
		f.batch(c.body).want(t, c.status, c.code)
	}
	if f.node.Offset() != 0 {
		t.Errorf("refused batches left %d events", f.node.Offset())
	}
	for _, message := range []string{"operations required", "too many operations"} {
		body := `{"operations":[]}`
		if message == "too many operations" {
			body = `{"operations":[1,2,3,4]}`
		}
		if a := f.batch(body); !strings.Contains(a.body, message) {
			t.Errorf("%s does not say %q", a.body, message)
		}
	}
	if a := f.batch(`{"atomic":null,"other":[],"operations":[{"key":"a","value":` + strings.Repeat("[", 128) + strings.Repeat("]", 128) + `},{"key":"b","value":1},{"key":"c","value":1}]}`); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
