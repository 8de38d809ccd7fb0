package api

import (
	"strings"
	"testing"
)

// TestErrorsBeforeTheHandler sends what net/http refuses by itself.
func TestErrorsBeforeTheHandler(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct{ name, request, status, code string }{
		{"broken percent-encoding", "GET /v1/state/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"cut percent-encoding", "PUT /v1/state/%4 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "400 Bad Request", "invalid_argument"},
		{"no host", "GET /v1/health HTTP/1.1\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"garbage", "hello\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"header without a colon", "GET /v1/health HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"transfer encoding", "PUT /v1/state/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"content length", "PUT /v1/state/k HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"version", "GET /v1/health HTTP/9.9\r\nHost: x\r\n\r\n", "400 Bad Request", "invalid_argument"},
		{"expectation", "PUT /v1/state/k HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n{}", "400 Bad Request", "invalid_argument"},
		{"header too large", "GET /v1/health HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 200<<10) + "\r\n\r\n", "413 Request Entity Too Large", "payload_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			got := f.raw(c.request)
			head, body, ok := strings.Cut(got, "\r\n\r\n")
			if !ok || !strings.HasPrefix(head, "HTTP/1.1 "+c.status+"\r\n") || !strings.HasPrefix(body, `{"error":"`+c.code+`","message":"`) || !strings.HasSuffix(body, "}") {
				t.Errorf("%s", got)
			}
			if !strings.Contains(head, "Content-Type: application/json") || !strings.Contains(head, "Access-Control-Allow-Origin: *") {
				t.Errorf("%s", head)
			}
		})
	}
}

// TestInvalidUTF8InThePath reaches the handlers: it is decoded well.
func TestInvalidUTF8InThePath(t *testing.T) {
	f := newFixture(t, nil)
	for _, key := range []string{"%FF", "a%C3", "%ED%A0%80", "%C0%AF", "x%2F%FF"} {
		f.get("/v1/state/"+key).want(t, 400, "invalid_argument")
		f.put("/v1/state/"+key, `{"value":1}`).want(t, 400, "invalid_argument")
		f.do("DELETE", "/v1/state/"+key, "", nil).want(t, 400, "invalid_argument")
	}
	// Bytes that are sent as they are, without encoding, are the same bytes.
	if got := f.raw("GET /v1/state/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Error(got)
	}
}

// TestLookalikeBodiesAreLeftAlone stores what a canned answer looks like.
func TestLookalikeBodiesAreLeftAlone(t *testing.T) {
	if f := cannedError([]byte("HTTP/1.1 400 Bad Request\r\nDate: x\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")); f != nil {
		t.Error(f)
	}
	for _, text := range []string{"", "H", "HTTP/1.1 ", "HTTP/1.1 400\r\n", "HTTP/1.1 200 OK" + string(cannedHeaders)} {
		if f := cannedError([]byte(text)); f != nil {
			t.Errorf("%q: %v", text, f)
		}
	}
}
