package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
)

// waitMembers waits until m sees exactly these members, id -> voter, all reachable.
func (c *Cluster) waitMembers(m *Member, want map[string]bool) {
	c.t.Helper()
	c.wait(fmt.Sprintf("members %v", want), func() error {
		v, err := m.Cluster(c.ctx())
		if err != nil {
			return err
		}
		got := map[string]bool{}
		for _, member := range v.Members {
			if !member.Reachable {
				return fmt.Errorf("%s is not reachable", member.ID)
			}
			got[member.ID] = member.Voter
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("members %v", got)
		}
		return nil
	})
}

// handOver gives leadership to a member, by a request to a follower.
func (c *Cluster) handOver(id string) {
	c.t.Helper()
	_, err := c.Followers()[0].Do(c.ctx(), http.MethodPost, "/v1/cluster/leader", map[string]string{"id": id}, nil)
	c.must(err)
	c.wait(id+" to lead", func() error {
		if l := c.Leader(); l.ID != id {
			return fmt.Errorf("%s leads", l.ID)
		}
		return nil
	})
}

func TestMembership(t *testing.T) {
	c := Start(t, 3)
	offset := c.Leader().set("k", "1")
	fourth := c.Join("n4")
	c.waitMembers(c.Leader(), map[string]bool{"n1": true, "n2": true, "n3": true, "n4": true})
	fourth.expect("k", "1", offset)
	c.WaitApplied(fourth.set("k", "2"))

	c.handOver("n4")
	fourth.set("k", "3")

	// A leader that is removed lets go of its office.
	c.wait("n4 to be removed", func() error {
		_, err := c.members[0].Do(c.ctx(), http.MethodDelete, "/v1/cluster/members/n4", nil, nil)
		return err
	})
	fourth.removed = true
	c.waitMembers(c.Leader(), map[string]bool{"n1": true, "n2": true, "n3": true})
	fourth.Stop()
	c.WaitApplied(c.Leader().set("k", "4"))
}

func TestClusterView(t *testing.T) {
	c := Start(t, 3)
	offset := c.Leader().set("k", "v")
	c.WaitApplied(offset)
	leader := c.Leader()
	for _, m := range c.Running() {
		v, err := m.Cluster(c.ctx())
		c.must(err)
		if v.Node != m.ID || v.Leader == nil || *v.Leader != leader.ID || len(v.Members) != 3 {
			t.Fatalf("%s sees %+v", m.ID, v)
		}
		for _, other := range v.Members {
			own := c.members[other.ID[1]-'1']
			role := "follower"
			if own == leader {
				role = "leader"
			}
			if other.URL != own.URL || other.Address != own.config.PeerAddress || other.Role != role ||
				!other.Voter || !other.Reachable || other.AppliedOffset != offset || other.Lag != 0 || other.Version != "test" {
				t.Errorf("%s sees %+v", m.ID, other)
			}
		}
	}
}
