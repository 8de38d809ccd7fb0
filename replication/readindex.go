package replication

import (
	"context"
	"encoding/binary"
	"sync"
)

// The read index. raft's own VerifyLeader counts acknowledgements of messages
// that were sent before it was called, which is not enough when processes
// pause. Ours, on the leader: its first entry of the term is applied; note the
// commit index; then ask every voter, in a message sent after that, for
// its term. A majority (itself included) that still knows no newer term means
// that no newer leader could have committed anything when the read began: a
// voter raises its durable term before it votes. Reads that wait share the
// next round; none joins a round that is already under way.

// ReadIndex returns once this node has applied everything that was committed
// anywhere when ReadIndex was called. On error nothing may be read.
func (r *Replica) ReadIndex(ctx context.Context) error {
	for {
		at, err := r.readRounds.do(ctx)
		if err == nil {
			err = r.machine.applied.wait(ctx, at.index)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || r.ctx.Err() != nil {
			return r.noLeader("no leader confirmed the read in time")
		}
		r.waitLeaderChange(ctx)
	}
}

// readIndexRound runs on the leader or asks it. The context is the replica's,
// bounded by the round: its readers may leave one by one.
func (r *Replica) readIndexRound() (position, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.ProbeTimeout)
	defer cancel()
	if _, ok := r.leading(); ok {
		return r.confirmRounds.do(ctx)
	}
	leader, ok := r.leader()
	if !ok || leader.ID == r.cfg.ID {
		return position{}, errNotLeader
	}
	reply, err := r.peers.call(ctx, leader.Address, leader.ID, classControl, methodReadIndex, nil)
	if err != nil {
		return position{}, err
	}
	n := commitNotice{leader: leader}
	for _, v := range []*uint64{&n.leading, &n.at.index, &n.at.term} {
		if *v, reply, err = takeUvarint(reply); err != nil {
			return position{}, err
		}
	}
	r.noteCommit(n)
	return n.at, nil
}

// serveReadIndex answers a follower: leader's term, index, term of the index.
func (r *Replica) serveReadIndex(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	term, ok := r.leading()
	if !ok {
		return nil, errNotLeader
	}
	at, err := r.confirmRounds.do(ctx)
	if err != nil {
		return nil, err
	}
	b := binary.AppendUvarint(nil, term)
	b = binary.AppendUvarint(b, at.index)
	return binary.AppendUvarint(b, at.term), nil
}

// confirmLeadership is one round on the leader. It returns the position that
// was committed when the round began: not the applied one, which a follower
// may already be past. Everything after the term's opening entry is of this
// term and reaches the state machine, so it can be waited for.
func (r *Replica) confirmLeadership() (position, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.ProbeTimeout)
	defer cancel()
	term, ok := r.leading()
	if !ok {
		return position{}, errNotLeader
	}
	at := position{index: r.raft.CommitIndex(), term: term}
	voters := r.voters()
	need := len(voters)/2 + 1
	answers := make(chan bool, len(voters))
	for _, v := range voters {
		if v.ID == r.cfg.ID {
			answers <- true
			continue
		}
		r.goFunc(func() { answers <- r.probe(ctx, v, term) })
	}
	yes := 0
	for range voters {
		if <-answers {
			yes++
		}
		if yes == need {
			break
		}
	}
	if now, still := r.leading(); yes < need || !still || now != term {
		return position{}, errNotLeader
	}
	return at, nil
}

// probe asks one voter whether it knows no newer term. Every call is a
// message of its own: an answer can never be older than the question.
func (r *Replica) probe(ctx context.Context, v Member, term uint64) bool {
	reply, err := r.peers.call(ctx, v.Address, v.ID, classControl, methodProbe, nil)
	if err != nil {
		return false
	}
	theirs, _, err := takeUvarint(reply)
	return err == nil && theirs <= term
}

// serveProbe answers with this node's term, unless its promises are in doubt.
func (r *Replica) serveProbe(context.Context, string, []byte) ([]byte, error) {
	if !r.confirmed.Load() {
		return nil, errNotConfirmed
	}
	return binary.AppendUvarint(nil, r.raft.CurrentTerm()), nil
}

// rounds lets many callers share one run of a function: one run is under way,
// and everybody who came after it began waits for the next.
type rounds struct {
	run func() (position, error)

	mu      sync.Mutex
	running bool
	next    *round
}

type round struct {
	done chan struct{}
	at   position
	err  error
}

func (s *rounds) do(ctx context.Context) (position, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &round{done: make(chan struct{})}
	}
	mine := s.next
	lead := !s.running
	if lead {
		s.running = true
	}
	s.mu.Unlock()
	if lead {
		s.loop(mine)
	}
	select {
	case <-mine.done:
		return mine.at, mine.err
	case <-ctx.Done():
		return position{}, context.Cause(ctx)
	}
}

// loop runs the caller's own round and hands the rounds that gathered
// meanwhile to a goroutine, which ends when nobody waits.
func (s *rounds) loop(first *round) {
	s.step(first)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.running = false
		return
	}
	go func() {
		for {
			s.mu.Lock()
			r := s.next
			if r == nil {
				s.running = false
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
			s.step(r)
		}
	}()
}

// step closes the round to newcomers, then runs it.
func (s *rounds) step(r *round) {
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	r.at, r.err = s.run()
	close(r.done)
}
