package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	devPortStep  = 10 // between the API ports of two nodes; the peer port is the next above the API's
	devReadyTime = 60 * time.Second
	devReadyPoll = 50 * time.Millisecond
)

// devCommand runs a cluster of real processes on this machine.
type devCommand struct {
	Nodes     int64  `default:"3" max:"9" help:"How many nodes."`
	DataDir   Text   `default:"./data" help:"Folder of the data, one folder per node in it."`
	Ephemeral bool   `help:"Keep the data in a temporary folder and remove it at the end."`
	Port      int64  `default:"9917" max:"65000" help:"API port of the first node; the next are 10 apart, and each peer port is one above."`
	APIKey    Secret `env:"RUSTKISS_API_KEY,API_KEY" placeholder:"KEY" help:"Key that every request must carry; unset leaves the API open."`
}

// Help is the longer text of --help.
func (*devCommand) Help() string {
	return "Starts every node as a process of its own, so that one can be killed, and stops them all on Ctrl-C. Other settings, such as the limits, come from the environment."
}

// devNode is one node of the cluster: its settings and, once started, its process.
type devNode struct {
	id   string
	port int64
	dir  string
	*child
}

func (n *devNode) url() string { return "http://" + loopback(n.port) }

func loopback(port int64) string { return net.JoinHostPort("127.0.0.1", strconv.FormatInt(port, 10)) }

// Run implements run. It returns when ctx ends, or when the cluster does not
// come up.
func (c *devCommand) Run(ctx context.Context, p *Program) (err error) {
	if c.Ephemeral {
		dir, err := os.MkdirTemp("", "kissvdb-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c.DataDir = Text(dir)
	}
	if c.DataDir == "" {
		return &usageError{"--data-dir", "is empty"}
	}
	nodes := c.plan()
	if err := portsFree(nodes); err != nil {
		return err
	}
	environ := append([]string{"LOGS=warning"}, childEnviron(p.Environ)...) // unless the environment says otherwise
	if c.APIKey != "" {
		environ = append(environ, "RUSTKISS_API_KEY="+string(c.APIKey)) // never as a flag: others can read those
	}
	family, err := newFamily(environ, p.Stderr)
	if err != nil {
		return err
	}
	defer family.stop()
	for _, node := range nodes {
		if node.child, err = family.start(node.id, c.arguments(node, nodes)); err != nil {
			return err
		}
	}
	if err := c.waitReady(ctx, nodes); err != nil || ctx.Err() != nil {
		return err
	}
	if err := c.greet(ctx, p, nodes); err != nil {
		return err
	}
	c.watch(ctx, p, family, nodes)
	return nil
}

// plan names the nodes and gives them their ports.
func (c *devCommand) plan() []*devNode {
	var nodes []*devNode
	for i := range c.Nodes {
		id := "n" + strconv.FormatInt(i+1, 10)
		nodes = append(nodes, &devNode{id: id, port: c.Port + i*devPortStep, dir: filepath.Join(string(c.DataDir), id)})
	}
	return nodes
}

// portsFree tells before anything is started which port is taken.
func portsFree(nodes []*devNode) error {
	for _, node := range nodes {
		for _, port := range []int64{node.port, node.port + 1} {
			listener, err := net.Listen("tcp", loopback(port))
			if err != nil {
				return fmt.Errorf("port %d for %s: %w; stop what listens there or choose other ports with --port", port, node.id, err)
			}
			listener.Close()
		}
	}
	return nil
}

// arguments are what starts a node, also by hand after it was killed.
func (c *devCommand) arguments(node *devNode, nodes []*devNode) []string {
	var peers []string
	for _, other := range nodes {
		peers = append(peers, other.id+"="+loopback(other.port+1))
	}
	return []string{"serve", "--node-id", node.id, "--bind", "127.0.0.1", "--port", strconv.FormatInt(node.port, 10),
		"--data-dir", node.dir, "--peers", strings.Join(peers, ",")}
}

// childEnviron leaves out what would contradict the flags of the nodes.
func childEnviron(environ []string) []string {
	var kept []string
	for _, pair := range environ {
		switch name, _, _ := strings.Cut(pair, "="); name {
		case "CLUSTER_ADDR", "CLUSTER_PEERS", "CLUSTER_JOIN", "CLUSTER_TLS_CERT", "CLUSTER_TLS_KEY", "CLUSTER_TLS_CA",
			"ADVERTISE_URL", "TLS_CERT", "TLS_KEY", "RUSTKISS_API_KEY", "API_KEY":
		default:
			kept = append(kept, pair)
		}
	}
	return kept
}

// waitReady returns once every node takes requests. A node that ends first is
// an error: with the same settings it would end again.
func (c *devCommand) waitReady(ctx context.Context, nodes []*devNode) error {
	ctx, cancel := context.WithTimeoutCause(ctx, devReadyTime, errors.New("the cluster did not become ready in time"))
	defer cancel()
	client := client{}
	for _, node := range nodes {
		for {
			status, _, err := client.call(ctx, http.MethodGet, node.url()+"/readyz")
			if err == nil && status == http.StatusOK {
				break
			}
			select {
			case <-node.done:
				return fmt.Errorf("%s did not start: %s", node.id, node.outcome())
			case <-ctx.Done():
				if errors.Is(ctx.Err(), context.Canceled) {
					return nil
				}
				return context.Cause(ctx)
			case <-time.After(devReadyPoll):
			}
		}
	}
	return nil
}

// greet prints where the nodes are and what to try.
func (c *devCommand) greet(ctx context.Context, p *Program, nodes []*devNode) error {
	first, second, third := nodes[0], nodes[1%len(nodes)], nodes[2%len(nodes)]
	client := client{key: c.APIKey}
	var view clusterView
	if err := client.get(ctx, http.MethodGet, first.url()+"/v1/cluster", &view); err != nil {
		return err
	}
	var head uint64
	for _, member := range view.Members {
		head = max(head, member.AppliedOffset)
	}
	key := ""
	if c.APIKey != "" {
		key = ` -H "Authorization: Bearer $RUSTKISS_API_KEY"`
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\nThe cluster is ready; its data is in %s.\n\n", c.DataDir)
	for _, node := range nodes {
		fmt.Fprintf(&text, "  %s  %s  pid %d\n", node.id, node.url(), node.pid())
	}
	fmt.Fprintf(&text, "\nStream from %s, in a terminal of its own:\n  curl -N%s '%s/v1/stream?since=%d'\n", third.id, key, third.url(), head)
	fmt.Fprintf(&text, "Write on %s:\n  curl%s -X PUT %s/v1/state/hello -H 'Content-Type: application/json' -d '{\"value\":\"world\"}'\n", first.id, key, first.url())
	fmt.Fprintf(&text, "Read your write on %s:\n  curl%s -H 'Kiss-Min-Offset: %d' %s/v1/state/hello\n", second.id, key, head+1, second.url())
	fmt.Fprintf(&text, "\nCtrl-C stops them all.\n\n")
	_, err := fmt.Fprint(p.Stdout, text.String())
	return err
}

// watch tells of every node that ends, until ctx does.
func (c *devCommand) watch(ctx context.Context, p *Program, family *family, nodes []*devNode) {
	ended := make(chan *devNode)
	for _, node := range nodes {
		go func() {
			<-node.done
			select {
			case ended <- node:
			case <-ctx.Done():
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(p.Stdout, "\nStopping.")
			return
		case node := <-ended:
			fmt.Fprintf(p.Stdout, "\n%s (pid %d) ended: %s. Start it again, in another terminal, with:\n  %s\n\n",
				node.id, node.pid(), node.outcome(), family.commandLine(c.arguments(node, nodes)))
		}
	}
}
