package replication

import (
	"context"
	"sync"
	"time"
)

// Reconnecting: after a failed attempt calls fail at once, without another,
// for a moment that doubles up to the longest.
const (
	shortestRedial = 20 * time.Millisecond
	longestRedial  = 200 * time.Millisecond
)

// endpoint names a persistent connection for calls.
type endpoint struct {
	addr  string
	id    string // who must be there, "" = whoever is
	class callClass
}

// remote is the calling side's connection to an endpoint, made on demand.
type remote struct {
	mu      sync.Mutex // guards what follows
	conn    *clientConn
	attempt *attempt // under way
	retryAt time.Time
	pause   time.Duration
	err     error // of the last attempt
}

// attempt is a dial that any number of calls wait for.
type attempt struct {
	done chan struct{} // closed after the fields below are set
	conn *clientConn
	err  error
}

// connect returns the live connection to e, made anew if need be.
func (p *peers) connect(ctx context.Context, e endpoint) (*clientConn, error) {
	p.mu.Lock()
	r := p.remotes[e]
	if r == nil {
		r = &remote{}
		p.remotes[e] = r
	}
	p.mu.Unlock()

	a, conn, err := p.attemptOf(r, e)
	if a == nil {
		return conn, err
	}
	select {
	case <-a.done:
		return a.conn, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// attemptOf returns r's live connection, or why there is none, or the attempt
// to wait for.
func (p *peers) attemptOf(r *remote, e endpoint) (*attempt, *clientConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.conn != nil && r.conn.failure() == nil:
		return nil, r.conn, nil
	case r.attempt != nil:
		return r.attempt, nil, nil
	case r.err != nil && time.Now().Before(r.retryAt):
		return nil, nil, r.err
	}
	a := &attempt{done: make(chan struct{})}
	if !p.spawn(func() { p.keep(r, e, a) }) {
		return nil, nil, errPeersClosed
	}
	r.attempt = a
	return a, nil, nil
}

// keep makes the connection and serves it until it ends. The attempt belongs
// to no caller: each may leave early.
func (p *peers) keep(r *remote, e endpoint, a *attempt) {
	conn, _, err := p.dialPeer(p.ctx, kindRPC, e.addr, e.id)
	if err != nil {
		a.err = err
	} else {
		a.conn = newClientConn(conn, p.cfg.stall)
	}
	r.settle(a)
	if err != nil {
		return
	}
	err = a.conn.run()
	if p.ctx.Err() == nil {
		p.log.Debug("connection to a peer ended", "peer", e.id, "address", e.addr, "error", err)
	}
}

// settle ends an attempt.
func (r *remote) settle(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempt, r.conn, r.err = nil, a.conn, a.err
	if a.err == nil {
		r.pause = 0
	} else {
		r.pause = min(max(2*r.pause, shortestRedial), longestRedial)
		r.retryAt = time.Now().Add(r.pause)
	}
	close(a.done)
}

// hurry lets the next call try at once.
func (r *remote) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retryAt, r.pause = time.Time{}, 0
}
