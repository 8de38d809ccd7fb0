package e2e

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
)

// logTail is how much of a log is shown when a test fails.
const logTail = 64 << 10

func (b *tail) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// newTail shows what it has if t fails.
func newTail(t testing.TB) *tail {
	b := &tail{}
	t.Cleanup(func() {
		if t.Failed() {
			b.mu.Lock()
			defer b.mu.Unlock()
			t.Logf("log:\n%s", b.buf.Bytes())
		}
	})
	return b
}

// Write implements io.Writer.
func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() > 2*logTail {
		b.buf.Next(b.buf.Len() - logTail)
	}
	return b.buf.Write(p)
}

// has tells whether text was logged, and not too long ago.
func (b *tail) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.buf.Bytes(), []byte(text))
}
