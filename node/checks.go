package node

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check is one fact about the node's health: well when Err is nil.
type Check struct {
	Name   string
	Err    error
	Detail string
}

// Live tells whether this process can still do its work; when not, only a
// restart helps.
func (n *Node) Live() []Check { return []Check{n.checkStore()} }

// readyWait bounds how long Ready looks for the leader's word.
const readyWait = time.Second

// Ready tells whether this node should be sent requests. It does what a
// linearizable read does: what this node believes of leader and commit index
// may be old, above all after a start; the leader's answer is not.
func (n *Node) Ready(ctx context.Context) []Check {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	err := n.replica.ReadIndex(ctx)
	status := n.replica.Status()
	leader := Check{Name: "leader", Detail: status.Leader.ID}
	if status.Leader.ID == "" {
		leader.Err = errors.New("no leader is known")
	}
	applied := Check{Name: "applied", Detail: fmt.Sprintf("entry %d of %d", status.AppliedIndex, status.CommitIndex)}
	if err != nil {
		applied.Err = errors.New("this node has not applied what is committed")
	}
	return []Check{leader, applied, n.checkStore(), n.checkDisk()}
}

func (n *Node) checkStore() Check {
	c := Check{Name: "store", Detail: fmt.Sprintf("offset %d", n.fsm.Offset())}
	if failure := n.failure.Load(); failure != nil {
		c.Err = *failure
	}
	return c
}

func (n *Node) checkDisk() Check {
	if n.disk.dir == "" {
		return Check{Name: "disk", Detail: "memory only"}
	}
	c := Check{Name: "disk", Detail: fmt.Sprintf("%d MiB free", n.disk.free.Load()>>20)}
	if err := n.disk.err.Load(); err != nil {
		c.Err = *err
	} else if n.disk.low.Load() {
		c.Err = fmt.Errorf("below the reserve of %d MiB", diskReserve>>20)
	}
	return c
}
