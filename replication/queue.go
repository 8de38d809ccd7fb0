package replication

import (
	"sync"
	"sync/atomic"

	"github.com/kissvdb/kissvdb/fault"
)

// Bounds of what waits for the log on one node, and of one entry. An entry
// of many records is at most maxEntryBytes; a larger record travels alone.
const (
	maxEntryBytes    = 256 << 10
	maxEntryRecords  = 4096
	maxWaitingBytes  = 64 << 20
	maxWaitingBlocks = 16384
)

// MaxRecordBytes is the largest record Propose takes. The log store refuses
// entries of 64 MiB; half of that leaves room for every envelope around it.
const MaxRecordBytes = 32 << 20

// The states of a proposal. Whoever moves it out of queued decides its fate.
const (
	stateQueued    int32 = iota
	stateTaken           // on its way to the log: the outcome is unknown until it is answered
	stateAbandoned       // its client is gone, and nothing was written
)

// proposal is records that wait for the log together: one record of a local
// client, or the batch another node forwarded.
type proposal struct {
	records   [][]byte
	bytes     int
	forwarded bool // from another node: only to be committed here, never sent on
	state     atomic.Int32
	done      chan struct{} // closed by finish
	outcome   outcome
}

// outcome is what became of a proposal: err, or one result per record and
// where in the log they are.
type outcome struct {
	results [][]byte
	at      position
	leading uint64 // the term of the leader that answered
	err     error
}

func newProposal(records [][]byte, forwarded bool) *proposal {
	p := &proposal{records: records, forwarded: forwarded, done: make(chan struct{})}
	for _, rec := range records {
		p.bytes += len(rec)
	}
	return p
}

// abandon gives a queued proposal up. False: it is too late, or it is done.
func (p *proposal) abandon() bool { return p.state.CompareAndSwap(stateQueued, stateAbandoned) }

func (p *proposal) finish(o outcome) {
	p.outcome = o
	close(p.done)
}

// queue holds proposals until the pump takes them, in order.
type queue struct {
	mu     sync.Mutex
	items  []*proposal
	bytes  int
	closed bool
	wake   chan struct{} // signalled when there may be something to take
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put appends p. It refuses, and nothing is written, when too much waits already.
func (q *queue) put(p *proposal) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return fault.New(fault.NoLeader, "this node is stopping")
	}
	if len(q.items) >= maxWaitingBlocks || (len(q.items) > 0 && q.bytes+p.bytes > maxWaitingBytes) {
		return fault.New(fault.Overloaded, "too many writes are waiting on this node")
	}
	q.items = append(q.items, p)
	q.bytes += p.bytes
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes proposals from the front up to the bounds of one entry, at
// least one, and marks them taken. Abandoned ones are dropped.
func (q *queue) take() []*proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []*proposal
	bytes, records, n := 0, 0, 0
	for _, p := range q.items {
		full := len(batch) > 0 && (bytes+p.bytes > maxEntryBytes || records+len(p.records) > maxEntryRecords)
		if full {
			break
		}
		n++
		q.bytes -= p.bytes
		if !p.state.CompareAndSwap(stateQueued, stateTaken) {
			continue
		}
		batch = append(batch, p)
		bytes += p.bytes
		records += len(p.records)
	}
	clear(q.items[:n])
	q.items = q.items[n:]
	if len(q.items) == 0 {
		q.items = nil // let go of the array that was walked through
	} else {
		q.signal()
	}
	return batch
}

// giveBack returns proposals that were surely not written to the front.
func (q *queue) giveBack(batch []*proposal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := make([]*proposal, 0, len(batch)+len(q.items))
	for _, p := range batch {
		p.state.Store(stateQueued)
		q.bytes += p.bytes
		items = append(items, p)
	}
	q.items = append(items, q.items...)
	if q.closed {
		q.refuseAll()
		return
	}
	q.signal()
}

// bounce answers the forwarded proposals that wait: this node does not lead.
func (q *queue) bounce() {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.items[:0]
	for _, p := range q.items {
		if !p.forwarded {
			kept = append(kept, p)
			continue
		}
		q.bytes -= p.bytes
		if p.state.CompareAndSwap(stateQueued, stateTaken) {
			p.finish(outcome{err: errNotLeader})
		}
	}
	clear(q.items[len(kept):])
	q.items = kept
}

// close refuses what waits and everything after.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.refuseAll()
}

func (q *queue) refuseAll() {
	for _, p := range q.items {
		if p.state.CompareAndSwap(stateQueued, stateTaken) {
			p.finish(outcome{err: fault.New(fault.NoLeader, "this node is stopping")})
		}
	}
	q.items, q.bytes = nil, 0
}
