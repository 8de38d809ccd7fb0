package replication

import (
	"context"
	"sync"
	"time"
)

// reach waits for peers that do not answer.
type reach struct {
	peers *peers

	mu      sync.Mutex // guards probers
	probers map[target]*prober
}

// target is a node at an address; id "" = whoever is there.
type target struct{ addr, id string }

// prober knocks at one target while somebody waits for it.
type prober struct {
	target  target
	waiters int           // guarded by reach.mu
	back    chan struct{} // closed when it has answered
	hurry   chan struct{} // holds a token when the next probe should not wait
	ctx     context.Context
	cancel  context.CancelFunc
}

func newReach(p *peers) *reach {
	return &reach{peers: p, probers: map[target]*prober{}}
}

// waitReachable returns once the node id ("" = any) answers a handshake at
// addr, however long it was away. A process that is stopped still accepts
// connections, but does not answer. All who wait for the same node share one
// prober.
func (p *peers) waitReachable(ctx context.Context, addr, id string) error {
	w, err := p.reach.join(target{addr: addr, id: id})
	if err != nil {
		return err
	}
	defer p.reach.leave(w)
	select {
	case <-w.back:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return errPeersClosed
	}
}

// join adds a waiter to t's prober, or starts it.
func (r *reach) join(t target) (*prober, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.probers[t]
	if w == nil {
		w = &prober{target: t, back: make(chan struct{}), hurry: make(chan struct{}, 1)}
		w.ctx, w.cancel = context.WithCancel(r.peers.ctx)
		if !r.peers.spawn(func() { r.knock(w) }) {
			w.cancel()
			return nil, errPeersClosed
		}
		r.probers[t] = w
	}
	w.waiters++
	return w, nil
}

// leave removes a waiter; the last one stops the prober.
func (r *reach) leave(w *prober) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.waiters--; w.waiters == 0 {
		r.drop(w)
	}
}

// drop is called with mu held.
func (r *reach) drop(w *prober) {
	w.cancel()
	if r.probers[w.target] == w {
		delete(r.probers, w.target)
	}
}

// knock probes until somebody answers or nobody waits.
func (r *reach) knock(w *prober) {
	for w.ctx.Err() == nil {
		began := time.Now()
		ctx, cancel := context.WithTimeout(w.ctx, probeTimeout)
		_, err := r.peers.probe(ctx, w.target.addr, w.target.id)
		cancel()
		if err == nil {
			r.mu.Lock()
			r.drop(w) // whoever comes now needs a newer answer
			r.mu.Unlock()
			close(w.back)
			return
		}
		w.pause(time.Until(began.Add(probePause)))
	}
}

func (w *prober) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.hurry:
	case <-w.ctx.Done():
	}
}

// wake makes the probers of a node try at once.
func (r *reach) wake(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, w := range r.probers {
		if t.id == id {
			select {
			case w.hurry <- struct{}{}:
			default:
			}
		}
	}
}
