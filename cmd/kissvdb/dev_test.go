package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var nodeLine = regexp.MustCompile(`(?m)^  (n\d)  http://127\.0\.0\.1:(\d+)  pid (\d+)$`)

// TestDev runs a cluster of child processes, kills one, and ends the rest.
func TestDev(t *testing.T) {
	port := freePorts(t, 3)
	dev := start(t, append(os.Environ(), asProgram+"=1", "API_KEY=the-key", "LOGS=error"), "dev", "--ephemeral", "--port", fmt.Sprint(port))
	eventually(t, "greeting", func() bool {
		if dev.ended() {
			t.Fatalf("exit %d", dev.code)
		}
		return strings.Contains(dev.stdout.String(), "Ctrl-C stops")
	})
	greeting := dev.stdout.String()
	nodes := nodeLine.FindAllStringSubmatch(greeting, -1)
	if len(nodes) != 3 || strings.Count(greeting, "  curl ") != 3 || strings.Contains(greeting, "the-key") {
		t.Fatalf("the greeting is not what it should be:\n%s", greeting)
	}
	if stdout, stderr, code := run1("verify", "--port", nodes[1][2], "--api-key", "the-key"); code != exitOK || strings.Count(stdout, "equal") != 3 {
		t.Errorf("verify: exit %d, %q, %q", code, stdout, stderr)
	}

	pid, err := strconv.Atoi(nodes[2][3])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "news of the dead node", func() bool {
		return strings.Contains(dev.stdout.String(), fmt.Sprintf("n3 (pid %d) ended: signal: killed. Start it again", pid))
	})
	if !strings.Contains(dev.stdout.String(), "serve --node-id n3") {
		t.Error("no command to start the node again")
	}
	begin := time.Now()
	if code := dev.stop(t); code != exitOK {
		t.Errorf("exit %d", code)
	}
	if took := time.Since(begin); took > killAfter {
		t.Errorf("stopping took %v", took)
	}
	for _, node := range nodes {
		if portOpen(node[2]) {
			t.Errorf("%s still listens", node[1])
		}
	}
}

// TestDevDies looks after the children of a cluster whose parent is killed.
func TestDevDies(t *testing.T) {
	port := freePorts(t, 3)
	dev := exec.Command(os.Args[0], "dev", "--data-dir", t.TempDir(), "--port", fmt.Sprint(port), "--nodes", "2")
	dev.Env = append(os.Environ(), asProgram+"=1")
	var stdout output
	dev.Stdout, dev.Stderr = &stdout, &stdout
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "greeting", func() bool { return strings.Contains(stdout.String(), "Ctrl-C stops") })
	if err := dev.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = dev.Wait() // killed
	for i := range int64(2) {
		eventually(t, "end of the children", func() bool { return !portOpen(fmt.Sprint(port + i*devPortStep)) })
	}
}

// TestDevDoesNotStart shows the reason of a child that refuses its settings.
func TestDevDoesNotStart(t *testing.T) {
	dev := start(t, append(os.Environ(), asProgram+"=1", "MAX_K=none"), "dev", "--ephemeral", "--port", fmt.Sprint(freePorts(t, 3)))
	eventually(t, "end", dev.ended)
	if dev.code != exitError || !strings.Contains(dev.stderr.String(), "n1 | kissvdb: MAX_K: ") || !strings.Contains(dev.stderr.String(), "did not start: exit status 2") {
		t.Errorf("exit %d, %q", dev.code, dev.stderr.String())
	}
}

func TestPrefixWriter(t *testing.T) {
	var got bytes.Buffer
	w := &prefixWriter{prefix: "n1 | ", to: &got}
	for _, part := range []string{"a", "b\nc\n\nd", "", "e\n"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("%q: %d, %v", part, n, err)
		}
	}
	if want := "n1 | ab\nn1 | c\nn1 | \nn1 | de\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
	got.Reset()
	if _, err := w.Write(bytes.Repeat([]byte("x"), 2*maxLine+1)); err != nil || got.Len() < 2*maxLine || len(w.part) > 1 {
		t.Errorf("a line without an end: %d bytes came, %d are held back, %v", got.Len(), len(w.part), err)
	}
}

func TestCommandLine(t *testing.T) {
	f := &family{program: "/a b/kissvdb"}
	got := f.commandLine([]string{"serve", "--data-dir", "it's"})
	if want := `'/a b/kissvdb' serve --data-dir 'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
