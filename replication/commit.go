package replication

import (
	"github.com/hashicorp/raft"
)

// A follower learns from raft that an entry is committed only with the next
// AppendEntries, up to CommitTimeout later. But the leader's answers to a
// forwarded write and to a read index say just that: the entry at this index
// and term is committed. So the follower hands its own raft the AppendEntries
// the leader could have sent at that moment, without entries: previous entry
// and commit index are the committed one. It is an ordinary message of the
// protocol; raft checks term and previous entry as always.

// commitNotice is a leader's word that the entry at a position is committed.
type commitNotice struct {
	leader  Member
	leading uint64 // the leader's term when it said so
	at      position
}

// noteCommit keeps the newest notice for the committer.
func (r *Replica) noteCommit(n commitNotice) {
	for {
		old := r.notice.Load()
		if old != nil && old.leading >= n.leading && old.at.index >= n.at.index {
			return
		}
		if r.notice.CompareAndSwap(old, &n) {
			break
		}
	}
	select {
	case r.noticed <- struct{}{}:
	default:
	}
}

// committer delivers notices as soon as the entry is in this node's log.
func (r *Replica) committer() {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.noticed:
		case <-r.storage.logs.stored:
		}
		n := r.notice.Load()
		if n == nil || n.at.index <= r.raft.CommitIndex() || n.at.index > r.storage.logs.last.Load() || n.leading < r.raft.CurrentTerm() {
			continue
		}
		r.deliver(n)
	}
}

func (r *Replica) deliver(n *commitNotice) {
	resp := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{RespChan: resp, Command: &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{
			ProtocolVersion: raft.ProtocolVersionMax,
			ID:              []byte(n.leader.ID),
			Addr:            []byte(n.leader.Address),
		},
		Term:              n.leading,
		PrevLogEntry:      n.at.index,
		PrevLogTerm:       n.at.term,
		LeaderCommitIndex: n.at.index,
	}}
	if !r.transport.inject(r.ctx, rpc) {
		return
	}
	select { // one at a time; raft answers every RPC it took, unless it stops
	case <-resp:
	case <-r.ctx.Done():
	case <-r.dead:
	}
}
