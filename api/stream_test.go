package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// listening is an open stream under test.
type listening struct {
	f      *fixture
	body   *bufio.Reader
	header http.Header
	close  func()
}

// listen opens a stream. It must be closed, or ended by the server.
func (f *fixture) listen(path string, with headers) *listening {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	f.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+f.addr+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	for name, value := range with {
		req.Header.Set(name, value)
	}
	res, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { res.Body.Close() })
	f.conforms(req, answer{status: res.StatusCode, header: res.Header})
	if res.StatusCode != 200 {
		b, _ := io.ReadAll(res.Body)
		f.t.Fatalf("%s: %d %s", path, res.StatusCode, b)
	}
	return &listening{f, bufio.NewReader(res.Body), res.Header, cancel}
}

// frame returns the next frame, with its closing blank line.
func (l *listening) frame() string {
	l.f.t.Helper()
	text := ""
	for {
		line, err := l.body.ReadString('\n')
		if err != nil {
			l.f.t.Fatalf("stream ended after %q: %v", text+line, err)
		}
		if text += line; line == "\n" {
			return text
		}
	}
}

// want checks the next frames by their pattern: a word is the name of an
// event, one with a colon also its id.
func (l *listening) want(frames ...string) {
	l.f.t.Helper()
	for _, want := range frames {
		got := l.frame()
		name, id, _ := strings.Cut(want, ":")
		prefix := "event: " + name + "\n"
		if id != "" {
			prefix += "id: " + id + "\n"
		}
		if !strings.HasPrefix(got, prefix) {
			l.f.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// ends reads until the server has ended the stream.
func (l *listening) ends() {
	l.f.t.Helper()
	if b, err := io.ReadAll(l.body); err != nil {
		l.f.t.Fatalf("stream broke: %v after %q", err, b)
	}
}

// TestStreamBytes checks the framing to the byte.
func TestStreamBytes(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/job:1", `{"value": {"x": 1}}`)
	f.put("/v1/state/a%22b", `{"value":"ñ","ttl_ms":600000}`)
	f.do("DELETE", "/v1/state/job:1", "", nil)
	f.put("/v1/state/doc:c:i:d", `{"value":1}`)
	l := f.listen("/v1/stream", nil)
	times := regexp.MustCompile(`("ts_ms"|"expires_at_ms"):\d{13}`)
	for i, want := range []string{
		"event: state_updated\nid: 1\ndata: {\"offset\":1,\"ts_ms\":T,\"type\":\"state_updated\",\"data\":{\"expires_at_ms\":null,\"key\":\"job:1\",\"revision\":1,\"value\":{\"x\":1}}}\n\n",
		"event: state_updated\nid: 2\ndata: {\"offset\":2,\"ts_ms\":T,\"type\":\"state_updated\",\"data\":{\"expires_at_ms\":T,\"key\":\"a\\\"b\",\"revision\":1,\"value\":\"ñ\"}}\n\n",
		"event: state_deleted\nid: 3\ndata: {\"offset\":3,\"ts_ms\":T,\"type\":\"state_deleted\",\"data\":{\"key\":\"job:1\",\"reason\":\"explicit\"}}\n\n",
		"event: state_updated\nid: 4\ndata: {\"offset\":4,\"ts_ms\":T,\"type\":\"state_updated\",\"data\":{\"collection\":\"c\",\"expires_at_ms\":null,\"id\":\"i:d\",\"key\":\"doc:c:i:d\",\"revision\":1,\"value\":1}}\n\n",
	} {
		if got := times.ReplaceAllString(l.frame(), "$1:T"); got != want {
			t.Errorf("frame %d is %q, want %q", i, got, want)
		}
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Kiss-Offset": "4", "Kiss-Node": "n1"} {
		if got := l.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestStreamStart(t *testing.T) {
	f := newFixture(t, nil)
	for range 3 {
		f.put("/v1/state/k", `{"value":1}`)
	}
	for _, c := range []struct {
		query  string
		header headers
		first  string
	}{
		{"", nil, "1"},
		{"?since=0", nil, "1"},
		{"?since=2", nil, "3"},
		{"?since=oldest", nil, "1"},
		{"?since=1", headers{"Last-Event-ID": "2"}, "3"},
		{"", headers{"Last-Event-ID": "1"}, "2"},
		{"?since=1", headers{"Last-Event-ID": "abc"}, "2"},
		{"?since=1", headers{"Last-Event-ID": "-1"}, "2"},
		{"", headers{"Last-Event-ID": "18446744073709551616"}, "1"},
		{"?min_offset=3&consistency=linearizable", nil, "1"},
	} {
		for _, path := range []string{"/v1/stream", "/v1/events"} {
			l := f.listen(path+c.query, c.header)
			l.want("state_updated:" + c.first)
			l.close()
		}
	}
	now := f.listen("/v1/stream?since=now", nil)
	at3 := f.listen("/v1/stream?since=3", nil)
	f.put("/v1/state/k", `{"value":1}`)
	now.want("state_updated:4")
	at3.want("state_updated:4")
}

func TestStreamBadInput(t *testing.T) {
	f := newFixture(t, nil)
	for _, query := range []string{"since=x", "since=", "since=-1", "since=1.5", "since=NOW", "types=", "types=,", "types=%20", "progress=2", "progress=",
		"min_offset=x", "wait_ms=x", "consistency=x", "key_prefix=%FF", "since=%zz", "since=1&since=2",
		"key_prefix=" + strings.Repeat("k", 513), "collection=" + strings.Repeat("c", 65), "collection=", "collection=.c", "collection=a%2Fb"} {
		f.get("/v1/stream?"+query).want(t, 400, "invalid_argument")
	}
	f.do("GET", "/v1/stream?since=x", "", headers{"Last-Event-ID": "1"}).want(t, 400, "invalid_argument")
	if a := f.do("HEAD", "/v1/stream", "", nil); a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	f.do("HEAD", "/v1/stream?types=", "", nil)
	eventually(t, func() bool { return testutil.ToFloat64(f.server.metrics.sseClients) == 0 })
}

func TestStreamFilters(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/a:1", `{"value":1}`)      // 1
	f.put("/v1/state/b:1", `{"value":1}`)      // 2
	f.put("/v1/state/doc:c:1", `{"value":1}`)  // 3
	f.do("DELETE", "/v1/state/a:1", "", nil)   // 4
	f.put("/v1/state/doc:cc:1", `{"value":1}`) // 5
	f.put("/v1/state/end", `{"value":1}`)      // 6
	for _, c := range []struct{ path, ids string }{
		{"/v1/stream?types=state_deleted,nonsense", "4"},
		{"/v1/stream?types=%20state_updated%20,state_deleted", "1 2 3 4 5 6"},
		{"/v1/stream?key_prefix=a:", "1 4"},
		{"/v1/stream?key_prefix=", "1 2 3 4 5 6"},
		{"/v1/events?prefix=b", "2"},
		{"/v1/events?key_prefix=b", "1 2 3 4 5 6"},
		{"/v1/stream?prefix=b", "1 2 3 4 5 6"},
		{"/v1/stream?collection=c", "3"},
		{"/v1/stream?collection=c&key_prefix=a", ""},
		{"/v1/stream?types=state_deleted&key_prefix=a", "4"},
	} {
		l := f.listen(c.path+"&progress=1", nil)
		var ids []string
		for {
			frame := l.frame()
			if strings.HasPrefix(frame, "event: caught_up\n") {
				break
			}
			if m := regexp.MustCompile(`\nid: (\d+)\n`).FindStringSubmatch(frame); m != nil {
				ids = append(ids, m[1])
			}
		}
		l.close()
		if got := strings.Join(ids, " "); got != c.ids {
			t.Errorf("%s: %q, want %q", c.path, got, c.ids)
		}
	}
}

// TestStreamGap reads a log that holds fewer events than there were.
func TestStreamGap(t *testing.T) {
	f := newFixtureOn(t, openNode(t, 4), nil)
	for range 10 {
		f.put("/v1/state/k", `{"value":1}`)
	}
	l := f.listen("/v1/stream?since=2&types=state_updated&key_prefix=k", nil)
	if got, want := l.frame(), "event: gap\nid: 6\ndata: {\"from_offset\":3,\"to_offset\":6,\"dropped\":4,\"reason\":\"history_gone\"}\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	l.want("state_updated:7", "state_updated:8", "state_updated:9", "state_updated:10")
	// The gap ignores filters, and its id is where a client goes on.
	f.listen("/v1/stream?types=state_deleted", nil).want("gap:6")
	f.listen("/v1/stream", headers{"Last-Event-ID": "6"}).want("state_updated:7")
	f.listen("/v1/stream?since=oldest", nil).want("state_updated:7")
	if got := testutil.ToFloat64(f.server.metrics.gaps); got != 2 {
		t.Errorf("%v gaps counted", got)
	}
}

// TestStreamForeignID starts after an offset that this store never had.
func TestStreamForeignID(t *testing.T) {
	f := newFixtureOn(t, openNode(t, 4), nil)
	empty := f.listen("/v1/stream?since=5000", nil)
	if got, want := empty.frame(), "event: gap\nid: 0\ndata: {\"from_offset\":1,\"to_offset\":0,\"dropped\":0,\"reason\":\"history_gone\"}\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.put("/v1/state/k", `{"value":1}`)
	empty.want("state_updated:1")
	for range 9 {
		f.put("/v1/state/k", `{"value":1}`)
	}
	l := f.listen("/v1/stream?progress=1", headers{"Last-Event-ID": "11"})
	l.want("hello", "gap:6", "state_updated:7", "state_updated:8", "state_updated:9", "state_updated:10", "caught_up")
	f.listen("/v1/stream?since=10", nil) // the head itself is not foreign
}

func TestStreamKeepalive(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Keepalive = 50 * time.Millisecond })
	f.put("/v1/state/k", `{"value":1}`)
	l := f.listen("/v1/stream", nil)
	l.want("state_updated:1")
	for range 2 {
		if got := l.frame(); got != ": keepalive\n\n" {
			t.Errorf("got %q", got)
		}
	}
	// Events that the filter holds back are silence too.
	quiet := f.listen("/v1/stream?types=state_deleted&since=0", nil)
	if got := quiet.frame(); got != ": keepalive\n\n" {
		t.Errorf("got %q", got)
	}
}

func TestStreamProgress(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Keepalive = 50 * time.Millisecond })
	empty := f.listen("/v1/stream?progress=1", nil)
	cluster := f.node.ClusterID()
	for _, want := range []string{
		`event: hello` + "\n" + `data: {"cluster":"` + cluster + `","node":"n1","head":0,"oldest":1}` + "\n\n",
		"event: caught_up\ndata: {\"head\":0}\n\n",
		"event: progress\nid: 0\ndata: {\"offset\":0}\n\n",
	} {
		if got := empty.frame(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f.put("/v1/state/k", `{"value":1}`)
	f.put("/v1/state/k", `{"value":1}`)
	quiet := f.listen("/v1/stream?progress=1&types=state_deleted", nil)
	quiet.want("hello")
	if got := quiet.frame(); got != "event: caught_up\ndata: {\"head\":2}\n\n" {
		t.Errorf("got %q", got)
	}
	if got := quiet.frame(); got != "event: progress\nid: 2\ndata: {\"offset\":2}\n\n" {
		t.Errorf("got %q", got)
	}
}

// TestStreamResumes cuts a stream again and again while events are written,
// and goes on from the last id: every offset must come exactly once.
func TestStreamResumes(t *testing.T) {
	f := newFixture(t, nil)
	const n = 300
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range n {
			f.put("/v1/state/k"+strconv.Itoa(i%7), `{"value":1}`)
		}
	}()
	last := 0
	for last < n {
		l := f.listen("/v1/stream", headers{"Last-Event-ID": strconv.Itoa(last)})
		for range 1 + last%17 {
			if last == n {
				break
			}
			l.want("state_updated:" + strconv.Itoa(last+1))
			last++
		}
		l.close()
	}
	<-written
	eventually(t, func() bool { return testutil.ToFloat64(f.server.metrics.sseClients) == 0 })
}

func TestStreamEndsOnDrain(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Keepalive = 20 * time.Millisecond })
	idle := f.listen("/v1/stream", nil)
	foreign := f.listen("/v1/stream?since=99", nil)
	eventually(t, func() bool { return testutil.ToFloat64(f.server.metrics.sseClients) == 2 })
	start := time.Now()
	f.server.Drain()
	idle.ends()
	foreign.ends()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the drain took %s", took)
	}
	f.get("/v1/stream").want(t, 503, "overloaded")
	f.get("/v1/health").want(t, 200, "ok")
	eventually(t, func() bool { return testutil.ToFloat64(f.server.metrics.sseClients) == 0 })
}

// TestStreamOfStuckClient has a client that never reads: it must cost the
// writers nothing, and neither a drain nor the write deadline may wait for it.
func TestStreamOfStuckClient(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
	}{{"drain", time.Hour}, {"deadline", 100*time.Millisecond - extendEvery}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(cfg *Config) { cfg.StreamWriteTimeout = c.timeout })
			conn, err := net.Dial("tcp", f.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
			eventually(t, func() bool { return testutil.ToFloat64(f.server.metrics.sseClients) == 1 })
			value := strings.Repeat("v", 60000)
			for i := range 200 { // 12 MB, more than the kernel holds for a connection
				f.put("/v1/state/k"+strconv.Itoa(i), `{"value":"`+value+`"}`)
			}
			start := time.Now()
			if c.name == "drain" {
				f.server.Drain()
			}
			eventually(t, func() bool { return testutil.ToFloat64(f.server.metrics.sseClients) == 0 })
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestStreamOutlivesTheRequestTimeout keeps one open well beyond it.
func TestStreamOutlivesTheRequestTimeout(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RequestTimeout, c.Keepalive = 50*time.Millisecond, 30*time.Millisecond })
	l := f.listen("/v1/stream", nil)
	for start := time.Now(); time.Since(start) < 400*time.Millisecond; {
		if got := l.frame(); got != ": keepalive\n\n" {
			t.Fatalf("got %q", got)
		}
	}
	f.put("/v1/state/k", `{"value":1}`)
	for {
		if got := l.frame(); strings.HasPrefix(got, "event: state_updated\nid: 1\n") {
			return
		} else if got != ": keepalive\n\n" {
			t.Fatalf("got %q", got)
		}
	}
}
