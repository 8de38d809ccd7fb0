package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Bounds of the peer port.
const (
	maxPeerConns   = 1024 // accepted connections, those in handshake included
	maxConnsOfPeer = 64   // accepted connections of one node

	acceptTimeout = 5 * time.Second        // a dialer must have sent its preface and got its reply
	offerTimeout  = time.Second            // dial and handshake
	probeTimeout  = 300 * time.Millisecond // dial and handshake, only to see who answers
	probePause    = 100 * time.Millisecond // between two probes, and so the delay of noticing a return
	stallTimeout  = 3 * time.Second        // a peer that owes an answer and gives no sign of life is down
)

var errPeersClosed = errors.New("the peer port is closed")

// peersConfig is what the peer port needs to know. Zero durations and limits
// mean the constants above.
type peersConfig struct {
	bind    string // listened on
	address string // told to the others; empty = what was bound
	logger  *slog.Logger

	// self is this node's preface as of now; want and kind are ignored.
	self func() preface
	// admit decides about the node at the other side, on both sides of every
	// connection, after names and cluster ids were found not to contradict.
	// nil admits everybody.
	admit func(preface) status
	// idOf names the node that is expected at an address, "" = unknown. It
	// serves raft, which dials addresses; nil = never known.
	idOf func(addr string) string

	// wrapServer and wrapClient put a secure channel around every connection
	// before the preface; nil = plain TCP.
	wrapServer, wrapClient func(net.Conn) (net.Conn, error)

	// dial and listen are the network; nil = TCP.
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	listen func(network, addr string) (net.Listener, error)

	maxConns, maxConnsOfPeer int
	acceptTimeout, stall     time.Duration
}

func (c peersConfig) withDefaults() peersConfig {
	if c.admit == nil {
		c.admit = func(preface) status { return statusOK }
	}
	if c.idOf == nil {
		c.idOf = func(string) string { return "" }
	}
	// A host that vanished is noticed by keep-alives within about ten seconds.
	keepAlive := net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3}
	if c.dial == nil {
		c.dial = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	}
	if c.listen == nil {
		c.listen = func(network, addr string) (net.Listener, error) {
			lc := net.ListenConfig{KeepAliveConfig: keepAlive}
			return lc.Listen(context.Background(), network, addr)
		}
	}
	if c.maxConns == 0 {
		c.maxConns = maxPeerConns
	}
	if c.maxConnsOfPeer == 0 {
		c.maxConnsOfPeer = maxConnsOfPeer
	}
	if c.acceptTimeout == 0 {
		c.acceptTimeout = acceptTimeout
	}
	if c.stall == 0 {
		c.stall = stallTimeout
	}
	return c
}

// peers is the peer port: one listener and all connections between this node
// and the others. openPeers binds; handle is called before serve; close ends
// everything. All methods are safe for concurrent use.
type peers struct {
	cfg      peersConfig
	log      *slog.Logger
	listener net.Listener
	handlers [256]rpcHandler
	stream   *streamLayer
	reach    *reach

	ctx    context.Context // ends when close begins
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool
	conns   map[net.Conn]*connInfo // by the raw connection
	inbound int
	remotes map[endpoint]*remote
	refused refusals
}

// connInfo is what is known of a live connection.
type connInfo struct {
	node    string // empty until the handshake is done
	kind    connKind
	inbound bool
}

// openPeers binds the peer port. Connections wait in the listener's backlog
// until serve is called.
func openPeers(cfg peersConfig) (*peers, error) {
	cfg = cfg.withDefaults()
	l, err := cfg.listen("tcp", cfg.bind)
	if err != nil {
		return nil, fmt.Errorf("listen on the peer port: %w", err)
	}
	if cfg.address == "" {
		cfg.address = l.Addr().String()
	}
	p := &peers{
		cfg: cfg, log: cfg.logger, listener: l,
		conns:   map[net.Conn]*connInfo{},
		remotes: map[endpoint]*remote{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.stream = newStreamLayer(p)
	p.reach = newReach(p)
	return p, nil
}

// handle registers the handler of a method; before serve only.
func (p *peers) handle(method byte, h rpcHandler) { p.handlers[method] = h }

// serve starts accepting connections.
func (p *peers) serve() { p.spawn(p.accept) }

// address is what other nodes dial.
func (p *peers) address() string { return p.cfg.address }

// streamLayer is raft's part of the peer port.
func (p *peers) streamLayer() *streamLayer { return p.stream }

// spawn runs f on a goroutine that close waits for; false when closing.
func (p *peers) spawn(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Go(f)
	return true
}

// close ends all connections and calls and waits for every goroutine,
// handlers included.
func (p *peers) close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.wg.Wait()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	err := p.listener.Close()
	p.closeConns(func(*connInfo) bool { return true })
	_ = p.stream.Close()
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// closePeer ends all connections with a node, such as one that was removed.
// New ones are the business of admit.
func (p *peers) closePeer(id string) {
	p.closeConns(func(c *connInfo) bool { return c.node == id })
}

// closeConns closes the raw connections; their owners see an error and leave.
func (p *peers) closeConns(which func(*connInfo) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for raw, info := range p.conns {
		if which(info) {
			_ = raw.Close()
		}
	}
}

// track takes a new connection under the care of close; false when closing.
func (p *peers) track(raw net.Conn, info *connInfo) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[raw] = info
	if info.inbound {
		p.inbound++
	}
	return true
}

func (p *peers) untrack(raw net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if info := p.conns[raw]; info != nil {
		delete(p.conns, raw)
		if info.inbound {
			p.inbound--
		}
	}
}

// peerConn is a connection after its handshake. Closing it gives back its
// place under the bounds.
type peerConn struct {
	net.Conn // what is read and written: the secure channel or the raw one
	raw      net.Conn
	peers    *peers
}

// Close implements net.Conn.
func (c *peerConn) Close() error {
	c.peers.untrack(c.raw)
	return c.Conn.Close()
}

// dialPeer connects to addr and shakes hands as kind with whom is expected
// there. The preface is the peer's; it is valid also with a *refusedError.
func (p *peers) dialPeer(ctx context.Context, kind connKind, addr, want string) (*peerConn, preface, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTimeout)
	defer cancel()
	stop := context.AfterFunc(p.ctx, cancel)
	defer stop()
	return p.dialWithin(ctx, kind, addr, want)
}

func (p *peers) dialWithin(ctx context.Context, kind connKind, addr, want string) (*peerConn, preface, error) {
	raw, err := p.cfg.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, preface{}, err
	}
	if !p.track(raw, &connInfo{kind: kind}) {
		return nil, preface{}, errors.Join(net.ErrClosed, raw.Close())
	}
	c := &peerConn{Conn: raw, raw: raw, peers: p}
	remote, err := p.offer(ctx, c, kind, want)
	if err != nil {
		_ = c.Close()
		return nil, remote, err
	}
	p.mu.Lock()
	if info := p.conns[raw]; info != nil {
		info.node = remote.node
	}
	p.mu.Unlock()
	return c, remote, nil
}

// offer is the dialer's side, within ctx.
func (p *peers) offer(ctx context.Context, c *peerConn, kind connKind, want string) (remote preface, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err() // the deadline is set, or is being set
		}
	}()
	if p.cfg.wrapClient != nil {
		if c.Conn, err = p.cfg.wrapClient(c.raw); err != nil {
			c.Conn = c.raw
			return preface{}, fmt.Errorf("secure the connection: %w", err)
		}
	}
	self := p.cfg.self()
	self.kind, self.want = kind, want
	return offer(c, self, p.cfg.admit)
}

// probe asks who is at addr, on a connection of its own. The preface is valid
// also with a *refusedError.
func (p *peers) probe(ctx context.Context, addr, want string) (preface, error) {
	c, remote, err := p.dialPeer(ctx, kindProbe, addr, want)
	if err == nil {
		_ = c.Close() // it has served its purpose
	}
	return remote, err
}
