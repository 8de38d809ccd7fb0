package e2e

import (
	"context"
	"errors"
	"net"
	"sync"
)

// network is the wire between the members' peer ports: real TCP over
// loopback, through a forwarder per connection that can be stopped. A cut
// link loses nothing and resets nothing: bytes stand still, as they do when
// packets are dropped, until the link is healed or an end gives up.
type network struct {
	mu      sync.Mutex
	members map[string]string // peer address -> member id
	cuts    map[link]bool
	changed chan struct{} // closed and renewed whenever cuts changes
	done    chan struct{} // closed at the end
	wg      sync.WaitGroup
}

// link is one direction between two members.
type link struct{ from, to string }

func newNetwork() *network {
	return &network{
		members: map[string]string{},
		cuts:    map[link]bool{},
		changed: make(chan struct{}),
		done:    make(chan struct{}),
	}
}

func (n *network) join(id, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members[address] = id
}

// set cuts or heals both directions between id and everybody else.
func (n *network) set(id string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, other := range n.members {
		if other != id {
			n.cuts[link{id, other}] = cut
			n.cuts[link{other, id}] = cut
		}
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *network) healAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
	close(n.changed)
	n.changed = make(chan struct{})
}

// close ends all forwarders; the members must be closed before.
func (n *network) close() {
	close(n.done)
	n.wg.Wait()
}

var errGone = errors.New("e2e: the connection or the network is gone")

// pass returns once l carries bytes, or an error when gone or the network
// closes first.
func (n *network) pass(l link, gone <-chan struct{}) error {
	for {
		n.mu.Lock()
		cut, changed := n.cuts[l], n.changed
		n.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-changed:
		case <-gone:
			return errGone
		case <-n.done:
			return errGone
		}
	}
}

// dialer is what member from dials its peers with.
func (n *network) dialer(from string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		n.mu.Lock()
		to := n.members[address]
		n.mu.Unlock()
		out, back := link{from, to}, link{to, from}
		if n.pass(out, ctx.Done()) != nil || n.pass(back, ctx.Done()) != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errGone}
		}
		var d net.Dialer
		far, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		near, inner, err := tcpPair()
		if err != nil {
			return nil, errors.Join(err, far.Close())
		}
		n.connect(inner, far, out, back)
		return near, nil
	}
}

// connect carries bytes between a and b until either ends.
func (n *network) connect(a, b net.Conn, out, back link) {
	gone := make(chan struct{})
	end := sync.OnceFunc(func() {
		close(gone)
		a.Close()
		b.Close()
	})
	n.wg.Go(func() { n.carry(b, a, out, gone); end() })
	n.wg.Go(func() { n.carry(a, b, back, gone); end() })
	n.wg.Go(func() {
		select {
		case <-gone:
		case <-n.done:
			end()
		}
	})
}

func (n *network) carry(dst, src net.Conn, l link, gone <-chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		size, err := src.Read(buf)
		if size > 0 {
			if n.pass(l, gone) != nil {
				return
			}
			if _, err := dst.Write(buf[:size]); err != nil {
				return
			}
		}
		if err != nil {
			// The end of a connection travels over the link too.
			_ = n.pass(l, gone)
			return
		}
	}
}

// tcpPair returns the two ends of one loopback connection.
func tcpPair() (near, far net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	for {
		if far, err = l.Accept(); err != nil {
			near.Close()
			return nil, nil, err
		}
		if far.RemoteAddr().String() == near.LocalAddr().String() {
			return near, far, nil
		}
		far.Close() // a stranger on the machine was faster
	}
}
