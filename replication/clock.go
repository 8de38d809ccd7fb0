package replication

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// clocks knows how far the voters' wall clocks are from this node's. The
// lower median over all voters vouches for the time of day: one clock that is
// an hour off, this node's own included, does not move it.
type clocks struct {
	mu      sync.Mutex
	offsets map[string]time.Duration // theirs minus ours, by member
}

// clockPeriod is how often voters are asked for their time.
const clockPeriod = 5 * time.Second

func (c *clocks) set(id string, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offsets == nil {
		c.offsets = map[string]time.Duration{}
	}
	c.offsets[id] = offset
}

// median is the lower median over voters whose clock is known; ours is 0.
func (c *clocks) median(voters []Member, self string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var known []time.Duration
	for _, v := range voters {
		if v.ID == self {
			known = append(known, 0)
		} else if d, ok := c.offsets[v.ID]; ok {
			known = append(known, d)
		}
	}
	if len(known) == 0 {
		return 0
	}
	slices.Sort(known)
	return known[(len(known)-1)/2]
}

// ClockOffset is the lower median over the voters of (their wall clock -
// ours); 0 while none is known.
func (r *Replica) ClockOffset() time.Duration { return r.clocks.median(r.voters(), r.cfg.ID) }

// watchClocks asks the other voters for their time now and then.
func (r *Replica) watchClocks() {
	tick := time.NewTicker(clockPeriod)
	defer tick.Stop()
	for {
		for _, v := range r.voters() {
			if v.ID != r.cfg.ID {
				r.askTime(v)
			}
		}
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Replica) askTime(v Member) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.ProbeTimeout)
	defer cancel()
	sent := r.cfg.Now()
	reply, err := r.peers.call(ctx, v.Address, v.ID, classControl, methodTime, nil)
	if err != nil || len(reply) != 8 {
		return
	}
	r.learnTime(v.ID, int64(binary.BigEndian.Uint64(reply)), sent)
}

// learnTime notes a wall clock reading (Unix ns) that arrived in answer to a
// question sent at our own time sent.
func (r *Replica) learnTime(id string, theirs int64, sent time.Time) {
	now := r.cfg.Now()
	middle := sent.Add(now.Sub(sent) / 2)
	r.clocks.set(id, time.Unix(0, theirs).Sub(middle))
}

func (r *Replica) serveTime(context.Context, string, []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(r.cfg.Now().UnixNano())), nil
}
