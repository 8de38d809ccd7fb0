package e2e

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kissvdb/kissvdb/node"
)

// disks is how much room each member is told it has.
type disks map[string]*atomic.Uint64

func newDisks(ids ...string) disks {
	d := disks{}
	for _, id := range ids {
		d[id] = &atomic.Uint64{}
		d[id].Store(10 << 30)
	}
	return d
}

func (d disks) install(cfg *node.Config) {
	free := d[cfg.ID]
	cfg.FreeSpace = func(string) (uint64, error) { return free.Load(), nil }
}

// TestLowDisk: a leader without room hands over; when nobody has room, writes
// are refused and reads go on; when there is room again, all is well again.
func TestLowDisk(t *testing.T) {
	room := newDisks("n1", "n2", "n3")
	c := Start(t, 3, Options{Node: room.install})
	offset := c.Leader().set("k", "v")
	first := c.Leader()
	room[first.ID].Store(100 << 20)
	c.wait("leadership to move off the full disk", func() error {
		v, err := c.Running()[0].Cluster(c.ctx())
		if err != nil || v.Leader == nil || *v.Leader == first.ID {
			return errNotYet
		}
		return nil
	})
	if ok, why := first.Ready(c.ctx()); ok || !strings.Contains(why, "disk") {
		t.Errorf("the node with the full disk is ready: %v, %s", ok, why)
	}
	offset = max(offset, first.set("through", "the full node"))

	for _, free := range room {
		free.Store(100 << 20)
	}
	for _, m := range c.members {
		c.wait("writes through "+m.ID+" to be refused", func() error {
			_, _, err := m.Set(c.ctx(), "no", "room")
			var f *Failure
			if !errors.As(err, &f) || f.Status != http.StatusInsufficientStorage || f.Code != "insufficient_storage" {
				return errors.Join(errNotYet, err)
			}
			return nil
		})
		m.expect("k", "v", offset)
	}
	for _, free := range room {
		free.Store(10 << 30)
	}
	c.WaitApplied(c.members[0].set("room", "again"))
}

// TestFullFollower: a follower without any room takes no entries and does not
// fail; it serves what it has, and catches up when there is room.
func TestFullFollower(t *testing.T) {
	room := newDisks("n1", "n2", "n3")
	c := Start(t, 3, Options{Node: room.install})
	before := c.Leader().set("k", "before")
	full := c.Followers()[0]
	full.expect("k", "before", before)
	room[full.ID].Store(1 << 20)
	c.wait("the follower to notice", func() error {
		if ok, _ := full.Ready(c.ctx()); ok {
			return errNotYet
		}
		return nil
	})
	after := c.Leader().set("k", "after")
	full.expect("k", "before", before)
	room[full.ID].Store(10 << 30)
	c.WaitApplied(after)
	full.expect("k", "after", after)
}
