package replication

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"github.com/kissvdb/kissvdb/fault"
)

// closeEnough is how many entries a non-voter may be behind to become a voter.
const closeEnough = 256

// MemberStatus is one member as the asked node sees it now.
type MemberStatus struct {
	Member
	Voter     bool
	Role      string // leader, follower, candidate, non-voter, or unknown when it does not answer
	Reachable bool
	Applied   uint64 // index
	Info      []byte // that member's Config.Info
}

// Status is what this node knows of itself.
type Status struct {
	ID           string
	Cluster      string // empty until the first leader has named it
	Term         uint64
	Leader       Member // zero while unknown
	Leads        bool   // this node is the leader, and its term is open
	Role         string
	Voter        bool
	Confirmed    bool // a majority confirmed this start
	AppliedIndex uint64
	CommitIndex  uint64
	LastIndex    uint64
}

// Status returns what this node knows of itself; it asks nobody.
func (r *Replica) Status() Status {
	s := Status{
		ID: r.cfg.ID, Term: r.raft.CurrentTerm(), Role: r.role(), Confirmed: r.confirmed.Load(),
		AppliedIndex: r.machine.applied.position().index,
		CommitIndex:  r.raft.CommitIndex(),
		LastIndex:    r.raft.LastIndex(),
	}
	if c := r.identity.cluster(); c.known() {
		s.Cluster = c.String()
	}
	s.Leader, _ = r.leader()
	_, s.Leads = r.leading()
	for _, v := range r.voters() {
		s.Voter = s.Voter || v.ID == r.cfg.ID
	}
	return s
}

func (r *Replica) role() string {
	switch r.raft.State() {
	case raft.Leader:
		return "leader"
	case raft.Candidate:
		return "candidate"
	}
	for _, s := range r.servers() {
		if string(s.ID) == r.cfg.ID && s.Suffrage != raft.Voter {
			return "non-voter"
		}
	}
	return "follower"
}

// info is what a member tells of itself.
type info struct {
	Role    string `json:"role"`
	Applied uint64 `json:"applied"`
	Info    []byte `json:"info"`
}

func (r *Replica) info() info {
	return info{Role: r.role(), Applied: r.machine.applied.position().index, Info: r.cfg.Info()}
}

func (r *Replica) serveInfo(context.Context, string, struct{}) (info, error) { return r.info(), nil }

// Members asks every member what it is, each for a bounded time.
func (r *Replica) Members(ctx context.Context) []MemberStatus {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProbeTimeout)
	defer cancel()
	servers := r.servers()
	all := make([]MemberStatus, len(servers))
	done := make(chan struct{}, len(servers))
	for i, s := range servers {
		all[i] = MemberStatus{Member: Member{ID: string(s.ID), Address: string(s.Address)}, Voter: s.Suffrage == raft.Voter, Role: "unknown"}
		go func() {
			defer func() { done <- struct{}{} }()
			in, err := r.askInfo(ctx, all[i].Member)
			if err == nil {
				all[i].Reachable, all[i].Role, all[i].Applied, all[i].Info = true, in.Role, in.Applied, in.Info
			}
		}()
	}
	for range servers {
		<-done
	}
	return all
}

func (r *Replica) askInfo(ctx context.Context, m Member) (info, error) {
	if m.ID == r.cfg.ID {
		return r.info(), nil
	}
	return callJSON[info](ctx, r.peers, m, methodInfo, struct{}{})
}

// The operations on the membership, run by the leader.
const (
	opAdd      = "add"
	opRemove   = "remove"
	opTransfer = "transfer"
)

type adminRequest struct {
	Op     string `json:"op"`
	Member Member `json:"member"`
	Voter  bool   `json:"voter,omitempty"`
}

// AddMember adds a node, or changes its address or its vote. A new voter is a
// non-voter until it has caught up; AddMember waits for that as long as ctx allows.
func (r *Replica) AddMember(ctx context.Context, id, address string, voter bool) error {
	if id == "" || len(id) > maxNodeID {
		return fault.New(fault.InvalidArgument, "a member's id has 1 to %d bytes", maxNodeID)
	}
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return fault.New(fault.InvalidArgument, "a member's address is host:port, not %q", address)
	}
	return r.onLeader(ctx, adminRequest{Op: opAdd, Member: Member{ID: id, Address: address}, Voter: voter})
}

// RemoveMember takes a node out of the cluster. The node itself goes on, alone.
func (r *Replica) RemoveMember(ctx context.Context, id string) error {
	return r.onLeader(ctx, adminRequest{Op: opRemove, Member: Member{ID: id}})
}

// TransferLeadership hands leadership to the voter id, or to the most
// up-to-date one when id is empty.
func (r *Replica) TransferLeadership(ctx context.Context, id string) error {
	return r.onLeader(ctx, adminRequest{Op: opTransfer, Member: Member{ID: id}})
}

// onLeader runs req on the leader, wherever it is.
func (r *Replica) onLeader(ctx context.Context, req adminRequest) error {
	for {
		err := error(errNotLeader)
		if _, ok := r.leading(); ok {
			_, err = r.serveAdmin(ctx, r.cfg.ID, req)
		} else if l, ok := r.leader(); ok && l.ID != r.cfg.ID {
			_, err = callJSON[struct{}](ctx, r.peers, l, methodAdmin, req)
		}
		if err == nil || !notWritten(err) || ctx.Err() != nil {
			return r.asAdminFault(err)
		}
		r.waitLeaderChange(ctx)
	}
}

func (r *Replica) asAdminFault(err error) error {
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f) && f.Code != fault.Internal:
		return f
	case notWritten(err), definite(err):
		return r.noLeader("there is no leader")
	}
	return fault.New(fault.Timeout, "the change was not confirmed in time: its outcome is unknown (%v)", err)
}

func (r *Replica) serveAdmin(ctx context.Context, _ string, req adminRequest) (struct{}, error) {
	if _, ok := r.leading(); !ok {
		return struct{}{}, errNotLeader
	}
	var err error
	switch req.Op {
	case opAdd:
		err = r.add(ctx, req.Member, req.Voter)
	case opRemove:
		err = r.remove(ctx, req.Member.ID)
	case opTransfer:
		err = r.transfer(ctx, req.Member.ID)
	default:
		err = fault.New(fault.InvalidArgument, "unknown operation %q", req.Op)
	}
	if err != nil && definite(err) {
		err = errNotLeader
	}
	return struct{}{}, err
}

func (r *Replica) add(ctx context.Context, m Member, voter bool) error {
	now, ok, err := r.lookup(m)
	if err != nil {
		return err
	}
	id, addr := raft.ServerID(m.ID), raft.ServerAddress(m.Address)
	switch {
	case ok && now.Suffrage == raft.Voter && voter: // at most another address
		if now.Address == addr {
			return nil
		}
		return r.change(ctx, r.raft.AddVoter(id, addr, 0, r.cfg.EnqueueTimeout))
	case ok && now.Suffrage == raft.Voter:
		if err := r.change(ctx, r.raft.DemoteVoter(id, 0, r.cfg.EnqueueTimeout)); err != nil {
			return err
		}
	}
	if err := r.change(ctx, r.raft.AddNonvoter(id, addr, 0, r.cfg.EnqueueTimeout)); err != nil || !voter {
		return err
	}
	if err := r.caughtUp(ctx, m); err != nil {
		return err
	}
	return r.change(ctx, r.raft.AddVoter(id, addr, 0, r.cfg.EnqueueTimeout))
}

// lookup finds the member with m's id. An address that another member has is refused.
func (r *Replica) lookup(m Member) (raft.Server, bool, error) {
	var found raft.Server
	ok := false
	for _, s := range r.servers() {
		if string(s.ID) == m.ID {
			found, ok = s, true
		} else if string(s.Address) == m.Address {
			return found, ok, fault.New(fault.AlreadyExists, "member %s has the address %s", s.ID, s.Address)
		}
	}
	return found, ok, nil
}

// caughtUp waits until a non-voter has applied nearly everything.
func (r *Replica) caughtUp(ctx context.Context, m Member) error {
	for {
		in, err := r.askInfo(ctx, m)
		if err == nil && in.Applied+closeEnough >= r.machine.applied.position().index {
			return nil
		}
		t := time.NewTimer(settlePause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fault.New(fault.Timeout, "%s is a non-voter now and has not caught up yet: ask again to give it a vote", m.ID)
		}
	}
}

func (r *Replica) remove(ctx context.Context, id string) error {
	if !r.isMember(id) {
		return fault.New(fault.NotFound, "there is no member %q", id)
	}
	if v := r.voters(); len(v) == 1 && v[0].ID == id {
		return fault.New(fault.InvalidArgument, "%s is the last voter", id)
	}
	return r.change(ctx, r.raft.RemoveServer(raft.ServerID(id), 0, r.cfg.EnqueueTimeout))
}

func (r *Replica) transfer(ctx context.Context, id string) error {
	if id == r.cfg.ID {
		return nil
	}
	if id == "" {
		if len(r.voters()) < 2 {
			return fault.New(fault.InvalidArgument, "there is no other voter")
		}
		return r.change(ctx, r.raft.LeadershipTransfer())
	}
	for _, v := range r.voters() {
		if v.ID == id {
			return r.change(ctx, r.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(v.Address)))
		}
	}
	if r.isMember(id) {
		return fault.New(fault.InvalidArgument, "%s has no vote", id)
	}
	return fault.New(fault.NotFound, "there is no member %q", id)
}

// change waits for one of raft's futures, which have no deadline of their own.
func (r *Replica) change(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.dead:
		return raft.ErrRaftShutdown
	}
}

// joinRequest is a node's wish to be a member. Fresh: it has nothing, or
// lost what it had, so a vote it still has must be taken away first.
type joinRequest struct {
	Member  Member `json:"member"`
	Voter   bool   `json:"voter"`
	Fresh   bool   `json:"fresh"`
	Applied uint64 `json:"applied"`
}

type joinReply struct {
	Leader  *Member `json:"leader,omitempty"` // ask there
	Done    bool    `json:"done"`
	Cluster string  `json:"cluster"`
	Boot    uint64  `json:"boot"` // the highest boot number seen of this node
}

// serveJoin takes the next step for a node that wants to be a member.
func (r *Replica) serveJoin(ctx context.Context, from string, req joinRequest) (joinReply, error) {
	if _, ok := r.leading(); !ok {
		if l, known := r.leader(); known && l.ID != r.cfg.ID {
			return joinReply{Leader: &l}, nil
		}
		return joinReply{}, errNotLeader
	}
	if from != req.Member.ID {
		return joinReply{}, fault.New(fault.InvalidArgument, "node %q asks in the name of %q", from, req.Member.ID)
	}
	reply := joinReply{Cluster: r.identity.cluster().String(), Boot: r.identity.remembered(from)}
	now, ok, err := r.lookup(req.Member)
	if err != nil {
		return joinReply{}, err
	}
	id, addr := raft.ServerID(req.Member.ID), raft.ServerAddress(req.Member.Address)
	voter := ok && now.Suffrage == raft.Voter
	switch {
	case req.Fresh && voter:
		r.log.Info("a voter has lost its data: it has no vote until it has caught up", "member", from)
		err = r.change(ctx, r.raft.DemoteVoter(id, 0, r.cfg.EnqueueTimeout))
	case !ok || now.Address != addr && !voter:
		err = r.change(ctx, r.raft.AddNonvoter(id, addr, 0, r.cfg.EnqueueTimeout))
	case voter && now.Address != addr:
		err = r.change(ctx, r.raft.AddVoter(id, addr, 0, r.cfg.EnqueueTimeout))
	case voter:
		reply.Done = true
	case req.Applied+closeEnough < r.machine.applied.position().index || req.Fresh:
	case req.Voter:
		err = r.change(ctx, r.raft.AddVoter(id, addr, 0, r.cfg.EnqueueTimeout))
		reply.Done = err == nil
	default:
		reply.Done = true
	}
	if err != nil && definite(err) {
		err = errNotLeader
	}
	return reply, err
}
