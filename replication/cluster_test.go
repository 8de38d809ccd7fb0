package replication

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// testNode is one replica of a test cluster, over real TCP and real files.
type testNode struct {
	id, addr, dir string
	tape          *lockedTape
	*Replica
}

// lockedTape lets a test look at a tape while the log drives it.
type lockedTape struct {
	mu sync.Mutex
	tape
}

func (l *lockedTape) Apply(index, term uint64, entry []byte) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tape.Apply(index, term, entry)
}

// records returns what was applied, flat.
func (l *lockedTape) records(t *testing.T) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, e := range l.entries {
		records, err := decodeList(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range records {
			all = append(all, string(rec))
		}
	}
	return all
}

type testCluster struct {
	t     *testing.T
	peers []Member
	nodes map[string]*testNode
	tune  func(*Config)
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func startCluster(t *testing.T, n int, tune func(*Config)) *testCluster {
	t.Helper()
	c := &testCluster{t: t, nodes: map[string]*testNode{}, tune: tune}
	for i := range n {
		c.peers = append(c.peers, Member{ID: fmt.Sprintf("n%d", i+1), Address: freeAddr(t)})
	}
	for _, p := range c.peers {
		c.nodes[p.ID] = &testNode{id: p.ID, addr: p.Address, dir: filepath.Join(t.TempDir(), p.ID)}
		c.start(p.ID, nil)
	}
	t.Cleanup(c.close)
	return c
}

// start starts a node on its directory; a nil tune founds with the peers.
func (c *testCluster) start(id string, tune func(*Config)) *testNode {
	c.t.Helper()
	n := c.nodes[id]
	n.tape = &lockedTape{}
	cfg := Config{
		ID: id, Address: n.addr, Dir: n.dir, Peers: c.peers, Machine: n.tape,
		Heartbeat: 300 * time.Millisecond,
		Logger:    slog.New(slog.NewTextHandler(c.t.Output(), nil)).With("node", id),
	}
	if c.tune != nil {
		c.tune(&cfg)
	}
	if tune != nil {
		tune(&cfg)
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	var err error
	if n.Replica, err = Open(cfg); err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *testCluster) stop(id string) {
	c.t.Helper()
	n := c.nodes[id]
	if n.Replica == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		c.t.Errorf("close %s: %v", id, err)
	}
	n.Replica = nil
}

// close ends the cluster; nobody may have had a fatal error.
func (c *testCluster) close() {
	for id, n := range c.nodes {
		if n.Replica == nil {
			continue
		}
		select {
		case err := <-n.Fatal():
			c.t.Errorf("%s: fatal: %v", id, err)
		default:
		}
		c.stop(id)
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	looks := time.NewTicker(5 * time.Millisecond)
	defer looks.Stop()
	deadline := time.After(20 * time.Second)
	for !f() {
		select {
		case <-looks.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (c *testCluster) leader() *testNode {
	c.t.Helper()
	var leader *testNode
	eventually(c.t, "a leader", func() bool {
		for _, n := range c.nodes {
			if n.Replica != nil {
				if _, ok := n.leading(); ok {
					leader = n
					return true
				}
			}
		}
		return false
	})
	return leader
}

func (c *testCluster) follower() *testNode {
	leader := c.leader()
	for _, p := range c.peers {
		if n := c.nodes[p.ID]; n != leader && n.Replica != nil {
			return n
		}
	}
	c.t.Fatal("no follower")
	return nil
}

func propose(t *testing.T, n *testNode, rec string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	result, err := n.Propose(ctx, []byte(rec))
	if err != nil {
		t.Fatalf("propose %q on %s: %v", rec, n.id, err)
	}
	if string(result) != rec {
		t.Fatalf("result %q, want %q", result, rec)
	}
}

// sameTapes waits until all running nodes have applied want, in one order.
func (c *testCluster) sameTapes(want int) {
	c.t.Helper()
	for id, n := range c.nodes {
		if n.Replica == nil {
			continue
		}
		eventually(c.t, fmt.Sprintf("%s applies %d records", id, want), func() bool { return len(n.tape.records(c.t)) >= want })
	}
	var first []string
	for id, n := range c.nodes {
		if n.Replica == nil {
			continue
		}
		got := n.tape.records(c.t)
		if first == nil {
			first = got
		}
		if len(got) != want || fmt.Sprint(got) != fmt.Sprint(first) {
			c.t.Fatalf("%s has %d records, want %d:\n%v\n%v", id, len(got), want, got, first)
		}
	}
}

func TestAloneInMemory(t *testing.T) {
	sm := &lockedTape{}
	began := time.Now()
	r, err := Open(Config{ID: "n1", Address: "127.0.0.1:0", Machine: sm, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(context.Background())
	propose(t, &testNode{id: "n1", Replica: r}, "a")
	if d := time.Since(began); d > r.cfg.Heartbeat {
		t.Errorf("a node alone waited %v for its own election", d)
	}
	if err := r.ReadIndex(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestWriteOnEveryNode(t *testing.T) {
	c := startCluster(t, 3, nil)
	const each = 30
	var wg sync.WaitGroup
	for id, n := range c.nodes {
		wg.Go(func() {
			for i := range each {
				rec := fmt.Sprintf("%s-%d", id, i)
				propose(t, n, rec)
				// The node that was asked has applied the write when it answers.
				if got := n.tape.records(t); !contains(got, rec) {
					t.Errorf("%s answered before it applied %s", id, rec)
				}
			}
		})
	}
	wg.Wait()
	c.sameTapes(3 * each)
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// TestFollowerLearnsCommitAtOnce: a forwarded write is visible on the node
// that was asked without waiting for raft's next message.
func TestFollowerLearnsCommitAtOnce(t *testing.T) {
	c := startCluster(t, 3, nil)
	n := c.follower()
	propose(t, n, "warm")
	began := time.Now()
	const writes = 50
	for i := range writes {
		propose(t, n, fmt.Sprint(i))
	}
	t.Logf("%d forwarded writes, one by one: %v each", writes, time.Since(began)/writes)
	c.sameTapes(writes + 1)
}

func TestRestartOfAll(t *testing.T) {
	c := startCluster(t, 3, nil)
	for i := range 10 {
		propose(t, c.follower(), fmt.Sprint(i))
	}
	cluster := c.leader().Status().Cluster
	for id := range c.nodes {
		c.stop(id)
	}
	for id := range c.nodes {
		c.start(id, nil)
	}
	propose(t, c.follower(), "after")
	c.sameTapes(11)
	if got := c.leader().Status().Cluster; got != cluster || cluster == "" {
		t.Fatalf("cluster id %q, was %q", got, cluster)
	}
}

func TestLeaderStopsAndComesBack(t *testing.T) {
	c := startCluster(t, 3, nil)
	propose(t, c.follower(), "1")
	old := c.leader()
	c.stop(old.id)
	propose(t, c.follower(), "2")
	c.start(old.id, nil)
	propose(t, old, "3")
	c.sameTapes(3)
}

func TestReadIndexSeesWhatWasCommitted(t *testing.T) {
	c := startCluster(t, 3, nil)
	writer, reader := c.leader(), c.follower()
	for i := range 50 {
		rec := fmt.Sprint(i)
		propose(t, writer, rec)
		if err := reader.ReadIndex(context.Background()); err != nil {
			t.Fatal(err)
		}
		if !contains(reader.tape.records(t), rec) {
			t.Fatalf("a linearizable read misses %s", rec)
		}
	}
}

func TestReadIndexNeedsAMajority(t *testing.T) {
	c := startCluster(t, 3, nil)
	propose(t, c.leader(), "1")
	leader := c.leader()
	for id := range c.nodes {
		if id != leader.id {
			c.stop(id)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := leader.ReadIndex(ctx); err == nil {
		t.Fatal("a leader without a majority confirmed a read")
	}
}

// TestWipedNodeComesBack: it has no vote until it has caught up, and then it has one again.
func TestWipedNodeComesBack(t *testing.T) {
	c := startCluster(t, 3, nil)
	for i := range 5 {
		propose(t, c.follower(), fmt.Sprint(i))
	}
	victim := c.follower()
	c.stop(victim.id)
	if err := os.RemoveAll(victim.dir); err != nil {
		t.Fatal(err)
	}
	c.start(victim.id, nil)
	eventually(t, "the wiped node votes again", func() bool { s := victim.Status(); return s.Voter && s.Confirmed })
	if victim.identity.start().Boot < 2 {
		t.Fatalf("boot number %d: the cluster saw a higher one", victim.identity.start().Boot)
	}
	propose(t, victim, "after")
	c.sameTapes(6)
}

// TestOlderCopyIsNotTrusted: a directory that was copied, moved on, and put
// back must not vote as if nothing had happened.
func TestOlderCopyIsNotTrusted(t *testing.T) {
	c := startCluster(t, 3, nil)
	propose(t, c.follower(), "1")
	victim := c.follower()
	c.stop(victim.id)
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(victim.dir)); err != nil {
		t.Fatal(err)
	}
	c.start(victim.id, nil)
	propose(t, victim, "2")
	eventually(t, "the start is confirmed", func() bool { return victim.Status().Confirmed })
	boot := victim.identity.start().Boot
	c.stop(victim.id)
	if err := os.RemoveAll(victim.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(victim.dir, os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	c.start(victim.id, nil)
	eventually(t, "the older copy was noticed and admitted anew", func() bool {
		s := victim.Status()
		return s.Voter && s.Confirmed && victim.identity.start().Boot > boot
	})
	propose(t, victim, "3")
	c.sameTapes(3)
}

func TestJoinAndRemove(t *testing.T) {
	c := startCluster(t, 3, nil)
	propose(t, c.follower(), "1")
	c.nodes["n4"] = &testNode{id: "n4", addr: freeAddr(t), dir: filepath.Join(t.TempDir(), "n4")}
	n4 := c.start("n4", func(cfg *Config) {
		cfg.Peers, cfg.Join = nil, []string{c.follower().addr}
	})
	eventually(t, "n4 votes", func() bool { return n4.Status().Voter })
	propose(t, n4, "2")
	c.sameTapes(2)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.follower().RemoveMember(ctx, "n4"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n4 is gone", func() bool { return len(c.leader().Members(ctx)) == 3 })
	if err := c.follower().RemoveMember(ctx, "n4"); err == nil {
		t.Fatal("a node that is no member was removed")
	}
	c.stop("n4")
	delete(c.nodes, "n4")
	propose(t, c.follower(), "3")
	c.sameTapes(3)
}

func TestTransferLeadership(t *testing.T) {
	c := startCluster(t, 3, nil)
	propose(t, c.leader(), "1")
	old, next := c.leader(), c.follower()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := next.TransferLeadership(ctx, next.id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "leadership moved", func() bool { _, ok := next.leading(); return ok })
	propose(t, old, "2")
	c.sameTapes(2)
	if err := next.TransferLeadership(ctx, "n9"); err == nil {
		t.Fatal("leadership was handed to nobody")
	}
}

// TestStrangerIsRefused: a node of another cluster with a member's name and
// garbage on the peer port change nothing.
func TestStrangerIsRefused(t *testing.T) {
	c := startCluster(t, 3, nil)
	propose(t, c.leader(), "1")
	leader := c.leader()

	conn, err := net.Dial("tcp", leader.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(bytes.Repeat([]byte("garbage "), 1000)); err != nil {
		t.Log("the garbage was refused early:", err)
	}
	conn.Close()

	other := startCluster(t, 1, nil)
	propose(t, other.nodes["n1"], "x")
	stranger := other.nodes["n1"]
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := stranger.peers.call(ctx, leader.addr, "", classControl, methodInfo, []byte("{}")); err == nil {
		t.Fatal("a node of another cluster was answered")
	}
	propose(t, c.follower(), "2")
	c.sameTapes(2)
}

func TestDataDirectoryOfAnotherNode(t *testing.T) {
	c := startCluster(t, 1, nil)
	propose(t, c.nodes["n1"], "1")
	c.stop("n1")
	_, err := Open(Config{ID: "n2", Address: freeAddr(t), Dir: c.nodes["n1"].dir, Machine: &tape{}, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("n2 was started on the directory of n1")
	}
	t.Log(err)
}
