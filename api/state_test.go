package api

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestStateRoundTrip(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/a", `{"value": {"z": 1.0, "a": [1e2, "x"]}}`).want(t, 200, `{"key":"a","revision":1,"expires_at_ms":null}`)
	a := f.get("/v1/state/a")
	a.want(t, 200, `{"key":"a","value":{"z":1.0,"a":[1e2,"x"]},"revision":1,"expires_at_ms":null}`)
	if got := a.header.Get("Kiss-Offset"); got != "1" {
		t.Errorf("Kiss-Offset is %q", got)
	}
	if got := a.header.Get("Kiss-Node"); got != "n1" {
		t.Errorf("Kiss-Node is %q", got)
	}
	if a.header.Get("Kiss-Cluster") == "" {
		t.Error("no Kiss-Cluster")
	}
	f.put("/v1/state/a", `{"value":null}`).want(t, 200, `{"key":"a","revision":2,"expires_at_ms":null}`)
	f.get("/v1/state/a").want(t, 200, `{"key":"a","value":null,"revision":2,"expires_at_ms":null}`)
	f.do("DELETE", "/v1/state/a", "", nil).want(t, 200, `{"deleted":true}`)
	f.do("DELETE", "/v1/state/a", "", nil).want(t, 200, `{"deleted":false}`)
	gone := f.get("/v1/state/a")
	gone.want(t, 404, "not_found")
	if !strings.Contains(gone.body, `"message":"key not found"`) || gone.header.Get("Kiss-Offset") != "3" {
		t.Errorf("404: %s at %s", gone.body, gone.header.Get("Kiss-Offset"))
	}
}

func TestStateConditions(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/k", `{"value":1,"if_revision":0}`).want(t, 200, `{"key":"k","revision":1,"expires_at_ms":null}`)
	lost := f.put("/v1/state/k", `{"value":1,"if_revision":0}`)
	lost.want(t, 409, "revision_mismatch")
	if lost.header.Get("Kiss-Offset") != "1" {
		t.Errorf("409 at %q", lost.header.Get("Kiss-Offset"))
	}
	f.put("/v1/state/k", `{"value":2,"if_revision":1}`).want(t, 200, `{"key":"k","revision":2,"expires_at_ms":null}`)
	f.put("/v1/state/k", `{"value":2,"if_revision":null,"ttl_ms":null}`).want(t, 200, `{"key":"k","revision":3,"expires_at_ms":null}`)
	f.do("DELETE", "/v1/state/k?if_revision=2", "", nil).want(t, 409, "revision_mismatch")
	f.do("DELETE", "/v1/state/k?if_revision=3", "", nil).want(t, 200, `{"deleted":true}`)
	f.do("DELETE", "/v1/state/k?if_revision=x", "", nil).want(t, 400, "invalid_argument")
	f.do("DELETE", "/v1/state/k?if_revision=-1", "", nil).want(t, 400, "invalid_argument")
	f.do("DELETE", "/v1/state/k?if_revision=", "", nil).want(t, 400, "invalid_argument")
}

func TestStateTTL(t *testing.T) {
	f := newFixture(t, nil)
	a := f.put("/v1/state/t", `{"value":1,"ttl_ms":600000}`)
	if a.status != 200 || !regexp.MustCompile(`"expires_at_ms":\d{13}}$`).MatchString(a.body) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.put("/v1/state/t", `{"value":1}`).want(t, 200, `{"key":"t","revision":2,"expires_at_ms":null}`)
	if a := f.put("/v1/state/t", `{"value":1,"ttl_ms":0}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.get("/v1/state/t").want(t, 404, "not_found")
}

// TestStateKeys sends keys in every spelling the path allows.
func TestStateKeys(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct{ path, key string }{
		{"plain", "plain"},
		{"a%2Fb", "a/b"},
		{"a%2fb%2F", "a/b/"},
		{"%2F", "/"},
		{"%2E%2E", ".."},
		{"..%2F..%2Fdocs", "../../docs"},
		{"a%20b+c", "a b+c"},
		{"%25", "%"},
		{"%252F", "%2F"},
		{"%C3%B1and%C3%BA", "ñandú"},
		{"%F0%9F%98%80", "😀"},
		{"%00%01%0A", "\x00\x01\n"},
		{"%22%5C", `"\`},
		{"a%3Fb%23c%26d=e;f:g@h,i", "a?b#c&d=e;f:g@h,i"},
		{"job:1", "job:1"},
		{"batch_put", "batch_put"},
		{"x.openapi.yaml", "x.openapi.yaml"},
	} {
		t.Run(c.path, func(t *testing.T) {
			f.t = t
			quoted := string(appendString(nil, c.key))
			f.put("/v1/state/"+c.path, `{"value":1}`).want(t, 200, `{"key":`+quoted+`,"revision":1,"expires_at_ms":null}`)
			f.get("/v1/state/"+c.path).want(t, 200, `{"key":`+quoted+`,"value":1,"revision":1,"expires_at_ms":null}`)
			f.get("/v1/state?prefix="+url.QueryEscape(c.key)).want(t, 200, `[{"key":`+quoted+`,"value":1,"revision":1,"expires_at_ms":null}]`)
			f.do("DELETE", "/v1/state/"+c.path, "", nil).want(t, 200, `{"deleted":true}`)
		})
	}
}

func TestStateLimits(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxKeyLen, c.MaxJSONBytes, c.MaxBodyBytes = 6, 10, 200 })
	t.Run("key", func(t *testing.T) {
		f.t = t
		full, over := url.PathEscape("ñññ"), url.PathEscape("ñññx") // 6 and 7 bytes
		if a := f.put("/v1/state/"+full, `{"value":1}`); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		for _, a := range []answer{f.put("/v1/state/"+over, `{"value":1}`), f.get("/v1/state/" + over), f.do("DELETE", "/v1/state/"+over, "", nil),
			f.get("/v1/state?prefix=" + over), f.get("/v1/state?after=" + over)} {
			a.want(t, 400, "invalid_argument")
			if !strings.Contains(a.body, "too long: 7 bytes, at most 6 are allowed") {
				t.Error(a.body)
			}
		}
		if a := f.get("/v1/state?prefix=" + full); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("value", func(t *testing.T) {
		f.t = t
		f.put("/v1/state/v", `{"value": [ 1, 2, "ñx" ] }`).want(t, 413, "payload_too_large") // [1,2,"ñx"] is 11 bytes
		if a := f.put("/v1/state/v", `{"value": [ 1, 2, "xx" ] }`); a.status != 200 {        // 10 bytes
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("body", func(t *testing.T) {
		f.t = t
		body := func(n int) string { return `{"value":1}` + strings.Repeat(" ", n-len(`{"value":1}`)) }
		if a := f.put("/v1/state/b", body(200)); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		f.put("/v1/state/b", body(201)).want(t, 413, "payload_too_large")
	})
	t.Run("batch", func(t *testing.T) {
		f.t = t
		a := f.do("POST", "/v1/state/batch_put", `{"operations":[{"key":"ñññx","value":1},{"key":"ñññ","value":"12345678"},{"key":"k","value":"123456789"}]}`, nil)
		if a.status != 200 || strings.Count(a.body, `"status":"error"`) != 2 || strings.Count(a.body, `"status":"ok"`) != 1 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestStateList(t *testing.T) {
	f := newFixture(t, nil)
	for _, key := range []string{"b", "a%2Fz", "a", "%C3%B1", "a0"} {
		f.put("/v1/state/"+key, `{"value":1}`)
	}
	for _, c := range []struct {
		query string
		keys  string
	}{
		{"", "a a/z a0 b ñ"},
		{"?prefix=", "a a/z a0 b ñ"},
		{"?prefix=a", "a a/z a0"},
		{"?prefix=a&after=a", "a/z a0"},
		{"?after=a%2Fz", "a0 b ñ"},
		{"?limit=2", "a a/z"},
		{"?limit=99999999999", "a a/z a0 b ñ"},
		{"?prefix=nope", ""},
		{"?unknown=1", "a a/z a0 b ñ"},
	} {
		a := f.get("/v1/state" + c.query)
		var keys []string
		for _, m := range regexp.MustCompile(`"key":"([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
			keys = append(keys, m[1])
		}
		if got := strings.Join(keys, " "); a.status != 200 || got != c.keys {
			t.Errorf("%q: %d %q, want %q", c.query, a.status, got, c.keys)
		}
	}
	for _, query := range []string{"limit=0", "limit=-1", "limit=x", "limit=1.0", "limit=", "prefix=%FF", "prefix=%zz", "after=%C3",
		"limit=1&limit=2", "consistency=strong", "consistency=", "min_offset=x", "min_offset=-1", "wait_ms=x", "min_offset=18446744073709551616"} {
		f.get("/v1/state?"+query).want(t, 400, "invalid_argument")
	}
	f.get("/v1/state/").want(t, 404, "not_found")
}

// TestStateLongList makes a list that is written in several pieces.
func TestStateLongList(t *testing.T) {
	f := newFixture(t, nil)
	value := strings.Repeat("v", 60000)
	const n = 12
	for i := range n {
		f.put(fmt.Sprintf("/v1/state/k%02d", i), `{"value":"`+value+`"}`)
	}
	a := f.get("/v1/state?limit=1000")
	if a.status != 200 || strings.Count(a.body, value) != n {
		t.Errorf("%d, %d values", a.status, strings.Count(a.body, value))
	}
	if a := f.do("HEAD", "/v1/state?limit=1000", "", nil); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d %d bytes", a.status, len(a.body))
	}
}

func TestStateShapes(t *testing.T) {
	f := newFixture(t, nil)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"empty", " ", 400, "invalid_argument"},
		{"cut", `{"value":1`, 400, "invalid_argument"},
		{"no json", `hello`, 400, "invalid_argument"},
		{"trailing", `{"value":1} x`, 400, "invalid_argument"},
		{"two values", `{"value":1}{"value":2}`, 400, "invalid_argument"},
		{"comma", `{"value":1,}`, 400, "invalid_argument"},
		{"single quotes", `{'value':1}`, 400, "invalid_argument"},
		{"number", `{"value":01}`, 400, "invalid_argument"},
		{"control character", "{\"value\":\"\n\"}", 400, "invalid_argument"},
		{"bad utf-8", "{\"value\":\"\xff\"}", 400, "invalid_argument"},
		{"bad utf-8 in a name", "{\"value\":1,\"\xff\":2}", 400, "invalid_argument"},
		{"lone surrogate", `{"value":"\ud800"}`, 400, "invalid_argument"},
		{"byte order mark", "\xef\xbb\xbf{\"value\":1}", 400, "invalid_argument"},
		{"syntax before shape", `{"value":1,"ttl_ms":"x",`, 400, "invalid_argument"},
		{"syntax before names", `{"value":1,"value":2`, 400, "invalid_argument"},
		{"array", `[1]`, 422, "unprocessable"},
		{"null", `null`, 422, "unprocessable"},
		{"no value", `{}`, 422, "unprocessable"},
		{"other field", `{"val":1}`, 422, "unprocessable"},
		{"name twice", `{"value":1,"value":2}`, 422, "unprocessable"},
		{"name twice, escaped", `{"value":1,"v\u0061lue":2}`, 422, "unprocessable"},
		{"name twice, inside", `{"value":{"a":[{"x":1,"x":2}]}}`, 422, "unprocessable"},
		{"name twice, unknown field", `{"value":1,"other":{"x":1,"x":2}}`, 422, "unprocessable"},
		{"ttl negative", `{"value":1,"ttl_ms":-1}`, 422, "unprocessable"},
		{"ttl negative zero", `{"value":1,"ttl_ms":-0}`, 422, "unprocessable"},
		{"ttl fraction", `{"value":1,"ttl_ms":1.0}`, 422, "unprocessable"},
		{"ttl exponent", `{"value":1,"ttl_ms":1e3}`, 422, "unprocessable"},
		{"ttl string", `{"value":1,"ttl_ms":"1"}`, 422, "unprocessable"},
		{"ttl too large", `{"value":1,"ttl_ms":18446744073709551616}`, 422, "unprocessable"},
		{"ttl true", `{"value":1,"ttl_ms":true}`, 422, "unprocessable"},
		{"revision negative", `{"value":1,"if_revision":-1}`, 422, "unprocessable"},
		{"revision array", `{"value":1,"if_revision":[1]}`, 422, "unprocessable"},
		{"depth 129", `{"value":` + deep(129) + `}`, 422, "unprocessable"},
		{"depth 5000", `{"value":` + deep(5000) + `}`, 422, "unprocessable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			f.put("/v1/state/k", c.body).want(t, c.status, c.code)
		})
	}
	if got := f.node.Offset(); got != 0 {
		t.Fatalf("refused requests left %d events", got)
	}
	for _, body := range []string{`{"value":` + deep(128) + `}`, " \t\r\n{ \"unknown\" : [ ] , \"v\\u0061lue\" : 1 } \n", `{"value":123456789012345678901234567890e-5}`} {
		if a := f.put("/v1/state/k", body); a.status != 200 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

func TestStateIndexIsReadOnly(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/docidx:c:f:v", `{"value":1}`).want(t, 400, "invalid_argument")
	f.do("DELETE", "/v1/state/docidx:c", "", nil).want(t, 400, "invalid_argument")
	f.get("/v1/state/docidx:c").want(t, 404, "not_found")
	f.do("POST", "/v1/state/batch_put", `{"atomic":true,"operations":[{"key":"a","value":1},{"key":"docidx:","value":1}]}`, nil).want(t, 400, "invalid_argument")
}

func TestReadLevels(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/k", `{"value":1}`)
	const item = `{"key":"k","value":1,"revision":1,"expires_at_ms":null}`
	for _, query := range []string{"?min_offset=1", "?min_offset=0", "?consistency=linearizable", "?consistency=local", "?consistency=linearizable&min_offset=1&wait_ms=10", "?wait_ms=99999999999999"} {
		f.get("/v1/state/k"+query).want(t, 200, item)
	}
	f.do("GET", "/v1/state/k", "", headers{"Kiss-Min-Offset": "1"}).want(t, 200, item)
	for _, bad := range []string{"x", "-1", "1.5", " "} {
		f.do("GET", "/v1/state/k", "", headers{"Kiss-Min-Offset": bad + "x"}).want(t, 400, "invalid_argument")
	}
	for _, path := range []string{"/v1/state/k?min_offset=2&wait_ms=1", "/v1/state/none?min_offset=2&wait_ms=0", "/v1/state?min_offset=2&wait_ms=5", "/v1/stream?min_offset=2&wait_ms=5"} {
		a := f.get(path)
		a.want(t, 503, "stale_read")
		if a.header.Get("Kiss-Offset") != "1" || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, `"offset":1`) {
			t.Errorf("%s: %s %v", path, a.body, a.header)
		}
	}
	// A read that waits is answered as soon as the write is there.
	got := make(chan answer, 1)
	go func() { got <- f.get("/v1/state/later?min_offset=2&wait_ms=20000") }()
	f.put("/v1/state/later", `{"value":2}`)
	(<-got).want(t, 200, `{"key":"later","value":2,"revision":1,"expires_at_ms":null}`)
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/k", `{"value":1}`)
	get, head := f.get("/v1/state/k"), f.do("HEAD", "/v1/state/k", "", nil)
	if head.status != get.status || head.body != "" {
		t.Errorf("HEAD answered %d %q", head.status, head.body)
	}
	for name := range get.header {
		if name != "X-Request-Id" && name != "Date" && head.header.Get(name) != get.header.Get(name) {
			t.Errorf("%s: GET %q, HEAD %q", name, get.header.Get(name), head.header.Get(name))
		}
	}
	if a := f.do("HEAD", "/v1/state/none", "", nil); a.status != http.StatusNotFound {
		t.Errorf("HEAD of nothing answered %d", a.status)
	}
}

// TestWriteHeaders checks what a write may say beside its body.
func TestWriteHeaders(t *testing.T) {
	f := newFixture(t, nil)
	write := func(path string, with headers) []answer {
		return []answer{
			f.do("PUT", "/v1/state/k"+path, `{"value":1}`, with),
			f.do("POST", "/v1/state/batch_put"+path, `{"operations":[{"key":"k","value":1}]}`, with),
			f.do("DELETE", "/v1/state/k"+path, "", with),
		}
	}
	for _, with := range []headers{{"Kiss-Min-Offset": "x"}, {"Idempotency-Key": strings.Repeat("k", 256)}, {"Kiss-Min-Offset": "-1"}} {
		for _, a := range write("", with) {
			a.want(t, 400, "invalid_argument")
		}
	}
	for _, query := range []string{"?min_offset=x", "?consistency=x", "?wait_ms=x", "?%zz"} {
		for _, a := range write(query, nil) {
			a.want(t, 400, "invalid_argument")
		}
	}
	if f.node.Offset() != 0 {
		t.Fatal("a refused write was written")
	}
	for _, with := range []headers{{"Kiss-Min-Offset": "7"}, {"Idempotency-Key": strings.Repeat("k", 255)}} {
		for _, a := range write("?consistency=linearizable", with) {
			if a.status != 200 {
				t.Errorf("%v: %d %s", with, a.status, a.body)
			}
		}
	}
}
