package node

import (
	"context"
	"errors"
	"time"

	"github.com/kissvdb/kissvdb/fault"
)

// DefaultWait is how long a read waits for MinOffset when Read.Wait is 0.
const DefaultWait = 5 * time.Second

// Read says how fresh a read must be. The zero Read is local: whatever this
// node has applied, at once. Both conditions may be set.
type Read struct {
	Linearizable bool          // reflect every write that was answered, by any node, before this call
	MinOffset    uint64        // reflect at least this offset
	Wait         time.Duration // at most this long for MinOffset; 0 = DefaultWait
}

// await returns once this node may answer a read of level r. The caller then
// looks at data and offset together under one fsm.View.
func (n *Node) await(ctx context.Context, r Read) error {
	if r.Linearizable {
		if err := n.replica.ReadIndex(ctx); err != nil {
			return n.readFault(err)
		}
	}
	if r.MinOffset <= n.fsm.Offset() {
		return nil
	}
	if r.Wait == 0 {
		r.Wait = DefaultWait
	}
	ctx, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	if err := n.fsm.WaitOffset(ctx, r.MinOffset); err != nil {
		now := n.fsm.Offset()
		return fault.New(fault.StaleRead, "this node has applied offset %d, asked for %d", now, r.MinOffset).At(now)
	}
	return nil
}

// readFault turns a read index that could not be had into a fault. A read
// writes nothing, so running out of time is not an unknown outcome: it is
// no leader within reach.
func (n *Node) readFault(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || fault.Is(err, fault.Timeout) {
		return fault.New(fault.NoLeader, "no leader confirmed the read in time").At(n.fsm.Offset())
	}
	var f *fault.Error
	if errors.As(n.fault(err), &f) && !f.HasOffset {
		return f.At(n.fsm.Offset())
	}
	return err
}
