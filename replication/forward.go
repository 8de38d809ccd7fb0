package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kissvdb/kissvdb/fault"
)

// A follower forwards what waits as one batch of records, the same bytes the
// log will hold, and the leader answers with the results and the entry's
// place in the log.
//
// Request: number of records, then each as a varint length and bytes.
// Answer: leader's term, the entry's index and term, number of results, each
// as a varint length and bytes. All numbers are unsigned varints.

var errMalformed = errors.New("replication: malformed message")

// forward sends a batch to the leader and finishes its proposals once this
// node has applied them. A refusal puts them back.
func (r *Replica) forward(leader Member, batch []*proposal) {
	var records [][]byte
	for _, p := range batch {
		records = append(records, p.records...)
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.RequestTimeout)
	defer cancel()
	reply, err := r.peers.call(ctx, leader.Address, leader.ID, classBulk, methodForward, encodeList(nil, records))
	if err == nil {
		var o outcome
		if o, err = decodeForwarded(reply, len(records)); err == nil {
			r.noteCommit(commitNotice{leader: leader, leading: o.leading, at: o.at})
			// The answer stands even if this node cannot catch up in time.
			_ = r.machine.applied.wait(ctx, o.at.index)
			answer(batch, o)
			return
		}
	}
	if notWritten(err) {
		r.queue.giveBack(batch)
		r.pause()
		r.wakePump()
		return
	}
	r.log.Warn("forwarding to the leader failed", "leader", leader.ID, "writes", len(records), "error", err)
	answer(batch, outcome{err: err})
}

// notWritten tells the failures of a call to the leader after which the same
// records may be sent again: it never arrived, or it was refused.
func notWritten(err error) bool {
	return fault.Is(err, fault.NoLeader) || errors.Is(err, errNotSent)
}

// serveForward is the leader's side.
func (r *Replica) serveForward(ctx context.Context, _ string, req []byte) ([]byte, error) {
	records, err := decodeList(req)
	if err != nil {
		return nil, err
	}
	if _, ok := r.leading(); !ok || len(records) == 0 {
		return nil, errNotLeader
	}
	p := newProposal(records, true)
	if err := r.queue.put(p); err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		if p.abandon() {
			return nil, errNotLeader
		}
		return nil, context.Cause(ctx)
	}
	if p.outcome.err != nil {
		if definite(p.outcome.err) {
			return nil, errNotLeader
		}
		return nil, p.outcome.err
	}
	return encodeForwarded(p.outcome), nil
}

func encodeForwarded(o outcome) []byte {
	var b []byte
	b = binary.AppendUvarint(b, o.leading)
	b = binary.AppendUvarint(b, o.at.index)
	b = binary.AppendUvarint(b, o.at.term)
	return encodeList(b, o.results)
}

func decodeForwarded(b []byte, want int) (outcome, error) {
	var o outcome
	var err error
	for _, v := range []*uint64{&o.leading, &o.at.index, &o.at.term} {
		if *v, b, err = takeUvarint(b); err != nil {
			return outcome{}, err
		}
	}
	if o.results, err = decodeList(b); err != nil {
		return outcome{}, err
	}
	if len(o.results) != want {
		return outcome{}, fmt.Errorf("%w: %d results for %d records", errMalformed, len(o.results), want)
	}
	return o, nil
}

func encodeList(dst []byte, items [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, item := range items {
		dst = binary.AppendUvarint(dst, uint64(len(item)))
		dst = append(dst, item...)
	}
	return dst
}

// decodeList returns slices of b.
func decodeList(b []byte) ([][]byte, error) {
	n, b, err := takeUvarint(b)
	if err != nil || n > uint64(len(b)) {
		return nil, errMalformed
	}
	items := make([][]byte, n)
	for i := range items {
		var size uint64
		if size, b, err = takeUvarint(b); err != nil || size > uint64(len(b)) {
			return nil, errMalformed
		}
		items[i], b = b[:size:size], b[size:]
	}
	if len(b) != 0 {
		return nil, errMalformed
	}
	return items, nil
}

func takeUvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errMalformed
	}
	return v, b[n:], nil
}
