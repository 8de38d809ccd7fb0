package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// module is the prefix of every package of ours.
const module = "github.com/kissvdb/kissvdb/"

// Processes is a cluster of the real program, one process per node.
type Processes struct {
	t     testing.TB
	nodes []*Process
}

// Process is one node; it may be down.
type Process struct {
	ID, URL string
	*Client

	t    testing.TB
	log  *tail
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
	err  error         // how; read after done
}

// buildDir is where this run of the tests keeps the program; TestMain removes it.
func buildDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("kissvdb-e2e-%d", os.Getpid()))
}

// build compiles the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(buildDir(), "kissvdb")
	if out, err := exec.Command("go", "build", "-o", bin, module+"cmd/kissvdb").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

// StartProcesses founds a cluster of n processes and waits until all are
// ready. With flags, every node gets them. At the end of t all nodes that are
// up are compared, then killed.
func StartProcesses(t testing.TB, n int, flags ...string) *Processes {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes")
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	c := &Processes{t: t}
	dir := t.TempDir() // before finish is registered: it must outlive that
	var peers []string
	addresses := freeAddresses(t, 2*n)
	for i := range n {
		peers = append(peers, fmt.Sprintf("n%d=%s", i+1, addresses[i]))
	}
	for i := range n {
		id := fmt.Sprintf("n%d", i+1)
		listen := addresses[n+i]
		_, port, _ := strings.Cut(listen, ":")
		p := &Process{ID: id, URL: "http://" + listen, Client: NewClient("http://" + listen), t: t, log: newTail(t)}
		p.args = slices.Concat([]string{bin, "serve", "--node-id", id, "--port", port,
			"--data-dir", filepath.Join(dir, id), "--peers", strings.Join(peers, ",")}, flags)
		c.nodes = append(c.nodes, p)
	}
	t.Cleanup(c.finish)
	for _, p := range c.nodes {
		p.Start()
	}
	c.WaitReady()
	return c
}

// Start starts the process.
func (p *Process) Start() {
	p.t.Helper()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd, p.done = cmd, make(chan struct{})
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
}

// Up tells whether the process has been started and has not ended.
func (p *Process) Up() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the process, which must be up.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if !p.Up() {
		p.t.Fatalf("%s is not up: %v", p.ID, p.err)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Kill ends the process at once, as a power cut does, and waits for its end.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Wait waits for the end of the process, within limit, and returns how it ended.
func (p *Process) Wait(limit time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(limit):
		return fmt.Errorf("%s is still running after %s", p.ID, limit)
	}
}

// WaitReady waits until every node that is up is ready.
func (c *Processes) WaitReady() {
	c.t.Helper()
	for _, p := range c.Up() {
		waitFor(c.t, p.ID+" to be ready", func() error {
			if !p.Up() {
				c.t.Fatalf("%s has ended: %v", p.ID, p.err)
			}
			if ok, why := p.Ready(context.Background()); !ok {
				return errors.New(why)
			}
			return nil
		})
	}
}

// Up returns the nodes that are up.
func (c *Processes) Up() []*Process {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(p *Process) bool { return !p.Up() })
}

// Leader waits until a node that is up names a leader that is up too.
func (c *Processes) Leader() *Process {
	c.t.Helper()
	var leader *Process
	waitFor(c.t, "a leader", func() error {
		for _, p := range c.Up() {
			v, err := p.Cluster(requestContext(c.t))
			if err != nil || v.Leader == nil {
				continue
			}
			for _, l := range c.Up() {
				if l.ID == *v.Leader {
					leader = l
					return nil
				}
			}
		}
		return errNotYet
	})
	return leader
}

// Followers returns the nodes that are up and do not lead.
func (c *Processes) Followers() []*Process {
	c.t.Helper()
	leader := c.Leader()
	return slices.DeleteFunc(c.Up(), func(p *Process) bool { return p == leader })
}

// finish compares the nodes that are up and ends them all.
func (c *Processes) finish() {
	nodes := map[string]*Client{}
	for _, p := range c.Up() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		nodes[p.ID] = p.Client
	}
	if !c.t.Failed() && len(nodes) > 0 {
		c.WaitReady()
		compareNodes(c.t, nodes)
	}
	for _, p := range c.nodes {
		p.Client.Close()
		if p.Up() {
			p.Kill()
		}
	}
}
