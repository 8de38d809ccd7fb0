package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/kissvdb/kissvdb/api"
	"github.com/kissvdb/kissvdb/node"
)

// A node that is asked to end does so within 5 s: the requests in flight get
// drainTime of them, the node itself the rest of stopTime.
const (
	drainTime   = 1500 * time.Millisecond
	stopTime    = 4500 * time.Millisecond
	resolveTime = 3 * time.Second
)

// serveCommand runs one node.
type serveCommand struct {
	Settings
}

// Run implements run. It returns when ctx ends or the node fails.
func (c *serveCommand) Run(ctx context.Context, p *Program) error {
	log := newLogger(p.Stderr, c.Logs)
	certificate, err := c.certificate()
	if err != nil {
		return err
	}
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	c.warn(log)
	n, err := openNode(ctx, c.nodeConfig(log, addBuilders()))
	if err != nil {
		return err
	}
	go tuneGC(ctx)
	server := api.New(c.apiConfig(log), n)
	served := make(chan error, 1)
	go func() { served <- server.Serve(secured(listener, certificate)) }()
	c.announce(log)
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-n.Fatal():
		err = fmt.Errorf("the node failed: %w", err)
	case err = <-served:
	}
	return errors.Join(err, stop(server, n))
}

// openNode opens the node. A node that can not be stopped yet, because it is
// still reading its data, is left behind when ctx ends: nothing it does then
// differs from a crash.
func openNode(ctx context.Context, cfg node.Config) (*node.Node, error) {
	type opened struct {
		node *node.Node
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		n, err := node.Open(cfg)
		done <- opened{n, err}
	}()
	select {
	case o := <-done:
		return o.node, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.node, o.err
	case <-time.After(stopTime):
		return nil, errors.New("stopped before the node had opened its data")
	}
}

// secured puts TLS around the API, when there is a certificate.
func secured(listener net.Listener, certificate *tls.Certificate) net.Listener {
	if certificate == nil {
		return listener
	}
	return tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*certificate}})
}

// stop ends the streams, lets requests finish, and closes the node, which
// hands leadership over first.
func stop(server *api.Server, n *node.Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	draining, cancelDraining := context.WithTimeout(ctx, drainTime)
	defer cancelDraining()
	_ = server.Shutdown(draining) // whoever is left has had the time
	closed := make(chan error, 1)
	go func() { closed <- n.Close(ctx) }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
	}
	return errors.New("the node did not close in time; its data is as after a crash")
}

// listen opens the port of the API. A host that does not resolve is a bad
// setting; a port that is taken is not.
func (c *serveCommand) listen(ctx context.Context) (net.Listener, error) {
	resolving, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	if _, err := net.DefaultResolver.LookupHost(resolving, string(c.Bind)); err != nil {
		return nil, &usageError{"BIND_ADDR (--bind)", err.Error()}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(string(c.Bind), strconv.FormatInt(c.Port, 10)))
	if err != nil {
		return nil, fmt.Errorf("BIND_ADDR (--bind) and port of the API: %w", err)
	}
	return listener, nil
}

// certificate loads the key pair of the API, nil without one.
func (c *serveCommand) certificate() (*tls.Certificate, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(string(c.TLSCert), string(c.TLSKey))
	if err != nil {
		return nil, &usageError{"TLS_CERT, TLS_KEY", err.Error()}
	}
	return &pair, nil
}

// advertised is how clients reach this node, unless told.
func (c *serveCommand) advertised() string {
	if c.AdvertiseURL != "" {
		return string(c.AdvertiseURL)
	}
	host := string(c.Bind)
	if isUnspecified(host) {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return c.scheme() + "://" + net.JoinHostPort(host, strconv.FormatInt(c.Port, 10))
}

// warn tells what is convenient in a laboratory and dangerous elsewhere.
func (c *serveCommand) warn(log *slog.Logger) {
	if !isLoopback(string(c.Bind)) {
		log.Warn("the API listens beyond this machine; put it behind a proxy", "bind", c.Bind)
	}
	if c.APIKey == "" {
		log.Warn("the API is open: no key is asked for; set RUSTKISS_API_KEY")
	}
	if c.InsecurePeers {
		log.Warn("peers are not encrypted and not authenticated; use a network you trust")
	}
	if c.DataDir == "" {
		log.Warn("data is kept in memory only and is gone at the end; set DATA_DIR")
	}
}

// announce says in one line what is running.
func (c *serveCommand) announce(log *slog.Logger) {
	access := "open"
	if c.APIKey != "" {
		access = "key"
	}
	data := string(c.DataDir)
	if data == "" {
		data = "memory"
	}
	log.Info("serving", "url", c.advertised(), "node", c.NodeID, "data", data, "peer_address", c.ClusterAddr, "access", access, "version", version)
}

// newLogger writes text lines of the wanted level and above.
func newLogger(w io.Writer, level LogLevel) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.Level(level)}))
}
