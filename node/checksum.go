package node

import (
	"context"

	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// Checksum makes every node hash its state at one place of the log and
// returns this node's hash of it. Equal indexes must have equal hashes.
func (n *Node) Checksum(ctx context.Context) (fsm.Checksum, error) {
	res, err := n.propose(ctx, record.Checksum{}.Append(nil))
	if err != nil {
		return fsm.Checksum{}, err
	}
	sum, err := n.fsm.WaitChecksum(ctx, res.Index)
	if err != nil {
		return fsm.Checksum{}, n.fault(err)
	}
	return sum, nil
}

// Checksums returns this node's newest checksums, oldest first.
func (n *Node) Checksums() []fsm.Checksum { return n.fsm.Checksums() }
