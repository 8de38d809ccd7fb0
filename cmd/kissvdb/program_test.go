package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// asProgram makes the test binary behave as kissvdb, so that dev can start it
// as its child processes.
const asProgram = "KISSVDB_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// running is a program under test in this process.
type running struct {
	stdout, stderr output
	cancel         context.CancelFunc
	done           chan struct{}
	code           int
}

// start runs a program until the test ends or stop is called.
func start(t *testing.T, environ []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, done: make(chan struct{})}
	p := Program{Args: args, Environ: environ, Stdout: &r.stdout, Stderr: &r.stderr}
	go func() {
		r.code = p.Run(ctx)
		close(r.done)
	}()
	t.Cleanup(func() {
		r.stop(t)
		if t.Failed() {
			t.Logf("%q wrote:\n%s%s", args, r.stdout.String(), r.stderr.String())
		}
	})
	return r
}

// stop asks the program to end, as a signal does, and returns its exit code.
func (r *running) stop(t *testing.T) int {
	t.Helper()
	r.cancel()
	select {
	case <-r.done:
	case <-time.After(15 * time.Second):
		t.Fatal("the program did not end")
	}
	return r.code
}

// ended reports whether the program has ended by itself.
func (r *running) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// output is a buffer for several goroutines.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// eventually waits for a fact.
func eventually(t *testing.T, what string, fact func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(30 * time.Second); !fact(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// serveOnFreePort starts a node and waits until it is ready.
func serveOnFreePort(t *testing.T, args ...string) (r *running, port string) {
	t.Helper()
	port = fmt.Sprint(freePorts(t, 1))
	r = start(t, nil, append([]string{"serve", "--port", port}, args...)...)
	eventually(t, "ready", func() bool {
		if r.ended() {
			t.Fatalf("exit %d: %s", r.code, r.stderr.String())
		}
		_, _, code := run1(append([]string{"health", "--ready", "--port", port}, endpointFlags(args)...)...)
		return code == exitOK
	})
	return r, port
}

// endpointFlags are those of the flags of a node that the other verbs take too.
func endpointFlags(args []string) []string {
	var flags []string
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "--tls-cert" || args[i] == "--tls-key" {
			flags = append(flags, args[i], args[i+1])
		}
	}
	return flags
}

// run1 runs a program that ends by itself.
func run1(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	p := Program{Args: args, Stdout: &out, Stderr: &err}
	code = p.Run(context.Background())
	return out.String(), err.String(), code
}

// freePorts finds a port that is free, as are the ones of the other nodes of a
// dev cluster that starts there. Below the range the system itself picks from.
func freePorts(t *testing.T, nodes int64) int64 {
	t.Helper()
	for range 100 {
		port := 12000 + rand.Int64N(1500)*10
		plan := (&devCommand{Nodes: nodes, Port: port}).plan()
		if portsFree(plan) == nil {
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

func request(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

func portOpen(port string) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
