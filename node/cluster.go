package node

import (
	"context"
	"encoding/json"
	"time"
)

// clusterTimeout bounds the questions a node asks the other members on its
// own account.
const clusterTimeout = 2 * time.Second

// Cluster is what this node knows of the cluster.
type Cluster struct {
	Cluster string   `json:"cluster"` // its id
	Node    string   `json:"node"`    // this member's id
	Leader  *string  `json:"leader"`  // member id; null when none is known
	Term    uint64   `json:"term"`
	Members []Member `json:"members"`
}

// Member is one member as this node sees it. The fields after Reachable are
// what the member told about itself; they are zero when it is not reachable.
type Member struct {
	ID            string `json:"id"`
	URL           string `json:"url"`
	Address       string `json:"address"`
	Voter         bool   `json:"voter"`
	Role          string `json:"role"`
	Reachable     bool   `json:"reachable"`
	AppliedOffset uint64 `json:"applied_offset"`
	Lag           uint64 `json:"lag"` // the leader's applied offset minus this member's
	Version       string `json:"version"`
}

// info is what a member tells the others about itself.
type info struct {
	URL     string `json:"url"`
	Offset  uint64 `json:"offset"`
	Version string `json:"version"`
	DiskLow bool   `json:"disk_low,omitempty"`
}

// info is called by replication whenever a member asks.
func (n *Node) info() []byte {
	b, err := json.Marshal(info{
		URL:     n.cfg.URL,
		Offset:  n.fsm.Offset(),
		Version: n.cfg.Version,
		DiskLow: n.disk.low.Load(),
	})
	if err != nil {
		return nil
	}
	return b
}

// decodeInfo returns the zero info for a member that told nothing we know.
func decodeInfo(b []byte) info {
	var i info
	if json.Unmarshal(b, &i) != nil {
		return info{}
	}
	return i
}

// Cluster asks the members, each for a bounded time, and returns what they told.
func (n *Node) Cluster(ctx context.Context) (Cluster, error) {
	status := n.replica.Status()
	c := Cluster{Cluster: status.Cluster, Node: status.ID, Term: status.Term}
	if status.Leader.ID != "" {
		c.Leader = &status.Leader.ID
	}
	var head uint64
	for _, m := range n.replica.Members(ctx) {
		i := decodeInfo(m.Info)
		c.Members = append(c.Members, Member{
			ID: m.ID, URL: i.URL, Address: m.Address, Voter: m.Voter, Role: m.Role,
			Reachable: m.Reachable, AppliedOffset: i.Offset, Version: i.Version,
		})
		if m.ID == status.Leader.ID {
			head = i.Offset
		}
	}
	for i := range c.Members {
		if m := &c.Members[i]; m.Reachable && m.AppliedOffset < head {
			m.Lag = head - m.AppliedOffset
		}
	}
	return c, nil
}

// AddMember adds a member that is, or soon will be, listening at address.
func (n *Node) AddMember(ctx context.Context, id, address string, voter bool) error {
	if err := n.replica.AddMember(ctx, id, address, voter); err != nil {
		return n.fault(err)
	}
	return nil
}

// RemoveMember removes a member for good.
func (n *Node) RemoveMember(ctx context.Context, id string) error {
	if err := n.replica.RemoveMember(ctx, id); err != nil {
		return n.fault(err)
	}
	return nil
}

// TransferLeadership hands leadership to the member id, or to the one that
// is furthest along when id is empty.
func (n *Node) TransferLeadership(ctx context.Context, id string) error {
	if err := n.replica.TransferLeadership(ctx, id); err != nil {
		return n.fault(err)
	}
	return nil
}

// Progress is how far this node is with the log, by what it knows itself.
type Progress struct {
	Term                                 uint64
	AppliedIndex, CommitIndex, LastIndex uint64
}

// Progress returns how far this node is with the log. It asks nobody.
func (n *Node) Progress() Progress {
	s := n.replica.Status()
	return Progress{Term: s.Term, AppliedIndex: s.AppliedIndex, CommitIndex: s.CommitIndex, LastIndex: s.LastIndex}
}
