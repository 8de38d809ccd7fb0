package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
)

// TestEveryCodeHasAStatus fails when a code is added without its line in the
// table, or in the description.
func TestEveryCodeHasAStatus(t *testing.T) {
	described := loadSpec(t).Components.Schemas["ErrorCode"].Value.Enum
	for _, code := range fault.Codes() {
		if int(code) >= len(statuses) || statuses[code] == 0 {
			t.Errorf("%s has no status", code)
		}
		if !slices.Contains(described, any(code.String())) {
			t.Errorf("%s is not described", code)
		}
	}
	if len(described) != len(fault.Codes()) {
		t.Errorf("%d codes are described, there are %d", len(described), len(fault.Codes()))
	}
	if got := statusOf(fault.Code(200)); got != http.StatusInternalServerError {
		t.Errorf("an unknown code is %d", got)
	}
}

func TestErrorBodies(t *testing.T) {
	s := newFixture(t, nil).server
	for _, c := range []struct {
		err     error
		status  int
		body    string
		headers headers
	}{
		{fault.New(fault.NotFound, "key not found").At(7), 404,
			`{"error":"not_found","message":"key not found","request_id":"r1","offset":7}`, headers{"Kiss-Offset": "7"}},
		{&fault.Error{Code: fault.NoLeader, Message: "none", Leader: "http://n2"}, 503,
			`{"error":"no_leader","message":"none","request_id":"r1","retryable":true,"leader":"http://n2"}`, headers{"Retry-After": "1"}},
		{&fault.Error{Code: fault.RevisionMismatch, Message: `"x"`, HasOperation: true}, 409,
			`{"error":"revision_mismatch","message":"\"x\"","request_id":"r1","operation":0}`, nil},
		{fault.New(fault.Unauthorized, "no"), 401, `{"error":"unauthorized","message":"no","request_id":"r1"}`, headers{"Www-Authenticate": "Bearer"}},
		{fault.New(fault.Timeout, "t"), 504, `{"error":"timeout","message":"t","request_id":"r1","retryable":true}`, nil},
		{fault.New(fault.Internal, "disk 7 is on fire"), 500, `{"error":"internal","message":"internal error","request_id":"r1"}`, nil},
		{errors.New("secret"), 500, `{"error":"internal","message":"internal error","request_id":"r1"}`, nil},
		{fault.New(fault.InvalidArgument, "bad \xff"), 400, "{\"error\":\"invalid_argument\",\"message\":\"bad \uFFFD\",\"request_id\":\"r1\"}", nil},
	} {
		w := httptest.NewRecorder()
		rw := &response{ResponseWriter: w, server: s, id: "r1"}
		rw.fail(httptest.NewRequest("GET", "/", nil), c.err)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%v: %d %s, want %d %s", c.err, w.Code, w.Body, c.status, c.body)
		}
		for name, value := range c.headers {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%v: %s is %q, want %q", c.err, name, got, value)
			}
		}
	}
}

func TestPanicIsInternal(t *testing.T) {
	f := newFixture(t, nil)
	var logged strings.Builder
	f.server.log = newTestLogger(&logged)
	f.server.on(f.server.mux, "GET", "/panic", func(*response, *http.Request) error { panic("boom") })
	f.server.on(f.server.mux, "GET", "/late", func(rw *response, _ *http.Request) error {
		rw.WriteHeader(200)
		return errors.New("too late")
	})
	req := httptest.NewRequest("GET", "/panic", nil)
	req.Header.Set("X-Request-Id", "mine")
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, req)
	if w.Code != 500 || w.Body.String() != `{"error":"internal","message":"internal error","request_id":"mine"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(logged.String(), "boom") || !strings.Contains(logged.String(), "mine") {
		t.Errorf("logged %q", logged.String())
	}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("an answer that had begun was not cut")
			}
		}()
		f.server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/late", nil))
	}()
	f.get("/v1/health").want(t, 200, "ok")
}

func TestUnknownRoutes(t *testing.T) {
	f := newFixture(t, nil)
	for _, path := range []string{"/", "/nope", "/v1", "/v1/", "/v1/state/", "/v1/state/a/b", "/v1/state/a/", "/v1/health/", "/V1/health", "/v1//health",
		"//v1/health", "/v1/state//", "/v1/./health", "/v1/state/../health", "/v1/he%61lth", "/docs/nope", "/docs/../v1/health", "/openapi.yaml/",
		"/v1/doc/c/i", "/v1/vector/", "/v1/vector/c/", "/v1/vector/c/nope", "/v1/vector/c/get/", "/v1/backup", "/console", "/v1/cluster/members/", "/v1/cluster/nope"} {
		f.get(path).want(t, 404, "not_found")
	}
	for _, path := range []string{"/v1/tx", "/v1/doc/c/find", "/v1/vector/c/unknown", "/v1/vector/c/search/", "/v1/vector//search", "/nope"} {
		f.do("POST", path, `{}`, nil).want(t, 404, "not_found")
	}
	for _, path := range []string{"/v1/sql/query", "/v1/sql/exec"} {
		f.do("POST", path, `{"sql":"SELECT 1"}`, nil).want(t, 404, "not_enabled")
	}
}

func TestWrongMethods(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/v1/state", "GET, HEAD, OPTIONS"},
		{"POST", "/v1/state/k", "GET, HEAD, PUT, DELETE, OPTIONS"},
		{"PATCH", "/v1/state/k", "GET, HEAD, PUT, DELETE, OPTIONS"},
		{"PATCH", "/v1/state/a%2Fb", "GET, HEAD, PUT, DELETE, OPTIONS"},
		{"PATCH", "/v1/state/batch_put", "GET, HEAD, PUT, POST, DELETE, OPTIONS"},
		{"POST", "/v1/vector", "GET, HEAD, OPTIONS"},
		{"PUT", "/v1/vector/c", "GET, HEAD, POST, DELETE, OPTIONS"},
		{"GET", "/v1/vector/c/add", "POST, OPTIONS"},
		{"GET", "/v1/vector/c/search", "POST, OPTIONS"},
		{"POST", "/v1/vector/c/get", "GET, HEAD, OPTIONS"},
		{"DELETE", "/v1/vector/c/vacuum", "POST, OPTIONS"},
		{"DELETE", "/v1/stream", "GET, HEAD, OPTIONS"},
		{"GET", "/v1/sql/query", "POST, OPTIONS"},
		{"PUT", "/v1/cluster/members", "POST, OPTIONS"},
		{"GET", "/v1/cluster/members/n1", "DELETE, OPTIONS"},
		{"DELETE", "/v1/cluster/checksum", "GET, HEAD, POST, OPTIONS"},
		{"PUT", "/v1/health", "GET, HEAD, OPTIONS"},
		{"POST", "/docs", "GET, HEAD, OPTIONS"},
		{"TRACE", "/v1/health", "GET, HEAD, OPTIONS"},
		{"BREW", "/v1/health", "GET, HEAD, OPTIONS"},
	} {
		a := f.do(c.method, c.path, "", nil)
		a.want(t, 405, "method_not_allowed")
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s allows %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	f.do("BREW", "/nope", "", nil).want(t, 404, "not_found")
	f.do("HEAD", "/v1/sql/query", "", nil)
}

func TestRequestIDs(t *testing.T) {
	f := newFixture(t, nil)
	if got := f.do("GET", "/v1/health", "", headers{"X-Request-Id": "abc-1:2.3_X"}).header.Get("X-Request-Id"); got != "abc-1:2.3_X" {
		t.Errorf("X-Request-Id is %q", got)
	}
	seen := map[string]bool{}
	for _, given := range []string{"", "a b", "<script>", strings.Repeat("x", 129), "ñ"} {
		got := f.do("GET", "/v1/state/none", "", headers{"X-Request-Id": given})
		id := got.header.Get("X-Request-Id")
		if id == "" || id == given || seen[id] || !strings.Contains(got.body, `"request_id":"`+id+`"`) {
			t.Errorf("%q made %q: %s", given, id, got.body)
		}
		seen[id] = true
	}
}
