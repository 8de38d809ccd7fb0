package replication

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/kissvdb/kissvdb/fault"
)

// How a node comes to be a member that may make promises.
//
//   - An empty directory without peers founds a cluster of one.
//   - An empty directory with a list of peers founds only when a majority of
//     the list, itself included, is empty too. All founders bootstrap the same
//     configuration; raft's first election does the rest. When there are
//     members already, this directory was lost: the node joins instead.
//   - A node that joins becomes a non-voter, catches up, and becomes a voter.
//     If it was a voter before, its vote is taken away first.
//   - Every start shows its boot number to the voters. Until a majority has
//     confirmed that it is not behind, the node neither votes nor answers
//     probes: it may have forgotten promises. A node that is behind (an older
//     copy of its directory) is treated like one that lost it.

// errNotConfirmed is the answer of a node whose promises are in doubt.
var errNotConfirmed = errors.New("replication: this start is not confirmed by a majority yet")

// settlePause is how long a node waits between two attempts to settle.
const settlePause = 100 * time.Millisecond

// settle runs until this node is a confirmed member, of the kind it asked for.
func (r *Replica) settle() {
	fresh, started := len(r.servers()) == 0, time.Now()
	for waited := 0; r.ctx.Err() == nil; waited++ {
		var err error
		switch {
		case len(r.servers()) == 0 && len(r.cfg.Peers) == 0 && len(r.cfg.Join) == 0:
			err = r.bootstrap([]Member{{ID: r.cfg.ID, Address: r.cfg.Address}})
			fresh = false
			waited--
		case len(r.servers()) == 0 && len(r.cfg.Join) == 0:
			var founded bool
			if founded, err = r.found(started); founded {
				fresh = false
			} else if err == nil {
				fresh, err = r.join(fresh)
			}
		case !r.confirmed.Load() && !fresh:
			fresh, err = r.confirm()
		case r.settled():
			return
		default:
			fresh, err = r.join(fresh)
		}
		if err != nil && waited%50 == 10 {
			r.log.Warn("not a settled member yet", "reason", err)
		}
		if err != nil {
			r.sleep(settlePause)
		}
	}
}

// settled reports whether there is nothing left to ask for: the node has
// joined as what it wanted, or was founded, or removed.
func (r *Replica) settled() bool {
	if !r.confirmed.Load() {
		return false
	}
	for _, s := range r.servers() {
		if s.ID == raft.ServerID(r.cfg.ID) {
			wantsVote := !r.cfg.NonVoter && (len(r.cfg.Join) > 0 || r.rejoined.Load())
			return s.Suffrage == raft.Voter || !wantsVote
		}
	}
	return len(r.cfg.Join) == 0
}

func (r *Replica) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.ctx.Done():
	}
}

// bootstrap writes the first configuration.
func (r *Replica) bootstrap(members []Member) error {
	var c raft.Configuration
	for _, m := range members {
		c.Servers = append(c.Servers, raft.Server{ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address), Suffrage: raft.Voter})
	}
	err := r.raft.BootstrapCluster(c).Error()
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

// hello is what two nodes tell each other before anything else.
type hello struct {
	Start start `json:"start"`
	Empty bool  `json:"empty"` // no configuration: not a member of anything
}

type helloReply struct {
	Empty  bool  `json:"empty"`
	Behind bool  `json:"behind"` // a later start of the asker was seen here
	Wall   int64 `json:"wall"`   // Unix ns
}

func (r *Replica) serveHello(_ context.Context, from string, h hello) (helloReply, error) {
	ok, err := r.identity.meet(from, h.Start)
	if err != nil {
		return helloReply{}, err
	}
	if h.Empty {
		r.founders.add(from)
	}
	return helloReply{Empty: len(r.servers()) == 0, Behind: !ok, Wall: r.cfg.Now().UnixNano()}, nil
}

// founders remembers which peers were seen empty since this node started. A
// fellow founder counts as empty even when it has bootstrapped a moment ago.
type founders struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (f *founders) add(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[id] = true
}

func (f *founders) has(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[id]
}

func (r *Replica) sayHello(m Member) (helloReply, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.ProbeTimeout)
	defer cancel()
	sent := r.cfg.Now()
	reply, err := callJSON[helloReply](ctx, r.peers, m, methodHello, hello{Start: r.identity.start(), Empty: len(r.servers()) == 0})
	if err == nil {
		r.learnTime(m.ID, reply.Wall, sent)
	}
	return reply, err
}

// foundingGrace is how long founders wait for the whole list once a majority
// of it is here.
const foundingGrace = 2 * time.Second

// found bootstraps the cluster of the list when a majority of it is empty.
// Neither founded nor an error: somebody is a member already, so join.
func (r *Replica) found(since time.Time) (founded bool, err error) {
	empty, members := 1, 0
	for _, p := range r.cfg.Peers {
		if p.ID == r.cfg.ID {
			continue
		}
		reply, err := r.sayHello(p)
		switch {
		case err == nil && reply.Empty:
			r.founders.add(p.ID)
		case err == nil && !r.founders.has(p.ID):
			members++
		}
		if r.founders.has(p.ID) {
			empty++
		}
	}
	majority := len(r.cfg.Peers)/2 + 1
	switch {
	case empty == len(r.cfg.Peers), empty >= majority && time.Since(since) > foundingGrace:
		return true, r.bootstrap(r.cfg.Peers)
	case members > 0 && empty < majority:
		return false, nil
	default:
		return false, fmt.Errorf("founding: %d of %d peers are here and empty", empty, len(r.cfg.Peers))
	}
}

// confirm shows this start to the voters. behind: one of them has seen a
// later one.
func (r *Replica) confirm() (behind bool, err error) {
	voters := r.voters()
	known, last := 0, error(nil)
	for _, v := range voters {
		if v.ID == r.cfg.ID {
			known++
			continue
		}
		reply, err := r.sayHello(v)
		switch {
		case err != nil:
			last = err
		case reply.Behind:
			r.log.Warn("this data directory is older than what the cluster has seen of this node: joining anew", "peer", v.ID)
			return true, nil
		default:
			known++
		}
	}
	if known < len(voters)/2+1 {
		return false, fmt.Errorf("%d of %d voters confirmed this start: %w", known, len(voters), last)
	}
	r.confirmed.Store(true)
	if len(voters) == 1 && voters[0].ID == r.cfg.ID {
		r.standNow() // nobody else could lead: why wait for the timeout
	}
	return false, nil
}

// join asks the leader to make this node a member, one step a call: a
// non-voter, then, caught up, a voter. stillFresh is false once the cluster
// has taken note of the new start.
func (r *Replica) join(fresh bool) (stillFresh bool, err error) {
	req := joinRequest{
		Member:  Member{ID: r.cfg.ID, Address: r.cfg.Address},
		Voter:   !r.cfg.NonVoter,
		Fresh:   fresh,
		Applied: r.machine.applied.position().index,
	}
	if fresh {
		r.rejoined.Store(true)
	}
	reply, err := r.askJoin(req)
	if err != nil {
		return fresh, err
	}
	if fresh {
		if err := r.setCluster(reply.Cluster); err != nil {
			return fresh, err
		}
		if err := r.identity.raiseBoot(reply.Boot); err != nil {
			return fresh, err
		}
		return false, nil
	}
	if !reply.Done {
		return false, errors.New("catching up with the leader")
	}
	return false, nil
}

// askJoin tries the nodes that may know the leader, then the leader they name.
func (r *Replica) askJoin(req joinRequest) (joinReply, error) {
	var last error = errNotLeader
	for _, m := range r.contacts() {
		for range 3 {
			ctx, cancel := context.WithTimeout(r.ctx, r.cfg.EnqueueTimeout)
			reply, err := callJSON[joinReply](ctx, r.peers, m, methodJoin, req)
			cancel()
			if err != nil {
				last = err
				break
			}
			if reply.Leader == nil {
				return reply, nil
			}
			m = *reply.Leader
		}
	}
	return joinReply{}, fmt.Errorf("join: %w", last)
}

// contacts are the members this node may ask; an address alone has no id.
func (r *Replica) contacts() []Member {
	var all []Member
	if l, ok := r.leader(); ok {
		all = append(all, l)
	}
	for _, a := range r.cfg.Join {
		all = append(all, Member{Address: a})
	}
	for _, p := range r.cfg.Peers {
		if p.ID != r.cfg.ID {
			all = append(all, p)
		}
	}
	for _, s := range r.servers() {
		if s.ID != raft.ServerID(r.cfg.ID) {
			all = append(all, Member{ID: string(s.ID), Address: string(s.Address)})
		}
	}
	return all
}

func (r *Replica) setCluster(hexID string) error {
	c, err := parseClusterID(hexID)
	if err != nil {
		return err
	}
	return r.adoptCluster(c)
}

// servers is the latest configuration in this node's log.
func (r *Replica) servers() []raft.Server {
	f := r.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return f.Configuration().Servers
}

// voters are the members whose majority counts.
func (r *Replica) voters() []Member {
	var voters []Member
	for _, s := range r.servers() {
		if s.Suffrage == raft.Voter {
			voters = append(voters, Member{ID: string(s.ID), Address: string(s.Address)})
		}
	}
	return voters
}

// isMember reports whether id is in the latest configuration.
func (r *Replica) isMember(id string) bool {
	for _, s := range r.servers() {
		if string(s.ID) == id {
			return true
		}
	}
	return false
}

// errStranger is the answer to somebody who is no member.
var errStranger = fault.New(fault.Unauthorized, "not a member of this cluster")
