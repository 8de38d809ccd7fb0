package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestConn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Authorization"), body)
	}))
	defer server.Close()
	c := newConn(newTarget(strings.TrimPrefix(server.URL, "http://"), "secret"), 5*time.Second)
	defer c.close()
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/plain", "", 200},
		{"PUT", "/plain", `{"value":1}`, 200},
		{"GET", "/chunked", "", 200},
		{"POST", "/chunked", "x", 200},
		{"GET", "/missing", "", 404},
		{"GET", "/again", "", 200},
	} {
		var body []byte
		if test.body != "" {
			body = []byte(test.body)
		}
		status, answer, err := c.do(test.method, test.path, body)
		if err != nil {
			t.Fatalf("%s %s: %v", test.method, test.path, err)
		}
		want := fmt.Sprintf("%s %s Bearer secret %s", test.method, test.path, test.body)
		if status != test.status || string(answer) != want {
			t.Errorf("%s %s: got %d %q, want %d %q", test.method, test.path, status, answer, test.status, want)
		}
	}
	server.CloseClientConnections()
	if _, _, err := c.do("GET", "/plain", nil); err == nil {
		t.Error("a broken connection gave no error")
	}
	if _, _, err := c.do("GET", "/plain", nil); err != nil {
		t.Errorf("after a broken connection: %v", err)
	}
}

// FuzzAnswer looks for an answer that takes the client down.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		c := &conn{in: bufio.NewReader(bytes.NewReader(answer))}
		_, chunked, length, err := c.readHead()
		if err != nil || length > len(answer) {
			return
		}
		if err := c.readBody(chunked, length); err == nil && len(c.body) > len(answer) {
			t.Errorf("a body of %d bytes from an answer of %d", len(c.body), len(answer))
		}
	})
}

func TestBadAnswers(t *testing.T) {
	for _, answer := range []string{
		"", "HTTP/1.1\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", maxHeaders+1),
	} {
		c := &conn{in: bufio.NewReader(strings.NewReader(answer))}
		if _, _, _, err := c.readHead(); !errors.Is(err, errAnswer) && !errors.Is(err, io.EOF) {
			t.Errorf("%.40q: got %v", answer, err)
		}
	}
}

func TestParseEvent(t *testing.T) {
	line := `data: {"offset":7,"ts_ms":1,"type":"state_updated","data":{"expires_at_ms":null,"key":"bench-00000001","revision":2,"value":{"n":41,"t":1767225600000000001,"p":"pp"}}}`
	number, sent, ok := parseEvent([]byte(line))
	if !ok || number != 41 || sent != 1767225600000000001 {
		t.Errorf("got %d, %d, %v", number, sent, ok)
	}
	for _, line := range []string{"", `data: {"value":{"n":1}}`, `data: {"value":{"n":x,"t":1,}}`, `data: {"value":{"n":-1,"t":1,}}`, `data: {"value":{"n":1,"t":}}`} {
		if _, _, ok := parseEvent([]byte(line)); ok {
			t.Errorf("%q was taken for an event of this bench", line)
		}
	}
}
