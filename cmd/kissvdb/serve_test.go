package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServe runs a node in memory, asks it with the other verbs, and stops it
// while a stream is open.
func TestServe(t *testing.T) {
	node, port := serveOnFreePort(t)
	url := "http://127.0.0.1:" + port
	if status, answer := request(t, "PUT", url+"/v1/state/a", `{"value":1}`); status != 200 {
		t.Fatalf("PUT: %d %s", status, answer)
	}
	if stdout, stderr, code := run1("health", "--port", port); code != exitOK || !strings.Contains(stdout, "ok") {
		t.Errorf("health: exit %d, %q, %q", code, stdout, stderr)
	}
	if stdout, stderr, code := run1("status", "--port", port); code != exitOK || !strings.Contains(stdout, "leader n1") || !strings.Contains(stdout, url) {
		t.Errorf("status: exit %d, %q, %q", code, stdout, stderr)
	}
	if stdout, stderr, code := run1("status", "--json", "--port", port); code != exitOK || !strings.HasPrefix(stdout, "{") {
		t.Errorf("status --json: exit %d, %q, %q", code, stdout, stderr)
	}
	if stdout, stderr, code := run1("verify", "--port", port); code != exitOK || !strings.Contains(stdout, "n1  equal") {
		t.Errorf("verify: exit %d, %q, %q", code, stdout, stderr)
	}

	stream, err := http.Get(url + "/v1/stream?since=0")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	events := bufio.NewReader(stream.Body)
	if line, err := events.ReadString('\n'); err != nil || line != "event: state_updated\n" {
		t.Fatalf("stream: %q, %v", line, err)
	}
	start := time.Now()
	if code := node.stop(t); code != exitOK {
		t.Errorf("exit %d", code)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	for err == nil {
		_, err = events.ReadString('\n')
	}
	for _, want := range []string{"msg=serving url=" + url + " node=n1 data=memory", "the API is open", "in memory only"} {
		if !strings.Contains(node.stderr.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if stdout, stderr, code := run1("health", "--port", port); code != exitError || strings.Count(stderr, "\n") != 1 {
		t.Errorf("health of a stopped node: exit %d, %q, %q", code, stdout, stderr)
	}
}

// TestRestart stops a node with data and starts it again.
func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	for round := range 2 {
		node, port := serveOnFreePort(t, "--data-dir", dir, "--cluster-addr", loopback(freePorts(t, 1)), "--logs", "error")
		url := "http://127.0.0.1:" + port + "/v1/state/a"
		if round == 0 {
			if status, answer := request(t, "PUT", url, `{"value":"kept"}`); status != 200 {
				t.Fatalf("PUT: %d %s", status, answer)
			}
		}
		if status, answer := request(t, "GET", url, ""); status != 200 || !strings.Contains(answer, `"kept"`) {
			t.Errorf("round %d: GET: %d %s", round, status, answer)
		}
		if _, stderr, code := run1("serve", "--port", "1"+port[1:], "--data-dir", dir, "--cluster-addr", loopback(freePorts(t, 1))); code != exitError {
			t.Errorf("a second node on the same folder: exit %d, %q", code, stderr)
		}
		if code := node.stop(t); code != exitOK {
			t.Errorf("exit %d", code)
		}
		if log := node.stderr.String(); log != "" {
			t.Errorf("the log at level error: %s", log)
		}
	}
}

func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := strings.Cut(listener.Addr().String(), ":")
	for _, verb := range []string{"serve", "dev"} {
		stdout, stderr, code := run1(verb, "--port", port)
		if code != exitError || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "address already in use") {
			t.Errorf("%s: exit %d, %q, %q", verb, code, stdout, stderr)
		}
	}
}

func TestAPIKey(t *testing.T) {
	node, port := serveOnFreePort(t, "--api-key", "the-key")
	if status, answer := request(t, "GET", "http://127.0.0.1:"+port+"/v1/state/a", ""); status != 401 {
		t.Errorf("without the key: %d %s", status, answer)
	}
	if _, stderr, code := run1("status", "--port", port); code != exitError || !strings.Contains(stderr, "401") {
		t.Errorf("status without the key: exit %d, %q", code, stderr)
	}
	if stdout, stderr, code := run1("status", "--port", port, "--api-key", "the-key"); code != exitOK {
		t.Errorf("status: exit %d, %q, %q", code, stdout, stderr)
	}
	if strings.Contains(node.stderr.String(), "the-key") || strings.Contains(node.stderr.String(), "the API is open") {
		t.Errorf("the log: %s", node.stderr.String())
	}
}

// TestHTTPS serves with a certificate that names no address at all: the verbs
// know it by the same settings.
func TestHTTPS(t *testing.T) {
	cert, key := selfSigned(t)
	other, _ := selfSigned(t)
	_, port := serveOnFreePort(t, "--tls-cert", cert, "--tls-key", key)
	if stdout, stderr, code := run1("status", "--port", port, "--tls-cert", cert, "--tls-key", key); code != exitOK || !strings.Contains(stdout, "https://127.0.0.1:"+port) {
		t.Errorf("status: exit %d, %q, %q", code, stdout, stderr)
	}
	if _, stderr, code := run1("health", "--port", port, "--tls-cert", other, "--tls-key", key); code != exitError || !strings.Contains(stderr, "x509") {
		t.Errorf("health with another certificate: exit %d, %q", code, stderr)
	}
	if _, stderr, code := run1("health", "--port", port); code != exitError {
		t.Errorf("health in clear: exit %d, %q", code, stderr)
	}
}

// selfSigned writes a certificate and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"node.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", secret)
}
