package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestContentTypes(t *testing.T) {
	f := newFixture(t, nil)
	for _, good := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", "application/merge-patch+json", "application/json;odd=1"} {
		if a := f.do("PUT", "/v1/state/k", `{"value":1}`, headers{"Content-Type": good}); a.status != 200 {
			t.Errorf("%q: %d %s", good, a.status, a.body)
		}
	}
	for _, bad := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/json", "json", "application/", "; charset=utf-8", "image/svg+json"} {
		f.do("PUT", "/v1/state/k", `{"value":1}`, headers{"Content-Type": bad}).want(t, 415, "unsupported_media_type")
		f.do("POST", "/v1/state/batch_put", `{"operations":[]}`, headers{"Content-Type": bad}).want(t, 415, "unsupported_media_type")
	}
	f.do("PUT", "/v1/state/k", `{"value":1}`, headers{"Content-Encoding": "gzip"}).want(t, 415, "unsupported_media_type")
	f.do("PUT", "/v1/state/k", `{"value":1}`, headers{"Content-Encoding": "identity"}).want(t, 200, `{"key":"k","revision":6,"expires_at_ms":null}`)
}

// TestBodyLimitWithoutLength sends a body that does not say how long it is.
func TestBodyLimitWithoutLength(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxBodyBytes = 5000 })
	send := func(n int) answer {
		body := `{"value":1}` + strings.Repeat(" ", n-len(`{"value":1}`))
		req, err := http.NewRequest("PUT", "http://"+f.addr+"/v1/state/k", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := f.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{res.StatusCode, res.Header, string(b)}
		f.conforms(req, a)
		return a
	}
	if a := send(5000); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	send(5001).want(t, 413, "payload_too_large")
	send(3<<20).want(t, 413, "payload_too_large")
}

// TestLargeBodiesAreTold checks that a client which writes its whole body
// before it reads gets to see why it was refused.
func TestLargeBodiesAreTold(t *testing.T) {
	f := newFixture(t, nil)
	const size = 8 << 20
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /v1/state/k HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	if n, err := io.CopyN(c, zeros{}, size); err != nil {
		t.Fatalf("cut off after %d bytes: %v", n, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("status %d", res.StatusCode)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestBodyThatDoesNotArrive checks every kind of route: also one that reads no
// body must not be held by a client that promised one.
func TestBodyThatDoesNotArrive(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RequestTimeout = 100 * time.Millisecond })
	for _, c := range []struct {
		line   string
		status string
		code   string
	}{
		{"PUT /v1/state/k", "408 Request Timeout", "request_timeout"},
		{"POST /v1/state/batch_put", "408 Request Timeout", "request_timeout"},
		{"GET /v1/state/k", "404 Not Found", "not_found"},
		{"POST /nope", "404 Not Found", "not_found"},
	} {
		start := time.Now()
		got := f.raw(c.line + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"value\":")
		if !strings.HasPrefix(got, "HTTP/1.1 "+c.status) || !strings.Contains(got, `{"error":"`+c.code+`"`) {
			t.Errorf("%s: %s", c.line, got)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %s", c.line, took)
		}
	}
}

// TestBodyDeadlineEndsWithTheBody checks that a connection outlives the
// deadline of a body that has arrived.
func TestBodyDeadlineEndsWithTheBody(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RequestTimeout = 50 * time.Millisecond })
	f.put("/v1/state/k", `{"value":1}`).want(t, 200, `{"key":"k","revision":1,"expires_at_ms":null}`)
	<-time.After(80 * time.Millisecond)
	f.put("/v1/state/k", `{"value":1}`).want(t, 200, `{"key":"k","revision":2,"expires_at_ms":null}`)
}

func TestBodyCutShort(t *testing.T) {
	f := newFixture(t, nil)
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "PUT /v1/state/k HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"value\":1}")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || len(b) != 0 && !strings.Contains(string(b), `{"error":"invalid_argument"`) {
		t.Errorf("%q, %v", b, err)
	}
	if f.node.Offset() != 0 {
		t.Error("a body cut short was written")
	}
}
