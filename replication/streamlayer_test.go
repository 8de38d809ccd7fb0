package replication

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func raftAddr(p *peers) raft.ServerAddress { return raft.ServerAddress(p.address()) }

func TestStreamLayerCarriesRaft(t *testing.T) {
	a := startPeer(t, "a", nil, nil)
	b := startPeer(t, "b", func(c *peersConfig) {
		c.idOf = func(string) string { return "a" }
	}, nil)
	open := func(p *peers) *raft.NetworkTransport {
		tr := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: p.streamLayer(), MaxPool: 2, Timeout: 5 * time.Second, Logger: hclog.NewNullLogger()})
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	ta, tb := open(a), open(b)
	if ta.LocalAddr() != raftAddr(a) {
		t.Errorf("LocalAddr = %s, want %s", ta.LocalAddr(), raftAddr(a))
	}
	received := make(chan []byte, 1)
	go func() {
		for rpc := range ta.Consumer() {
			var got []byte
			if rpc.Reader != nil {
				got, _ = io.ReadAll(rpc.Reader)
			}
			received <- got
			rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, nil)
		}
	}()
	content := bytes.Repeat([]byte("snapshot"), 200_000)
	var resp raft.InstallSnapshotResponse
	req := &raft.InstallSnapshotRequest{Size: int64(len(content))}
	if err := tb.InstallSnapshot("a", raftAddr(a), req, &resp, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(<-received, content) || !resp.Success {
		t.Error("the snapshot did not arrive as it was sent")
	}
}

func TestStreamLayerClose(t *testing.T) {
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: echo})
	b := startPeer(t, "b", nil, nil)
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := a.streamLayer().Accept(); err == nil {
			accepted <- c
		}
	}()
	c, err := b.streamLayer().Dial(raftAddr(a), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-accepted
	if err := a.streamLayer().Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.streamLayer().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && !isReset(err) {
		t.Errorf("raft's connection: %v", err)
	}
	if _, err := a.streamLayer().Dial(raftAddr(b), time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial after Close: %v", err)
	}
	if _, err := b.call(within(t, time.Second), a.address(), "a", classControl, 1, nil); err != nil {
		t.Errorf("calls go on: %v", err)
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func TestStreamLayerRefusesAnotherNode(t *testing.T) {
	a := startPeer(t, "a", nil, nil)
	b := startPeer(t, "b", func(c *peersConfig) {
		c.idOf = func(string) string { return "z" }
	}, nil)
	_, err := b.streamLayer().Dial(raftAddr(a), time.Second)
	var refused *refusedError
	if !errors.As(err, &refused) || refused.status != statusWrongNode {
		t.Errorf("err = %v", err)
	}
}
