package replication

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// TestRaftLoggerDoesNotRepeatItself: a peer that is down for a night is worth
// a line now and then, and another peer a line of its own.
func TestRaftLoggerDoesNotRepeatItself(t *testing.T) {
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, nil)), "raft")
	for range 100 {
		l.Error("failed to heartbeat to", "peer", "a:1", "error", "refused")
		l.Named("net").Error("failed to heartbeat to", "peer", "b:1", "error", "refused")
	}
	if n := strings.Count(out.String(), "failed to heartbeat"); n != 2 {
		t.Fatalf("%d lines, want one a peer:\n%s", n, out.String())
	}
	s := said{at: map[string]time.Time{}}
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		again bool
	}{{0, false}, {time.Second, true}, {repeatAfter, false}, {repeatAfter + time.Second, true}} {
		if got := s.again("x", nil, now.Add(step.after)); got != step.again {
			t.Errorf("after %v: again = %v", step.after, got)
		}
	}
}

func TestRaftLoggerFormatsAndQuietsNoise(t *testing.T) {
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, nil)), "raft")
	l.Info("initial configuration", "servers", hclog.Fmt("%d of %s", 3, "n"))
	l.Error("failed to decode incoming command", "error", "closed")
	if got := out.String(); !strings.Contains(got, `servers="3 of n"`) || strings.Contains(got, "decode") {
		t.Fatal(got)
	}
}
