package replication

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// maxAppendBytes bounds one AppendEntries message: raft counts entries, not
// bytes, and everything behind a big message waits for it.
const maxAppendBytes = 32 << 20

// transport stands between raft and its network transport.
//
//   - Heartbeats go through raft's main loop like every other message. raft's
//     fast path handles them on the transport's goroutine, where a newer term
//     can change under a leader that is writing entries.
//   - A peer that was down gets entries as soon as it is back. raft backs off
//     up to ten seconds between attempts, so an attempt is held here until the
//     peer answers a handshake.
//   - A node votes, asks for votes and lets itself be told to stand only after
//     a majority confirmed that it has not lost what it promised.
//   - A node whose disk is nearly full takes no entries.
//   - Messages are bounded in bytes, and a snapshot that stops coming is cut off.
type transport struct {
	*raft.NetworkTransport
	peers     *peers
	confirmed func() bool
	term      func() uint64
	consumer  chan raft.RPC
	ctx       context.Context
	full      func() bool    // no room for entries
	stall     time.Duration  // of an incoming snapshot
	wg        sync.WaitGroup // of the watchers of installs

	mu      sync.Mutex
	suspect map[raft.ServerID]bool // whose last message failed
}

func newTransport(ctx context.Context, inner *raft.NetworkTransport, p *peers, confirmed, full func() bool) *transport {
	return &transport{
		NetworkTransport: inner,
		peers:            p,
		confirmed:        confirmed,
		full:             full,
		consumer:         make(chan raft.RPC),
		ctx:              ctx,
		stall:            installStall,
		suspect:          map[raft.ServerID]bool{},
	}
}

// SetHeartbeatHandler implements raft.Transport by declining the fast path.
func (t *transport) SetHeartbeatHandler(func(raft.RPC)) {}

// Consumer implements raft.Transport.
func (t *transport) Consumer() <-chan raft.RPC { return t.consumer }

// filter passes messages on to raft until the context ends.
func (t *transport) filter() {
	defer t.wg.Wait()
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			if !t.confirmed() && promises(rpc.Command) {
				rpc.Respond(nil, errNotConfirmed)
				continue
			}
			if _, ok := rpc.Command.(*raft.InstallSnapshotRequest); ok {
				rpc = t.watchInstall(rpc)
			}
			if carriesEntries(rpc.Command) && t.full() {
				rpc.Respond(nil, errNoRoom)
				continue
			}
			if !t.inject(t.ctx, rpc) {
				rpc.Respond(nil, raft.ErrTransportShutdown)
				return
			}
		case <-t.ctx.Done():
			return
		}
	}
}

// promises tells the messages that ask for a vote or for a candidacy.
func promises(command any) bool {
	switch command.(type) {
	case *raft.RequestVoteRequest, *raft.RequestPreVoteRequest, *raft.TimeoutNowRequest:
		return true
	}
	return false
}

// errNoRoom refuses entries before they touch the log, where a failed write
// would end the process. Reads and heartbeats go on.
var errNoRoom = errors.New("replication: no room for entries on this node's disk")

func carriesEntries(command any) bool {
	req, ok := command.(*raft.AppendEntriesRequest)
	return ok && len(req.Entries) > 0
}

// inject hands raft a message as if it had come from the network.
func (t *transport) inject(ctx context.Context, rpc raft.RPC) bool {
	select {
	case t.consumer <- rpc:
		return true
	case <-ctx.Done():
		return false
	}
}

// AppendEntries implements raft.Transport.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if isHeartbeat(args) {
		return t.NetworkTransport.AppendEntries(id, target, args, resp)
	}
	if err := t.waitReachable(id, target, args.Term); err != nil {
		return err
	}
	truncate(args)
	err := t.NetworkTransport.AppendEntries(id, target, args, resp)
	t.mark(id, err != nil)
	return err
}

// isHeartbeat tells raft's heartbeats: they carry nothing but the term.
func isHeartbeat(args *raft.AppendEntriesRequest) bool {
	return len(args.Entries) == 0 && args.PrevLogEntry == 0 && args.LeaderCommitIndex == 0
}

// waitReachable holds an attempt to a peer that did not answer the last one
// until it answers a handshake, this node no longer leads in term, or the end.
func (t *transport) waitReachable(id raft.ServerID, target raft.ServerAddress, term uint64) error {
	t.mu.Lock()
	suspect := t.suspect[id]
	t.mu.Unlock()
	for suspect && t.term() == term {
		ctx, cancel := context.WithTimeout(t.ctx, 500*time.Millisecond)
		err := t.peers.waitReachable(ctx, string(target), string(id))
		cancel()
		if err == nil {
			return nil
		}
		if t.ctx.Err() != nil {
			return raft.ErrTransportShutdown
		}
	}
	return nil
}

func (t *transport) mark(id raft.ServerID, failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.suspect[id] = failed
}

// truncate drops entries past maxAppendBytes; at least one stays. raft goes
// on from the last entry that was sent.
func truncate(args *raft.AppendEntriesRequest) {
	size := 0
	for i, e := range args.Entries {
		size += len(e.Data)
		if i > 0 && size > maxAppendBytes {
			args.Entries = args.Entries[:i]
			return
		}
	}
}

// AppendEntriesPipeline implements raft.Transport.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		t.mark(id, true)
		return nil, err
	}
	return pipeline{p}, nil
}

// pipeline bounds the messages of raft's pipeline.
type pipeline struct{ raft.AppendPipeline }

// AppendEntries implements raft.AppendPipeline.
func (p pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	truncate(args)
	return p.AppendPipeline.AppendEntries(args, resp)
}

// RequestVote implements raft.Transport.
func (t *transport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if !t.confirmed() {
		return errNotConfirmed
	}
	return t.NetworkTransport.RequestVote(id, target, args, resp)
}

// RequestPreVote implements raft.WithPreVote.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if !t.confirmed() {
		return errNotConfirmed
	}
	return t.NetworkTransport.RequestPreVote(id, target, args, resp)
}
