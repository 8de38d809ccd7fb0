package replication

import (
	"context"
	"errors"
	"net"
	"time"
)

// accept takes connections until the listener is closed. Each has a goroutine
// from its first byte on, so that a silent stranger delays nobody.
func (p *peers) accept() {
	const longest = time.Second
	pause := time.Duration(0)
	for {
		raw, err := p.listener.Accept()
		switch {
		case err == nil:
			pause = 0
		case p.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default: // out of file descriptors, for instance
			pause = min(max(2*pause, 5*time.Millisecond), longest)
			p.log.Warn("peer port cannot accept", "error", err)
			if !sleep(p.ctx, pause) {
				return
			}
			continue
		}
		if !p.admitRaw(raw) {
			_ = raw.Close() // over the bound, or closing: not even an answer
		}
	}
}

// sleep waits for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *peers) admitRaw(raw net.Conn) bool {
	p.mu.Lock()
	full := p.inbound >= p.cfg.maxConns
	p.mu.Unlock()
	if full || !p.track(raw, &connInfo{inbound: true}) {
		return false
	}
	if !p.spawn(func() { p.welcome(raw) }) {
		p.untrack(raw)
		return false
	}
	return true
}

// welcome is the life of one accepted connection.
func (p *peers) welcome(raw net.Conn) {
	c := &peerConn{Conn: raw, raw: raw, peers: p}
	remote, err := p.receive(c)
	if err != nil {
		_ = c.Close()
		var refused *refusedError
		if errors.As(err, &refused) {
			p.logRefusal(raw, refused)
		} else {
			p.log.Debug("connection on the peer port ended in its handshake", "from", raw.RemoteAddr().String(), "error", err)
		}
		return
	}
	p.heard(remote.node)
	switch remote.kind {
	case kindRaft:
		if !p.stream.deliver(c) {
			_ = c.Close()
		}
	case kindRPC:
		serveRPC(p.ctx, c, remote.node, &p.handlers, p.cfg.stall/beatsPerStall)
	default:
		_ = c.Close()
	}
}

// receive is the accepting side of the handshake.
func (p *peers) receive(c *peerConn) (remote preface, err error) {
	if err := c.raw.SetDeadline(time.Now().Add(p.cfg.acceptTimeout)); err != nil {
		return remote, err
	}
	if p.cfg.wrapServer != nil {
		secured, err := p.cfg.wrapServer(c.raw)
		if err != nil {
			return remote, err
		}
		c.Conn = secured
	}
	code, remote, err := readPreface(c)
	self := p.cfg.self()
	if errors.Is(err, errPeerVersion) {
		return remote, errors.Join(&refusedError{status: statusWrongVersion, byUs: true}, reply(c, statusWrongVersion, self))
	}
	if err != nil {
		return remote, err
	}
	remote.kind = connKind(code)
	if remote.kind < kindRaft || remote.kind > kindProbe {
		return remote, errNotPeer
	}
	st := judge(self, remote)
	if st == statusOK {
		st = p.cfg.admit(remote)
	}
	if st == statusOK && !p.identify(c.raw, remote) {
		st = statusBusy
	}
	if err := reply(c, st, self); err != nil {
		return remote, err
	}
	if st != statusOK {
		return remote, &refusedError{status: st, byUs: true, remote: remote}
	}
	return remote, c.raw.SetDeadline(time.Time{})
}

// identify notes whose connection it is; false when the node has too many.
func (p *peers) identify(raw net.Conn, remote preface) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	info := p.conns[raw]
	if info == nil {
		return false
	}
	n := 0
	for _, other := range p.conns {
		if other.inbound && other.node == remote.node {
			n++
		}
	}
	if n >= p.cfg.maxConnsOfPeer && remote.kind != kindProbe { // a probe ends at once
		return false
	}
	info.node, info.kind = remote.node, remote.kind
	return true
}

// heard wakes whoever waits for a node that has just connected to us: what
// failed a moment ago is worth another attempt at once.
func (p *peers) heard(node string) {
	p.reach.wake(node)
	var known []*remote
	p.mu.Lock()
	for e, r := range p.remotes {
		if e.id == node {
			known = append(known, r)
		}
	}
	p.mu.Unlock()
	for _, r := range known {
		r.hurry()
	}
}

// refusals keeps the log readable: a refused node tries again and again.
type refusals struct {
	node   string
	status status
	at     time.Time
}

const refusalPause = 10 * time.Second

func (p *peers) logRefusal(raw net.Conn, e *refusedError) {
	now := time.Now()
	p.mu.Lock()
	last := p.refused
	again := last.node == e.remote.node && last.status == e.status && now.Sub(last.at) < refusalPause
	if !again {
		p.refused = refusals{node: e.remote.node, status: e.status, at: now}
	}
	p.mu.Unlock()
	if !again {
		p.log.Warn("connection on the peer port refused", "from", raw.RemoteAddr().String(),
			"node", e.remote.node, "cluster", e.remote.cluster.String(), "reason", e.status.String())
	}
}
