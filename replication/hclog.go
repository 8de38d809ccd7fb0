package replication

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftLogger gives the raft libraries, which speak hclog, the node's slog
// logger. Their errors are mostly "a peer did not answer": warnings here.
type raftLogger struct {
	hclog.Logger // a null logger: whatever is not overridden does nothing
	base, to     *slog.Logger
	name         string
	said         *said
}

func newRaftLogger(base *slog.Logger, name string) *raftLogger {
	return &raftLogger{Logger: hclog.NewNullLogger(), base: base, to: base.With("part", name), name: name, said: &said{at: map[string]time.Time{}}}
}

// said remembers which warnings were given lately: raft repeats itself twice
// a second for as long as a peer is down.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	repeatAfter = 30 * time.Second
	maxSaid     = 256
)

// again reports whether msg, about what its first argument names, was said
// less than repeatAfter ago.
func (s *said) again(msg string, args []any, now time.Time) bool {
	key := msg
	if len(args) > 1 {
		key = fmt.Sprint(msg, args[1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[key]; ok && now.Sub(last) < repeatAfter {
		return true
	}
	if len(s.at) >= maxSaid {
		clear(s.at)
	}
	s.at[key] = now
	return false
}

// noise are messages that say nothing a user could act on: connections end.
var noise = map[string]bool{
	"failed to decode incoming command": true,
	"failed to accept connection":       true,
}

func (l *raftLogger) log(level slog.Level, msg string, args []any) {
	if noise[msg] || level >= slog.LevelWarn && l.said.again(msg, args, time.Now()) {
		level = slog.LevelDebug
	}
	if !l.to.Enabled(context.Background(), level) {
		return
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	l.to.Log(context.Background(), level, msg, args...)
}

// Log implements hclog.Logger.
func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	switch {
	case level >= hclog.Warn:
		l.Warn(msg, args...)
	case level == hclog.Info:
		l.Info(msg, args...)
	default:
		l.Debug(msg, args...)
	}
}

// Debug implements hclog.Logger.
func (l *raftLogger) Debug(msg string, args ...any) { l.log(slog.LevelDebug, msg, args) }

// Info implements hclog.Logger.
func (l *raftLogger) Info(msg string, args ...any) { l.log(slog.LevelInfo, msg, args) }

// Warn implements hclog.Logger.
func (l *raftLogger) Warn(msg string, args ...any) { l.log(slog.LevelWarn, msg, args) }

// Error implements hclog.Logger.
func (l *raftLogger) Error(msg string, args ...any) { l.log(slog.LevelWarn, msg, args) }

// Named implements hclog.Logger.
func (l *raftLogger) Named(name string) hclog.Logger { return l.ResetNamed(l.name + "." + name) }

// ResetNamed implements hclog.Logger.
func (l *raftLogger) ResetNamed(name string) hclog.Logger {
	return &raftLogger{Logger: l.Logger, base: l.base, to: l.base.With("part", name), name: name, said: l.said}
}

// With implements hclog.Logger.
func (l *raftLogger) With(args ...any) hclog.Logger {
	return &raftLogger{Logger: l.Logger, base: l.base.With(args...), to: l.to.With(args...), name: l.name, said: l.said}
}

// StandardLogger implements hclog.Logger.
func (l *raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.to.Handler(), slog.LevelWarn)
}

// StandardWriter implements hclog.Logger.
func (l *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(nil).Writer()
}
