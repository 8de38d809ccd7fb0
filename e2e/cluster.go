// Package e2e puts whole clusters under test: in this process over real TCP
// and real files, and as processes that are killed and stopped. Every test of
// a cluster ends with a proof that its members are equal.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/api"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/node"
)

const (
	// patience is how long a test waits for a fact that must become true.
	patience = 20 * time.Second
	// pollEvery is how often it looks, where nothing can wake it.
	pollEvery = 5 * time.Millisecond
)

// Cluster is members in this process.
type Cluster struct {
	t       testing.TB
	net     *network
	log     *tail
	dir     string
	options Options
	members []*Member // in order of their ids; the removed ones too
}

// Options changes what the members are opened with.
type Options struct {
	Node func(*node.Config) // called for each start of each member
	API  func(*api.Config)
}

// Member is one node with its API in front, running or stopped.
type Member struct {
	ID  string
	URL string // of the API
	*Client

	cluster *Cluster
	config  node.Config
	listen  string // the API's address, kept over restarts
	running bool
	removed bool // no longer a member: not compared at the end

	Node   *node.Node
	api    *api.Server
	served chan error // what Serve returned
}

// Start founds a cluster of n members and waits until it leads. At the end
// of t it heals the network, compares all running members and stops them.
func Start(t testing.TB, n int, options ...Options) *Cluster {
	t.Helper()
	// Cleanups run in reverse: log and directory must outlive finish.
	c := &Cluster{t: t, net: newNetwork(), log: newTail(t), dir: t.TempDir()}
	if len(options) > 0 {
		c.options = options[0]
	}
	t.Cleanup(c.finish)
	var peers []node.Peer
	addresses := freeAddresses(t, 2*n)
	for i := range n {
		peers = append(peers, node.Peer{ID: fmt.Sprintf("n%d", i+1), Address: addresses[i]})
	}
	for i, p := range peers {
		c.add(p, addresses[n+i], func(cfg *node.Config) { cfg.Peers = peers })
	}
	for _, m := range c.members {
		c.must(m.start())
	}
	c.Leader()
	return c
}

// Join starts one more member, which asks the others to take it in.
func (c *Cluster) Join(id string) *Member {
	c.t.Helper()
	var join []string
	for _, m := range c.Running() {
		join = append(join, m.config.PeerAddress)
	}
	addresses := freeAddresses(c.t, 2)
	m := c.add(node.Peer{ID: id, Address: addresses[0]}, addresses[1], func(cfg *node.Config) { cfg.Join = join })
	c.must(m.start())
	return m
}

func (c *Cluster) add(p node.Peer, listen string, set func(*node.Config)) *Member {
	m := &Member{
		ID: p.ID, URL: "http://" + listen, Client: NewClient("http://" + listen),
		cluster: c, listen: listen,
	}
	m.config = node.Config{
		ID: p.ID, URL: m.URL, Version: "test",
		Dir:         filepath.Join(c.dir, p.ID),
		PeerAddress: p.Address,
		Heartbeat:   300 * time.Millisecond,
		Events:      event.Config{SegmentBytes: 64 << 10, Retention: 64, Ring: 256, BufferSize: 1024},
		Dial:        c.net.dialer(p.ID),
		Logger:      c.log.logger(),
	}
	set(&m.config)
	c.net.join(p.ID, p.Address)
	c.members = append(c.members, m)
	return m
}

// start opens the node and serves its API.
func (m *Member) start() error {
	cfg := m.config
	if set := m.cluster.options.Node; set != nil {
		set(&cfg)
	}
	l, err := net.Listen("tcp", m.listen)
	if err != nil {
		return err
	}
	if m.Node, err = node.Open(cfg); err != nil {
		return fmt.Errorf("open %s: %w", m.ID, errors.Join(err, l.Close()))
	}
	ac := api.Config{
		RequestTimeout: 10 * time.Second,
		MaxBodyBytes:   1 << 20, MaxJSONBytes: 1 << 16, MaxKeyLen: 512, MaxCollectionLen: 64, MaxIDLen: 128,
		MaxVectorDim: 4096, MaxK: 256, MaxStateBatch: 256, MaxVectorBatch: 256, MaxDocFind: 100,
		Version: "test", Logger: cfg.Logger,
	}
	if set := m.cluster.options.API; set != nil {
		set(&ac)
	}
	m.api = api.New(ac, m.Node)
	m.served = make(chan error, 1)
	m.running = true
	go func(s *api.Server, served chan<- error) { served <- s.Serve(l) }(m.api, m.served)
	return nil
}

// Stop ends the member in good order, as SIGTERM does.
func (m *Member) Stop() {
	m.cluster.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m.stop(ctx)
}

// Crash ends the member without a word to the others: its links are cut
// before it is closed, and heal when it starts again.
func (m *Member) Crash() {
	m.cluster.t.Helper()
	m.cluster.net.set(m.ID, true)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m.stop(ctx)
}

func (m *Member) stop(ctx context.Context) {
	m.cluster.t.Helper()
	if !m.running {
		return
	}
	m.running = false
	err := m.api.Shutdown(ctx)
	err = errors.Join(err, <-m.served, m.Node.Close(ctx))
	if err != nil && ctx.Err() == nil {
		m.cluster.t.Errorf("stop %s: %v", m.ID, err)
	}
	m.Client.Close()
}

// Restart starts a stopped member again on the same addresses and directory.
func (m *Member) Restart() {
	m.cluster.t.Helper()
	m.cluster.net.set(m.ID, false)
	m.cluster.must(m.start())
}

// Partition cuts a member off from all others, both ways.
func (c *Cluster) Partition(m *Member) { c.net.set(m.ID, true) }

// Heal lifts the partition of a member.
func (c *Cluster) Heal(m *Member) { c.net.set(m.ID, false) }

// Running returns the members that run, those removed from the cluster excepted.
func (c *Cluster) Running() []*Member {
	var running []*Member
	for _, m := range c.members {
		if m.running && !m.removed {
			running = append(running, m)
		}
	}
	return running
}

// Leader waits until a majority of the running members agree on a leader
// that itself is ready, and returns it.
func (c *Cluster) Leader() *Member {
	c.t.Helper()
	var leader *Member
	c.wait("a leader", func() error {
		votes := c.votes()
		for _, m := range c.Running() {
			if votes[m.ID] <= len(c.Running())/2 {
				continue
			}
			if ok, why := m.Ready(c.ctx()); !ok {
				return fmt.Errorf("%s is not ready: %s", m.ID, why)
			}
			leader = m
			return nil
		}
		return fmt.Errorf("votes: %v", votes)
	})
	return leader
}

// votes asks all running members at once who leads: a member that is cut off
// takes its time to answer.
func (c *Cluster) votes() map[string]int {
	running := c.Running()
	leaders := make(chan string, len(running))
	for _, m := range running {
		go func() {
			v, err := m.Cluster(c.ctx())
			if err != nil || v.Leader == nil {
				leaders <- ""
				return
			}
			leaders <- *v.Leader
		}()
	}
	votes := map[string]int{}
	for range running {
		votes[<-leaders]++
	}
	delete(votes, "")
	return votes
}

// Followers returns the running members that do not lead.
func (c *Cluster) Followers() []*Member {
	c.t.Helper()
	leader := c.Leader()
	return slices.DeleteFunc(c.Running(), func(m *Member) bool { return m == leader })
}

// WaitApplied waits until every running member has applied offset.
func (c *Cluster) WaitApplied(offset uint64) {
	c.t.Helper()
	for _, m := range c.Running() {
		c.wait(fmt.Sprintf("%s at offset %d", m.ID, offset), func() error {
			if at := m.Node.Offset(); at < offset {
				return fmt.Errorf("at offset %d", at)
			}
			return nil
		})
	}
}

// finish proves that the members are equal, then stops them.
func (c *Cluster) finish() {
	c.net.healAll()
	if !c.t.Failed() {
		c.compare()
	}
	for _, m := range slices.Backward(c.members) {
		m.Stop()
	}
	c.net.close()
}

// must ends the test on an error.
func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// ctx bounds one request of a test.
func (c *Cluster) ctx() context.Context { return requestContext(c.t) }

// wait polls until check is satisfied, and ends the test when it never is.
func (c *Cluster) wait(what string, check func() error) {
	c.t.Helper()
	waitFor(c.t, what, check)
}

// requestContext ends with the test, or after patience.
func requestContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for %s: %v", patience, what, err)
		case <-tick.C:
		}
	}
}

// freeAddresses returns n loopback addresses that nobody listens on, and
// that no outgoing connection gets while a node is down: they are below the
// ports that systems give to those.
func freeAddresses(t testing.TB, n int) []string {
	t.Helper()
	var addresses []string
	for len(addresses) < n {
		address := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer l.Close() // all at once at the end, so that none comes twice
		addresses = append(addresses, address)
	}
	return addresses
}
