package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"

	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/node"
)

// fixture is a server in front of a real node of its own, over real TCP.
type fixture struct {
	t      testing.TB
	server *Server
	node   *node.Node
	addr   string
	client *http.Client
	spec   *openapi3.T
}

func testConfig() Config {
	return Config{
		RequestTimeout: 30 * time.Second,
		MaxBodyBytes:   1 << 20, MaxJSONBytes: 64 << 10, MaxKeyLen: 512, MaxCollectionLen: 64,
		MaxIDLen: 128, MaxVectorDim: 4096, MaxK: 256, MaxStateBatch: 256, MaxVectorBatch: 256, MaxDocFind: 100,
		Version: "test",
	}
}

// newFixture starts a server; change may alter how it is configured.
func newFixture(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	return newFixtureOn(t, openNode(t, 10000), change)
}

// openNode opens a node alone, in memory, and waits until it takes writes.
func openNode(t testing.TB, ring int) *node.Node {
	t.Helper()
	n, err := node.Open(node.Config{ID: "n1", Events: event.Config{BufferSize: ring}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() bool {
		for _, c := range n.Ready(context.Background()) {
			if c.Err != nil {
				return false
			}
		}
		return true
	})
	return n
}

func newFixtureOn(t testing.TB, n *node.Node, change func(*Config)) *fixture {
	t.Helper()
	cfg := testConfig()
	if change != nil {
		change(&cfg)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, node: n, server: New(cfg, n), addr: l.Addr().String(), spec: loadSpec(t)}
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(l) }()
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := f.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func loadSpec(t testing.TB) *openapi3.T {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData(openapi)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// eventually waits for a fact.
func eventually(t testing.TB, fact func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !fact() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come true")
		}
		<-time.After(2 * time.Millisecond)
	}
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

type headers map[string]string

// do sends a request and checks its answer against the description of the
// API, whatever the test is about. The path is sent as it is written.
func (f *fixture) do(method, path, body string, with headers) answer {
	f.t.Helper()
	req, err := http.NewRequest(method, "http://"+f.addr+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range with {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	res, err := f.client.Do(req)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{res.StatusCode, res.Header, string(b)}
	f.conforms(req, a)
	return a
}

func (f *fixture) get(path string) answer       { f.t.Helper(); return f.do("GET", path, "", nil) }
func (f *fixture) put(path, body string) answer { f.t.Helper(); return f.do("PUT", path, body, nil) }
func (f *fixture) post(path, body string) answer {
	f.t.Helper()
	return f.do("POST", path, body, nil)
}

// conforms checks an answer against openapi.yaml.
func (f *fixture) conforms(req *http.Request, a answer) {
	f.t.Helper()
	if req.Method == http.MethodOptions {
		return
	}
	pattern := f.pattern(req)
	if pattern == "" {
		f.isError(req, a)
		return
	}
	item := f.spec.Paths.Value(pattern)
	if item == nil || item.GetOperation(req.Method) == nil {
		f.t.Fatalf("%s %s is not described", req.Method, pattern)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req,
			Route: &routers.Route{Spec: f.spec, Path: pattern, PathItem: item, Method: req.Method,
				Operation: item.GetOperation(req.Method)},
		},
		Status:  a.status,
		Header:  a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: !decodable(a.header)},
	}
	input.SetBodyBytes([]byte(a.body))
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		f.t.Errorf("%s %s answered %d %.200q: %.400v", req.Method, req.URL, a.status, a.body, err)
	}
}

func decodable(header http.Header) bool {
	contentType := header.Get("Content-Type")
	return strings.HasPrefix(contentType, "application/json") || strings.HasPrefix(contentType, "text/plain")
}

// pattern returns the route of a request as the description calls it, empty
// when there is none.
func (f *fixture) pattern(req *http.Request) string {
	path := req.URL.EscapedPath()
	ctx := chi.NewRouteContext()
	if !cleanPath(path) || !f.server.mux.Match(ctx, req.Method, path) {
		return ""
	}
	return described(ctx.RoutePattern())
}

// described turns a pattern of the router into a path of the description.
func described(pattern string) string { return strings.Replace(pattern, "*", "{file}", 1) }

// isError checks what no route answers.
func (f *fixture) isError(req *http.Request, a answer) {
	f.t.Helper()
	if a.status < 400 {
		f.t.Errorf("%s %s answered %d without a route", req.Method, req.URL, a.status)
	}
	if req.Method == http.MethodHead {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		f.t.Errorf("%s %s answered %d with content type %q", req.Method, req.URL, a.status, got)
	}
	value, err := openapi3filter.RegisteredBodyDecoder("application/json")(strings.NewReader(a.body), a.header, nil, nil)
	if err != nil {
		f.t.Errorf("%s %s answered %d %q: %v", req.Method, req.URL, a.status, a.body, err)
		return
	}
	if err := f.spec.Components.Schemas["Error"].Value.VisitJSON(value); err != nil {
		f.t.Errorf("%s %s answered %d %q: %v", req.Method, req.URL, a.status, a.body, err)
	}
}

// want checks a status and, of an error, its code; else the body.
func (a answer) want(t testing.TB, status int, text string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
		return
	}
	if status >= 400 {
		if !strings.HasPrefix(a.body, `{"error":"`+text+`",`) {
			t.Errorf("body %s, want error %q", a.body, text)
		}
	} else if a.body != text {
		t.Errorf("body %s, want %s", a.body, text)
	}
}

// raw sends bytes as they are and returns all that comes back.
func (f *fixture) raw(request string) string {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		f.t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, c); err != nil {
		f.t.Fatalf("%v after %q", err, b.String())
	}
	return b.String()
}
