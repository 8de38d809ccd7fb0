package replication

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

var _ raft.StreamLayer = (*streamLayer)(nil)

// streamLayer gives raft's network transport its connections: those of kind
// raft, after their handshake.
type streamLayer struct {
	peers *peers
	conns chan net.Conn // from the handshake to Accept
	done  chan struct{} // closed by Close
	once  sync.Once
}

func newStreamLayer(p *peers) *streamLayer {
	return &streamLayer{peers: p, conns: make(chan net.Conn), done: make(chan struct{})}
}

// deliver hands an accepted connection to raft, unless it does not come for
// it in time.
func (s *streamLayer) deliver(c net.Conn) bool {
	t := time.NewTimer(s.peers.cfg.acceptTimeout)
	defer t.Stop()
	select {
	case s.conns <- c:
		return true
	case <-s.done:
	case <-t.C:
	}
	return false
}

// Accept implements net.Listener.
func (s *streamLayer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, fmt.Errorf("accept for raft: %w", net.ErrClosed)
	}
}

// Dial implements raft.StreamLayer.
func (s *streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithCancel(s.peers.ctx)
	defer cancel()
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	addr := string(address)
	c, _, err := s.peers.dialPeer(ctx, kindRaft, addr, s.peers.cfg.idOf(addr))
	if err != nil {
		return nil, err
	}
	select {
	case <-s.done: // closed meanwhile: nobody would close c
		_ = c.Close()
		return nil, net.ErrClosed
	default:
		return c, nil
	}
}

// Close implements net.Listener: it ends raft's connections, both ways. The
// peer port itself stays open.
func (s *streamLayer) Close() error {
	s.once.Do(func() { close(s.done) })
	s.peers.closeConns(func(c *connInfo) bool { return c.kind == kindRaft })
	return nil
}

// Addr implements net.Listener with the address that peers dial: raft takes
// it for this node's address.
func (s *streamLayer) Addr() net.Addr { return peerAddr(s.peers.cfg.address) }

// peerAddr is a host and port as it was configured, not resolved.
type peerAddr string

// Network implements net.Addr.
func (peerAddr) Network() string { return "tcp" }

// String implements net.Addr.
func (a peerAddr) String() string { return string(a) }
