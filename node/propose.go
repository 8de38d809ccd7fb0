package node

import (
	"context"
	"errors"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// propose puts one encoded record on the log and returns what applying it
// answered, once this node has applied it too. The error is a *fault.Error:
// one that the store decided carries the offset it was decided at; of the
// others only fault.Timeout leaves the outcome open.
//
// rec must not be changed afterwards: after a timeout it may still be on its
// way to the leader.
func (n *Node) propose(ctx context.Context, rec []byte) (record.Result, error) {
	out, err := n.replica.Propose(ctx, rec)
	if err != nil {
		return record.Result{}, n.fault(err)
	}
	res, err := record.DecodeResult(out)
	if err != nil {
		n.log.Error("result does not decode", "error", err)
		return record.Result{}, fault.New(fault.Internal, "result: %v", err)
	}
	if res.Fault != nil {
		return res, res.Fault
	}
	return res, nil
}

// fault makes any error of the floors below a *fault.Error.
func (n *Node) fault(err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.New(fault.Timeout, "the request ended before its outcome was known")
	}
	return fault.New(fault.Internal, "%v", err)
}
