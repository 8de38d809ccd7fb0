package main

import (
	"strings"
	"testing"
)

// TestBench runs every operation against a node in memory.
func TestBench(t *testing.T) {
	_, port := serveOnFreePort(t, "--logs", "error", "--max-json-bytes", "1024")
	endpoint := "http://127.0.0.1:" + port
	for _, args := range []string{"--op put", "--op get --consistency linearizable --to all", "--op mixed", "--op stream --rate 100 --to all",
		"--op ingest --dim 8 --batch 20", "--op search --dim 8 --base64 --selectivity .5"} {
		stdout, stderr, code := run1(append([]string{"bench", "--endpoints", endpoint, "--clients", "4", "--duration", "500ms", "--keys", "50"}, strings.Fields(args)...)...)
		if code != exitOK || !strings.Contains(stdout, "p99") || !strings.Contains(stdout, " 0 failed") {
			t.Errorf("%s: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
	if _, stderr, code := run1("bench", "--endpoints", endpoint, "--value-bytes", "2000", "--duration", "100ms"); code != exitError || !strings.Contains(stderr, "no request succeeded") {
		t.Errorf("values that are too large: exit %d, %q", code, stderr)
	}
	for _, bad := range []string{"ftp://x:1", "https://127.0.0.1:1", "nothing"} {
		if _, _, code := run1("bench", "--endpoints", bad); code != exitError {
			t.Errorf("endpoint %s: exit %d", bad, code)
		}
	}
}
