package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/node"
)

// TestGarbageOnPeerPort: bytes of a stranger close that connection and
// nothing else.
func TestGarbageOnPeerPort(t *testing.T) {
	c := Start(t, 3)
	leader := c.Leader()
	term := c.term()
	noise := make([]byte, 8<<10)
	rand.Read(noise)
	for _, bytes := range [][]byte{[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), {0}, noise, make([]byte, 8<<10)} {
		for _, m := range c.members {
			conn, err := net.Dial("tcp", m.config.PeerAddress)
			c.must(err)
			_, _ = conn.Write(bytes) // it may be closed already
			// A short one may be the beginning of something: end it.
			_ = conn.(*net.TCPConn).CloseWrite()
			c.must(conn.SetReadDeadline(time.Now().Add(patience)))
			if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
				t.Errorf("%s keeps a stranger's connection open", m.ID)
			}
			conn.Close()
		}
	}
	c.WaitApplied(leader.set("k", "v"))
	if now := c.term(); now != term {
		t.Errorf("term was %d and is %d", term, now)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

func (c *Cluster) term() uint64 {
	c.t.Helper()
	v, err := c.Leader().Cluster(c.ctx())
	c.must(err)
	return v.Term
}

// TestStrangerIsRefused: a node that belongs to another cluster does not get
// in, whether it asks to join or claims to be a member, and disturbs nobody.
func TestStrangerIsRefused(t *testing.T) {
	ours := Start(t, 3)
	theirs := Start(t, 1)
	stranger := theirs.Leader()
	stranger.set("k", "theirs")
	offset := ours.Leader().set("k", "ours")
	term := ours.term()
	stranger.Stop()
	founding := stranger.config.Peers

	for name, change := range map[string]func(*node.Config){
		"asks to join": func(cfg *node.Config) { cfg.Peers, cfg.Join = nil, peerAddresses(ours) },
		"claims to be a member": func(cfg *node.Config) {
			cfg.Peers = append([]node.Peer{founding[0]}, ours.members[1].config.Peers[1:]...)
		},
	} {
		cfg := stranger.config
		change(&cfg)
		cfg.Dial = nil // straight over TCP
		n, err := node.Open(cfg)
		if err == nil { // then it must stay what it is, or stop by itself
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			select {
			case err := <-n.Fatal():
				t.Logf("%s: %v", name, err)
			case <-ctx.Done():
			}
			cancel()
			n.Close(context.Background())
		} else {
			t.Logf("%s: %v", name, err)
		}
		v, err := ours.Leader().Cluster(ours.ctx())
		ours.must(err)
		if len(v.Members) != 3 || v.Term != term {
			t.Errorf("%s: the cluster is now %+v", name, v)
		}
		ours.Leader().expect("k", "ours", offset)
		offset = ours.Leader().set("more", name)
		ours.WaitApplied(offset)
	}
	stranger.Restart()
	theirs.Leader()
	stranger.expect("k", "theirs", 1)
}

func peerAddresses(c *Cluster) []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.config.PeerAddress)
	}
	return all
}

// TestManyConnectionsOnPeerPort: strangers who say nothing do not keep peers out.
func TestManyConnectionsOnPeerPort(t *testing.T) {
	c := Start(t, 3)
	for range 100 {
		for _, m := range c.members {
			conn, err := net.Dial("tcp", m.config.PeerAddress)
			c.must(err)
			defer conn.Close()
		}
	}
	back := c.Followers()[0]
	back.Crash()
	back.Restart()
	for i := range 5 {
		c.WaitApplied(c.Leader().set("k", fmt.Sprint(i)))
	}
}
