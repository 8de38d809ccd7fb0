package replication

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// installStall is how long an incoming snapshot may stand still.
const installStall = 10 * time.Second

// raft reads an incoming snapshot on its main loop without a deadline: a
// leader that stops in the middle would hold this node until TCP gives up.
// watchInstall breaks the sender's connections when nothing arrives for
// installStall, and ends with the install.
func (t *transport) watchInstall(rpc raft.RPC) raft.RPC {
	from := string(rpc.Command.(*raft.InstallSnapshotRequest).ID)
	r := &progressReader{Reader: rpc.Reader}
	rpc.Reader = r
	answer := make(chan raft.RPCResponse, 1)
	asked := rpc.RespChan
	rpc.RespChan = answer
	t.wg.Go(func() {
		tick := time.NewTicker(t.stall)
		defer tick.Stop()
		for last := r.n.Load(); ; {
			select {
			case resp := <-answer:
				asked <- resp
				return
			case <-t.ctx.Done():
				return
			case <-tick.C:
			}
			n := r.n.Load()
			if n == last && !r.done.Load() {
				t.peers.closePeer(from)
			}
			last = n
		}
	})
	return rpc
}

// progressReader counts what was read.
type progressReader struct {
	io.Reader
	n    atomic.Int64
	done atomic.Bool // the stream has ended: what goes on is the restore
}

// Read implements io.Reader.
func (r *progressReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.n.Add(int64(n))
	if err != nil {
		r.done.Store(true)
	}
	return n, err
}
