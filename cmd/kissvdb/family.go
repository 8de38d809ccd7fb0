package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// killAfter is how long a process may take to end on SIGTERM: a node promises 5 s.
const killAfter = 6 * time.Second

// family is this program started several times as child processes, which end
// with it however it ends.
type family struct {
	program string
	environ []string
	output  *lockedWriter
	starts  chan func() // run on the one thread that starts children
	members []*child
}

// child is one process of a family.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how; valid after done
}

// newFamily prepares a family whose output goes to w, line by line, each with
// the name of its process. stop must be called.
func newFamily(environ []string, w io.Writer) (*family, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &family{program: program, environ: environ, output: &lockedWriter{w: w}, starts: make(chan func())}
	go f.starter()
	return f, nil
}

// starter starts the children, all on one thread that it keeps until stop: the
// kernel ends a child when the thread that started it ends, not the process.
func (f *family) starter() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := range f.starts {
		start()
	}
}

// start runs this program with arguments.
func (f *family) start(name string, arguments []string) (*child, error) {
	cmd := exec.Command(f.program, arguments...)
	output := &prefixWriter{prefix: name + " | ", to: f.output}
	cmd.Env, cmd.Stdout, cmd.Stderr = f.environ, output, output
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = time.Second
	started := make(chan error)
	f.starts <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	f.members = append(f.members, c)
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// stop ends every child and returns when none is left: politely at first.
func (f *family) stop() {
	for _, c := range f.members {
		c.signal(syscall.SIGTERM)
	}
	timer := time.NewTimer(killAfter)
	defer timer.Stop()
	for _, c := range f.members {
		select {
		case <-c.done:
		case <-timer.C:
			for _, late := range f.members {
				late.signal(syscall.SIGKILL)
			}
			<-c.done
		}
	}
	close(f.starts)
}

// commandLine is what a shell needs to start a process of this family.
func (f *family) commandLine(arguments []string) string {
	words := append([]string{f.program}, arguments...)
	for i, word := range words {
		if strings.ContainsAny(word, " '\"$\\&|;<>()*?") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// signal is for a process that may have ended already.
func (c *child) signal(s os.Signal) {
	select {
	case <-c.done:
	default:
		_ = c.cmd.Process.Signal(s) // it ended in between
	}
}

// outcome says how the process ended; call it after done.
func (c *child) outcome() string {
	var exit *exec.ExitError
	switch {
	case c.err == nil:
		return "exit code 0"
	case errors.As(c.err, &exit):
		return exit.String()
	}
	return c.err.Error()
}

// lockedWriter lets several processes share an output.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// prefixWriter passes whole lines on, each with a prefix. One goroutine writes.
type prefixWriter struct {
	prefix string
	to     io.Writer
	part   []byte // of a line whose end has not come yet
}

// maxLine is the longest part of a line that is held back.
const maxLine = 64 << 10

// Write implements io.Writer.
func (w *prefixWriter) Write(b []byte) (int, error) {
	w.part = append(w.part, b...)
	for {
		end := bytes.IndexByte(w.part, '\n')
		if end < 0 && len(w.part) < maxLine {
			return len(b), nil
		}
		if end < 0 {
			end = len(w.part) - 1
		}
		line := append([]byte(w.prefix), w.part[:end+1]...)
		w.part = w.part[end+1:]
		if _, err := w.to.Write(line); err != nil {
			return 0, err
		}
	}
}
