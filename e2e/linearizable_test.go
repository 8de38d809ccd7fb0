package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// opTimeout is how long a client waits for an answer.
const opTimeout = 700 * time.Millisecond

// traffic drives clients over nodes until ctx ends: reads, blind writes and
// compare-and-sets on a few keys, all recorded. A client that has lost an
// answer goes on as another one, as the model demands.
func traffic(ctx context.Context, h *History, nodes []*Client, clients, keys int) *sync.WaitGroup {
	var wg sync.WaitGroup
	for id := range clients {
		wg.Go(func() {
			revisions := make([]uint64, keys)
			for i := 0; ctx.Err() == nil; i++ {
				once, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
				c := nodes[(id+i)%len(nodes)]
				k := (id + i/2) % keys
				key := fmt.Sprintf("reg%d", k)
				var err error
				switch i % 4 {
				case 0:
					err = h.Put(once, id, c, key)
				case 1:
					err = h.CAS(once, id, c, key, revisions[k])
				default:
					revisions[k], err = h.Get(once, id, c, key)
				}
				cancel()
				if err != nil { // do not hammer a node that refuses
					select {
					case <-ctx.Done():
					case <-time.After(20 * time.Millisecond):
					}
				}
			}
		})
	}
	return &wg
}

// TestLinearizableOverLeaderPause stops the leader for longer than its lease.
// The others go on with a new one; the old one wakes up believing that it
// still leads, with clients connected to it.
func TestLinearizableOverLeaderPause(t *testing.T) {
	c := StartProcesses(t, 3)
	h := NewHistory()
	var clients []*Client
	for _, p := range c.nodes {
		clients = append(clients, p.Client)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	wg := traffic(ctx, h, clients, 6, 3)
	for range 2 {
		leader := c.Leader()
		h.waitMore(t, 100)
		leader.Signal(syscall.SIGSTOP)
		others := slices.DeleteFunc(slices.Clone(clients), func(c *Client) bool { return c == leader.Client })
		more, enough := context.WithCancel(ctx)
		alone := traffic(more, h, others, 4, 3)
		waitOtherLeader(t, others[0], leader.ID)
		since := time.Now()
		for _, c := range others {
			waitWrite(t, c)
		}
		t.Logf("all others take writes %s after the new leader", time.Since(since))
		h.waitMore(t, 200)
		enough()
		alone.Wait()
		leader.Signal(syscall.SIGCONT)
		h.waitMore(t, 100)
	}
	stop()
	wg.Wait()
	h.Check(t)
}

// TestLinearizableOverPartition cuts the leader off, so that for a while two
// nodes believe that they lead.
func TestLinearizableOverPartition(t *testing.T) {
	c := Start(t, 3)
	h := NewHistory()
	var clients []*Client
	for _, m := range c.members {
		clients = append(clients, m.Client)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	wg := traffic(ctx, h, clients, 6, 3)
	for range 2 {
		old := c.Leader()
		h.waitMore(t, 100)
		c.Partition(old)
		others := slices.DeleteFunc(c.Running(), func(m *Member) bool { return m == old })
		waitOtherLeader(t, others[0].Client, old.ID)
		since := time.Now()
		for _, m := range others {
			waitWrite(t, m.Client)
		}
		t.Logf("all others take writes %s after the new leader", time.Since(since))
		h.waitMore(t, 40)
		c.Heal(old)
	}
	stop()
	wg.Wait()
	h.Check(t)
}

// waitOtherLeader waits until c's node follows somebody else than old.
func waitOtherLeader(t testing.TB, c *Client, old string) {
	t.Helper()
	waitFor(t, "another leader than "+old, func() error {
		v, err := c.Cluster(requestContext(t))
		if err == nil && (v.Leader == nil || *v.Leader == old) {
			err = errNotYet
		}
		return err
	})
}

// waitWrite waits until c's node takes a write: nothing that was on its way
// to a lost leader may hold up what comes after.
func waitWrite(t testing.TB, c *Client) {
	t.Helper()
	waitFor(t, "a write through "+c.URL, func() error {
		ctx, cancel := context.WithTimeout(requestContext(t), opTimeout)
		defer cancel()
		_, _, err := c.Set(ctx, "any", "value")
		return err
	})
}

// waitMore waits until n more operations have been answered.
func (h *History) waitMore(t testing.TB, n int) {
	t.Helper()
	start := h.len()
	waitFor(t, fmt.Sprintf("%d more operations", n), func() error {
		if got := h.len() - start; got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}

// TestCheckerSeesStaleReads: the same checker finds the fault when the
// product is asked for less, a local read on a node that is cut off.
func TestCheckerSeesStaleReads(t *testing.T) {
	c := Start(t, 3)
	h := NewHistory()
	leader, behind := c.Leader(), c.Followers()[0]
	c.must(h.Put(c.ctx(), 0, leader.Client, "k"))
	c.WaitApplied(1)
	c.Partition(behind)
	c.must(h.Put(c.ctx(), 0, leader.Client, "k"))
	if _, err := h.read(c.ctx(), 1, behind.Client, "k", "consistency=local"); err != nil {
		t.Fatal(err)
	}
	if result, _ := h.judge(); result != porcupine.Illegal {
		t.Errorf("the checker says %s of a stale read", result)
	}
}
