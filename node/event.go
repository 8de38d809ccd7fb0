package node

import (
	"context"

	"github.com/kissvdb/kissvdb/fsm/event"
)

// Events returns the ordered stream of every change, as far as this node has
// applied it.
func (n *Node) Events() *event.Log { return n.fsm.Events() }

// LeaderHead returns an offset that is at or above every offset the cluster
// had answered before the call: what lies beyond it has never been. It fails
// with fault.NoLeader when no leader confirms it.
func (n *Node) LeaderHead(ctx context.Context) (uint64, error) {
	if err := n.replica.ReadIndex(ctx); err != nil {
		return 0, n.readFault(err)
	}
	return n.fsm.Offset(), nil
}
