package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVacuum vacuums one collection of a node that runs, and another while it
// does not.
func TestVacuum(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	serve := []string{"--data-dir", dir, "--cluster-addr", loopback(freePorts(t, 1)), "--logs", "error"}
	some := regexp.MustCompile(`^[a-z]+: [1-9]\d* bytes reclaimed\n$`)

	node, port := serveOnFreePort(t, serve...)
	url := "http://127.0.0.1:" + port
	for _, collection := range []string{"docs", "more"} {
		writeVectors(t, url, collection)
	}
	vacuum := func(collection string, args ...string) (stdout, stderr string, code int) {
		return run1(append([]string{"vacuum", "--collection", collection, "--port", port}, args...)...)
	}
	if stdout, stderr, code := vacuum("more"); code != exitOK || !some.MatchString(stdout) {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	if stdout, stderr, code := vacuum("more", "--data-dir", dir); code != exitOK || stdout != "more: 0 bytes reclaimed\n" {
		t.Errorf("again: exit %d, %q, %q", code, stdout, stderr)
	}
	if _, stderr, code := vacuum("none"); code != exitError || !strings.Contains(stderr, "404: collection not found") {
		t.Errorf("of nothing: exit %d, %q", code, stderr)
	}
	if _, stderr, code := vacuum("docs", "--port", fmt.Sprint(freePorts(t, 1)), "--data-dir", dir); code != exitError || strings.Count(stderr, "\n") != 1 {
		t.Errorf("of data in use: exit %d, %q", code, stderr)
	}
	// What lies there at rest is the newest snapshot; a vacuum makes one.
	eventually(t, "a snapshot", func() bool {
		snapshots, err := filepath.Glob(filepath.Join(dir, "raft", "snapshots", "*[0-9]")) // not those still being written
		return err == nil && len(snapshots) > 0
	})
	if code := node.stop(t); code != exitOK {
		t.Fatalf("exit %d", code)
	}

	if _, stderr, code := vacuum("docs"); code != exitError || !strings.Contains(stderr, "no node listens at "+url) {
		t.Errorf("of nobody: exit %d, %q", code, stderr)
	}
	if stdout, stderr, code := vacuum("docs", "--data-dir", dir); code != exitOK || !some.MatchString(stdout) {
		t.Errorf("at rest: exit %d, %q, %q", code, stdout, stderr)
	}
	if _, stderr, code := vacuum("none", "--data-dir", dir); code != exitError || !strings.Contains(stderr, "collection not found") {
		t.Errorf("of nothing, at rest: exit %d, %q", code, stderr)
	}
	_, port = serveOnFreePort(t, serve...)
	for _, collection := range []string{"docs", "more"} {
		status, answer := request(t, "GET", "http://127.0.0.1:"+port+"/v1/vector/"+collection+"/get?id=4", "")
		if want := `{"id":"4","vector":[1,49,3],"meta":null}`; status != 200 || answer != want {
			t.Errorf("%s, after it: %d %s, want %s", collection, status, answer, want)
		}
	}
}

// writeVectors makes a collection of five points that were written ten times.
func writeVectors(t *testing.T, url, collection string) {
	t.Helper()
	write := func(path, body string) {
		t.Helper()
		if status, answer := request(t, "POST", url+"/v1/vector/"+collection+path, body); status != 200 {
			t.Fatalf("POST %s: %d %s", path, status, answer)
		}
	}
	write("", `{"dim":3,"metric":"dot"}`)
	for i := range 50 {
		write("/upsert", fmt.Sprintf(`{"id":"%d","vector":[1,%d,3]}`, i%5, i))
	}
}
