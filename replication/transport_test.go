package replication

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/kissvdb/kissvdb/fault"
)

// transportPair is two transports over real TCP; the second one's messages
// are for the test to answer.
func transportPair(t *testing.T, confirmed bool) (from, to *transport) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	open := func(id string) *transport {
		p, err := openPeers(peersConfig{
			bind:   "127.0.0.1:0",
			logger: slog.New(slog.DiscardHandler),
			self:   func() preface { return preface{node: id} },
		})
		if err != nil {
			t.Fatal(err)
		}
		p.serve()
		inner := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: p.streamLayer(), MaxPool: 2, Timeout: 5 * time.Second,
			Logger: newRaftLogger(slog.New(slog.DiscardHandler), "raft"),
		})
		tr := newTransport(ctx, inner, p, func() bool { return confirmed }, func() bool { return false })
		tr.term = func() uint64 { return 1 }
		go tr.filter()
		t.Cleanup(func() { _, _ = inner.Close(), p.close() })
		return tr
	}
	return open("n1"), open("n2")
}

// TestHeartbeatsGoThroughTheMainLoop: raft's fast path must stay off, since
// it changes the term under a leader that is writing.
func TestHeartbeatsGoThroughTheMainLoop(t *testing.T) {
	from, to := transportPair(t, true)
	to.SetHeartbeatHandler(func(raft.RPC) { t.Error("a heartbeat took the fast path") })
	go func() {
		rpc := <-to.Consumer()
		rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
	}()
	heartbeat := &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("n1"), Addr: []byte("x")},
		Term:      1,
	}
	var resp raft.AppendEntriesResponse
	if err := from.AppendEntries("n2", raft.ServerAddress(to.peers.address()), heartbeat, &resp); err != nil || !resp.Success {
		t.Fatalf("resp %+v, err %v", resp, err)
	}
}

// TestNoPromisesBeforeConfirmation: an unconfirmed start neither votes nor
// asks for votes nor stands because it was told to.
func TestNoPromisesBeforeConfirmation(t *testing.T) {
	from, to := transportPair(t, false)
	addr := raft.ServerAddress(to.peers.address())
	var vote raft.RequestVoteResponse
	if err := from.RequestVote("n2", addr, &raft.RequestVoteRequest{Term: 9}, &vote); err == nil {
		t.Error("an unconfirmed node asked for a vote")
	}
	var pre raft.RequestPreVoteResponse
	if err := from.RequestPreVote("n2", addr, &raft.RequestPreVoteRequest{Term: 9}, &pre); err == nil {
		t.Error("an unconfirmed node asked for a pre-vote")
	}
	if err := from.NetworkTransport.RequestVote("n2", addr, &raft.RequestVoteRequest{Term: 9}, &vote); err == nil {
		t.Error("an unconfirmed node gave a vote")
	}
	var now raft.TimeoutNowResponse
	if err := from.TimeoutNow("n2", addr, &raft.TimeoutNowRequest{}, &now); err == nil {
		t.Error("an unconfirmed node stood for election")
	}
}

// TestStalledInstallIsCutOff: a leader that stops in the middle of a snapshot
// must not hold the follower's main loop.
func TestStalledInstallIsCutOff(t *testing.T) {
	from, to := transportPair(t, true)
	to.stall = 50 * time.Millisecond
	ended := make(chan error, 1)
	go func() {
		rpc := <-to.Consumer()
		_, err := io.Copy(io.Discard, rpc.Reader)
		ended <- err
		rpc.Respond(&raft.InstallSnapshotResponse{}, err)
	}()
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("the first bytes, and no more")) }()
	go func() {
		var resp raft.InstallSnapshotResponse
		req := &raft.InstallSnapshotRequest{RPCHeader: raft.RPCHeader{ID: []byte("n1")}, Size: 1 << 20}
		_ = from.InstallSnapshot("n2", raft.ServerAddress(to.peers.address()), req, &resp, r)
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Fatal("a stalled snapshot ended as if it were whole")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a stalled snapshot still holds the main loop")
	}
}

// logCounter counts log lines that hold a text.
type logCounter struct {
	mu   sync.Mutex
	text string
	n    int
}

func (l *logCounter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += strings.Count(string(b), l.text)
	return len(b), nil
}

func (l *logCounter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// TestPeerThatWasDownIsNotBackedOff: raft doubles its pause, up to ten
// seconds, with every failed attempt. So hardly any attempt may fail while a
// peer is down, however long that is.
func TestPeerThatWasDownIsNotBackedOff(t *testing.T) {
	failed := &logCounter{text: "failed to appendEntries"}
	c := startCluster(t, 3, func(cfg *Config) {
		// Repeated warnings are logged as debug.
		cfg.Logger = slog.New(slog.NewTextHandler(failed, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	away := c.follower()
	c.stop(away.id)
	leader := c.leader()
	before := failed.count()
	const writes = 100
	for i := range writes {
		propose(t, leader, fmt.Sprint(i))
	}
	began := time.Now()
	eventually(t, "two seconds pass", func() bool { return time.Since(began) > 2*time.Second })
	if n := failed.count() - before; n > 3 {
		t.Errorf("%d attempts failed while the peer was down", n)
	}
	c.start(away.id, nil)
	c.sameTapes(writes)
}

// TestDefiniteErrors: only three of raft's errors mean that nothing was written.
func TestDefiniteErrors(t *testing.T) {
	r := &Replica{}
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{raft.ErrNotLeader, fault.NoLeader},
		{raft.ErrEnqueueTimeout, fault.NoLeader},
		{raft.ErrLeadershipTransferInProgress, fault.NoLeader},
		{errNotLeader, fault.NoLeader},
		{fault.New(fault.Overloaded, "full"), fault.Overloaded},
		{raft.ErrLeadershipLost, fault.Timeout},
		{raft.ErrRaftShutdown, fault.Timeout},
		{raft.ErrAbortedByRestore, fault.Timeout},
		{errMachineFailed, fault.Timeout},
		{fmt.Errorf("call: %w", errMaybeSent), fault.Timeout},
		{fault.New(fault.Internal, "anything a peer did not expect"), fault.Timeout},
		{context.DeadlineExceeded, fault.Timeout},
	} {
		if got := r.asFault(c.err); got.Code != c.want {
			t.Errorf("%v: %v, want %v", c.err, got.Code, c.want)
		}
	}
}
