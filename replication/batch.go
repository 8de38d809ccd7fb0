package replication

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/kissvdb/kissvdb/fault"
)

// Group commit. All writes of a node wait in one queue. On the leader the
// pump frames what waits into one entry, hands it to raft, and looks again
// only when that entry is committed: one entry in flight, so a lone writer
// pays no delay and many writers share one fsync; no timer is involved. On a
// follower the same pump sends what waits to the leader in batches.

// errNotLeader is a definite refusal: nothing was written, ask another node.
// Between nodes only its code counts.
var errNotLeader = fault.New(fault.NoLeader, "this node is not the leader")

// forwardsInFlight is how many batches a follower has under way: one in the
// leader's entry that is being committed, one that waits for the next.
const forwardsInFlight = 2

// Propose appends rec to the log, from any node, and returns its result once
// this node has applied it. The error is a *fault.Error: NoLeader and
// Overloaded mean that nothing was written, Timeout that the outcome is
// unknown. rec must not be changed afterwards.
func (r *Replica) Propose(ctx context.Context, rec []byte) ([]byte, error) {
	if len(rec) > MaxRecordBytes {
		return nil, fault.New(fault.PayloadTooLarge, "a record of %d bytes, at most %d are allowed", len(rec), MaxRecordBytes)
	}
	p := newProposal([][]byte{rec}, false)
	if err := r.queue.put(p); err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		if p.abandon() {
			return nil, r.noLeader("no leader took the write in time")
		}
		select { // it may have been answered at this very moment
		case <-p.done:
		default:
			return nil, fault.New(fault.Timeout, "the write was not confirmed in time: its outcome is unknown")
		}
	}
	if p.outcome.err != nil {
		return nil, r.asFault(p.outcome.err)
	}
	return p.outcome.results[0], nil
}

func (r *Replica) noLeader(message string) *fault.Error {
	return fault.New(fault.NoLeader, "%s", message)
}

// asFault maps what became of a write to the two outcomes that are never
// confused: nothing was written, and unknown.
func (r *Replica) asFault(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		switch f.Code {
		case fault.NoLeader, fault.Overloaded, fault.InsufficientStorage:
			return f
		}
	}
	if definite(err) {
		return r.noLeader("there is no leader")
	}
	return fault.New(fault.Timeout, "the leader was lost while it wrote: the outcome is unknown")
}

// definite tells raft's errors that mean "nothing was written". All others,
// ErrLeadershipLost and ErrRaftShutdown among them, leave it unknown.
func definite(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrEnqueueTimeout) ||
		errors.Is(err, raft.ErrLeadershipTransferInProgress)
}

// pump moves the queue, on one goroutine for the life of the replica.
func (r *Replica) pump() {
	var to forwarding
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.queue.wake:
		case <-r.pumpWake:
		}
		for r.pumpOnce(&to) {
			if r.ctx.Err() != nil {
				return
			}
		}
	}
}

// forwarding is where batches go, and how many are under way there. Each
// leader has its own count: what still waits for a leader that vanished must
// not hold back what the next one could take.
type forwarding struct {
	leader Member
	slots  chan struct{}
}

// aim makes leader the one that batches go to.
func (f *forwarding) aim(leader Member) {
	if f.slots == nil || f.leader != leader {
		f.leader, f.slots = leader, make(chan struct{}, forwardsInFlight)
	}
}

// pumpOnce moves one batch. False: nothing waits, or nobody leads.
func (r *Replica) pumpOnce(to *forwarding) bool {
	if term, ok := r.leading(); ok {
		batch := r.queue.take()
		if len(batch) == 0 {
			return false
		}
		if err := r.cfg.Admit(); err != nil {
			answer(batch, outcome{err: err})
			return true
		}
		r.commit(term, batch)
		return true
	}
	r.queue.bounce()
	leader, ok := r.leader()
	if !ok || leader.ID == r.cfg.ID {
		return false
	}
	to.aim(leader)
	slots := to.slots
	select {
	case slots <- struct{}{}:
	case <-r.pumpWake:
		return true // look again who leads
	case <-r.ctx.Done():
		return false
	}
	batch := r.queue.take()
	if len(batch) == 0 {
		<-slots
		return false
	}
	r.goFunc(func() {
		defer func() { <-slots }()
		r.forward(leader, batch)
	})
	return true
}

// commit writes one entry and answers its proposals. It returns when the
// entry is applied here, or given up.
func (r *Replica) commit(term uint64, batch []*proposal) {
	records := r.records[:0]
	for _, p := range batch {
		records = append(records, p.records...)
	}
	// raft and the log store keep the entry's bytes, so they are not reused.
	entry := append(make([]byte, 0, entryCapacity(batch)), entryData)
	entry = r.cfg.Machine.Frame(entry, term, records)
	clear(records)
	r.records = records

	future := r.raft.ApplyLog(raft.Log{Data: entry}, r.cfg.EnqueueTimeout)
	o := r.await(future)
	if o.err != nil && definite(o.err) {
		r.queue.giveBack(batch)
		r.pause()
		return
	}
	o.leading = term
	answer(batch, o)
}

// entryCapacity is the framed size of batch, or a little more.
func entryCapacity(batch []*proposal) int {
	const perRecord, perEntry = 5, 32
	n := perEntry
	for _, p := range batch {
		n += p.bytes + perRecord*len(p.records)
	}
	return n
}

// await waits for raft to apply an entry of ours. raft's futures have no
// deadline and may never end after a shutdown, hence the select.
func (r *Replica) await(future raft.ApplyFuture) outcome {
	done := make(chan error, 1)
	go func() { done <- future.Error() }()
	select {
	case err := <-done:
		if err != nil {
			return outcome{err: err}
		}
	case <-r.dead:
		return outcome{err: raft.ErrRaftShutdown}
	}
	a, ok := future.Response().(applied)
	if !ok {
		return outcome{err: errMachineFailed}
	}
	return outcome{results: a.results, at: position{index: future.Index(), term: a.term}}
}

// answer hands each proposal of a batch its own part of the results.
func answer(batch []*proposal, o outcome) {
	next := 0
	for _, p := range batch {
		own := o
		if o.err == nil {
			own.results = o.results[next : next+len(p.records)]
			next += len(p.records)
		}
		p.finish(own)
	}
}

// pause keeps the pump from spinning while leadership moves: until something
// about the leader changes, at most a moment.
func (r *Replica) pause() {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-r.pumpWake:
	case <-t.C:
	case <-r.ctx.Done():
	}
}
