package replication

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

// leading returns the term this node leads, once that term is open: its first
// entry is applied here, so everything that older leaders committed is too.
func (r *Replica) leading() (term uint64, ok bool) {
	term = r.opened.Load()
	return term, term != 0 && r.raft.State() == raft.Leader && r.raft.CurrentTerm() == term
}

// leader returns the member that leads as far as this node knows.
func (r *Replica) leader() (Member, bool) {
	addr, id := r.raft.LeaderWithID()
	return Member{ID: string(id), Address: string(addr)}, id != "" && addr != ""
}

// Leadership delivers true when this node has become the leader of an open
// term and false when it has lost it. Only the latest value is kept.
func (r *Replica) Leadership() <-chan bool { return r.leadership }

// watchLeadership opens the terms this node leads and wakes who waits for a
// leader.
func (r *Replica) watchLeadership() {
	changes := make(chan raft.Observation, 16)
	observer := raft.NewObserver(changes, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	r.raft.RegisterObserver(observer)
	defer r.raft.DeregisterObserver(observer)
	for {
		select {
		case <-r.ctx.Done():
			return
		case leads := <-r.raft.LeaderCh():
			if leads {
				r.openTerm()
			} else {
				r.opened.Store(0)
				r.tellLeadership(false)
			}
		case o := <-changes:
			if l, ok := o.Data.(raft.LeaderObservation); ok && l.LeaderID != "" {
				r.log.Info("leader", "id", string(l.LeaderID), "term", r.raft.CurrentTerm())
			}
		}
		r.leaderChanged()
	}
}

// openTerm commits an empty entry of ours: raft's own no-op never reaches the
// state machine, and writes and read indexes need to know that everything
// before this term is applied. The entry carries the cluster's id. It returns
// when the term is open or lost.
func (r *Replica) openTerm() {
	for r.raft.State() == raft.Leader && r.ctx.Err() == nil {
		term := r.raft.CurrentTerm()
		id := r.identity.cluster()
		if !id.known() {
			id = newClusterID()
		}
		entry := append([]byte{entryOpening}, id[:]...)
		o := r.await(r.raft.ApplyLog(raft.Log{Data: entry}, r.cfg.EnqueueTimeout))
		if o.err == nil && o.at.term == term {
			r.opened.Store(term)
			r.tellLeadership(true)
			return
		}
		r.log.Warn("the new term is not open yet", "term", term, "error", o.err)
		r.pause()
	}
}

func (r *Replica) tellLeadership(leads bool) {
	select {
	case <-r.leadership:
	default:
	}
	r.leadership <- leads
}

// leaderChanged wakes the pump and everybody in waitLeaderChange.
func (r *Replica) leaderChanged() {
	r.leaderMu.Lock()
	close(r.leaderMoved)
	r.leaderMoved = make(chan struct{})
	r.leaderMu.Unlock()
	r.wakePump()
}

func (r *Replica) wakePump() {
	select {
	case r.pumpWake <- struct{}{}:
	default:
	}
}

// waitLeaderChange returns when something about the leader changed, after a
// short time at most, or when ctx ends.
func (r *Replica) waitLeaderChange(ctx context.Context) {
	r.leaderMu.Lock()
	moved := r.leaderMoved
	r.leaderMu.Unlock()
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-moved:
	case <-t.C:
	case <-ctx.Done():
	case <-r.ctx.Done():
	}
}

// standNow makes this node stand for election at once. The vote is raft's
// own; only the wait for the election timeout is skipped.
func (r *Replica) standNow() {
	resp := make(chan raft.RPCResponse, 1)
	r.transport.inject(r.ctx, raft.RPC{
		Command:  &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}},
		RespChan: resp,
	})
}
