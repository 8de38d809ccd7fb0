package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/node"
)

// checkExpired reads c's whole stream until every key of want has gone, and
// checks that each went once, for the right reason and not before its time.
func checkExpired(t *testing.T, c *Client, want map[string]int64) {
	t.Helper()
	s, err := c.Stream(requestContext(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gone := map[string]bool{}
	for len(gone) < len(want) {
		e, err := s.Next()
		if err != nil {
			t.Fatalf("%d of %d keys have expired: %v", len(gone), len(want), err)
		}
		if e.Type != "state_deleted" {
			continue
		}
		var record struct {
			TS   int64 `json:"ts_ms"`
			Data struct{ Key, Reason string }
		}
		if err := json.Unmarshal(e.Data, &record); err != nil {
			t.Fatal(err)
		}
		deadline, ours := want[record.Data.Key]
		switch late := record.TS - deadline; {
		case !ours:
			t.Errorf("%s was deleted", record.Data.Key)
		case gone[record.Data.Key]:
			t.Errorf("%s expired twice", record.Data.Key)
		case record.Data.Reason != "ttl":
			t.Errorf("%s went for reason %q", record.Data.Key, record.Data.Reason)
		case late < 0:
			t.Errorf("%s expired %d ms before its time", record.Data.Key, -late)
		}
		gone[record.Data.Key] = true
	}
}

func TestExpireOnce(t *testing.T) {
	c := Start(t, 3)
	want := map[string]int64{}
	for i := range 100 {
		m := c.members[i%3]
		ttl := uint64(i%5) * 100
		item, _, err := m.Put(c.ctx(), fmt.Sprintf("k%d", i), Put{Value: []byte("1"), TTL: &ttl})
		c.must(err)
		want[item.Key] = *item.ExpiresAt
	}
	kept := c.Leader().set("kept", "v")
	start := time.Now()
	for _, m := range c.members {
		checkExpired(t, m.Client, want)
	}
	if took := time.Since(start); took > 2*time.Second+400*time.Millisecond {
		t.Errorf("the last key went %s after the last write", took)
	}
	for _, m := range c.members {
		_, _, err := m.Get(c.ctx(), "k4", fmt.Sprintf("min_offset=%d", kept))
		var f *Failure
		if !errors.As(err, &f) || f.Status != http.StatusNotFound {
			t.Errorf("%s still answers an expired key: %v", m.ID, err)
		}
		m.expect("kept", "v", kept)
	}
}

// TestExpireOverLeaderKill: keys that fall due around the death of the leader
// go once, by the hand of whoever leads then.
func TestExpireOverLeaderKill(t *testing.T) {
	c := StartProcesses(t, 3)
	leader := c.Leader()
	want := map[string]int64{}
	for i := range 60 {
		ttl := 500 + uint64(i)*30
		item, _, err := leader.Put(requestContext(t), fmt.Sprintf("k%d", i), Put{Value: []byte("1"), TTL: &ttl})
		if err != nil {
			t.Fatal(err)
		}
		want[item.Key] = *item.ExpiresAt
	}
	waitFor(t, "the first key to expire", func() error {
		_, _, err := leader.Get(requestContext(t), "k0", "")
		var f *Failure
		if errors.As(err, &f) && f.Status == http.StatusNotFound {
			return nil
		}
		return errNotYet
	})
	leader.Kill()
	for _, p := range c.Up() {
		checkExpired(t, p.Client, want)
	}
	leader.Start()
	c.WaitReady()
	checkExpired(t, leader.Client, want)
}

// TestExpireWithWrongClock: the leader's time of day is an hour ahead of the
// others'. Keys keep their time to live, and their deadlines are told in the
// time of day that most members agree on.
func TestExpireWithWrongClock(t *testing.T) {
	c := Start(t, 3, Options{Node: func(cfg *node.Config) {
		if cfg.ID == "n1" {
			cfg.Wall = func() time.Time { return time.Now().Add(time.Hour) }
		}
	}})
	for _, id := range []string{"n1", "n2", "n1"} {
		c.handOver(id)
		short, long := uint64(300), uint64(60_000)
		item, _, err := c.members[2].Put(c.ctx(), "short", Put{Value: []byte("1"), TTL: &short})
		c.must(err)
		kept, offset, err := c.members[2].Put(c.ctx(), "long", Put{Value: []byte("1"), TTL: &long})
		c.must(err)
		if wrong := time.Until(time.UnixMilli(*kept.ExpiresAt)) - time.Minute; wrong.Abs() > 10*time.Second {
			t.Errorf("with %s leading, the deadline is %s off", id, wrong)
		}
		c.WaitApplied(offset + 1) // short has gone
		if early := time.Until(time.UnixMilli(*item.ExpiresAt)); early > 10*time.Second {
			t.Errorf("with %s leading, a key went %s early", id, early)
		}
		c.members[2].expectThere("long", offset+1)
	}
}
