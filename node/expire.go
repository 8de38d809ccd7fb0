package node

import (
	"context"
	"time"

	"github.com/kissvdb/kissvdb/fsm/record"
)

const (
	// expireBatch is how many keys one record deletes at most, so that a
	// million keys of one deadline do not hold up the writes beside them.
	expireBatch = 1000
	// expireTimeout bounds one proposal of the loop.
	expireTimeout = 5 * time.Second
	// expireRetry is the pause after a proposal that did nothing: the log
	// refused it, or the leader's clock has not quite reached the deadline.
	expireRetry = 50 * time.Millisecond
)

// expire deletes keys as they fall due: while this node leads, it sleeps
// until the earliest deadline and proposes one record at a time. Other nodes
// and readers never delete; what is due is decided by the store's clock.
func (n *Node) expire(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	leading := false
	for {
		if leading {
			timer.Reset(n.expireDue(ctx))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case leading = <-n.replica.Leadership():
		case <-n.fsm.ExpiryChanged():
		case <-timer.C:
		}
	}
}

// expireDue deletes all keys that are due and returns how long to sleep.
func (n *Node) expireDue(ctx context.Context) time.Duration {
	const never = time.Duration(1<<63 - 1)
	for {
		deadline, ok := n.fsm.NextExpiry()
		if !ok {
			return never
		}
		if wait := deadline - n.fsm.Now(); wait > 0 {
			return time.Duration(min(wait, int64(never/time.Millisecond))) * time.Millisecond
		}
		if !n.replica.Status().Leads || !n.expireOnce(ctx) {
			return expireRetry
		}
	}
}

// expireOnce reports whether a key was deleted.
func (n *Node) expireOnce(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, expireTimeout)
	defer cancel()
	rec := record.StateExpire{Max: expireBatch}
	res, err := n.propose(ctx, rec.Append(nil))
	if err != nil {
		n.log.Debug("expiry not written", "error", err)
		return false
	}
	return res.Count > 0
}
