package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/vector"
	"github.com/kissvdb/kissvdb/replication"
)

// Peer is a member's id and its peer address, host:port.
type Peer = replication.Member

// Config is what a node is opened with. ID and, with peers, Dir and
// PeerAddress are required.
type Config struct {
	ID      string // this member's id
	Dir     string // data directory; empty = memory only, for one node alone
	URL     string // how clients reach this node, told to the other members
	Version string // of the program, told to the other members

	PeerAddress string   // address of the peer port as the other members dial it
	PeerBind    string   // where the peer port listens; empty = PeerAddress
	Peers       []Peer   // founding members, this one among them; empty = a node alone
	Join        []string // peer addresses of a running cluster to join
	NonVoter    bool     // with Join: stay a read replica

	RequestTimeout   time.Duration // bound of a write on its way to the leader; 0 = 30 s
	SnapshotInterval time.Duration // how often a snapshot is considered; 0 = never by time
	Events           event.Config  // Dir and Logger are filled by Open
	Vectors          vector.Config // Dir, Logger and Vacuumed are filled by Open
	Logger           *slog.Logger

	// What tests set; zero means the default, or the real thing.
	Heartbeat       time.Duration // heartbeat and election timeouts
	SnapshotEntries uint64        // log entries that make a snapshot due
	TrailingLogs    uint64        // log entries kept behind a snapshot
	Wall            func() time.Time
	FreeSpace       func(dir string) (bytes uint64, err error) // room left for the data directory
	Dial            func(ctx context.Context, network, address string) (net.Conn, error)
	Listen          func(network, address string) (net.Listener, error)
}

// validate refuses what could not run and fills what was left open.
func (c *Config) validate() error {
	if c.ID == "" {
		return errors.New("a node needs an id")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.FreeSpace == nil {
		c.FreeSpace = freeSpace
	}
	return nil
}

// replicationConfig is the part of c that the log needs, and its ties to n.
func (n *Node) replicationConfig(dir string) replication.Config {
	c := n.cfg
	interval := c.SnapshotInterval
	if interval == 0 {
		interval = -1
	}
	return replication.Config{
		ID:               c.ID,
		Address:          c.PeerAddress,
		Bind:             c.PeerBind,
		Dir:              dir,
		Peers:            c.Peers,
		Join:             c.Join,
		NonVoter:         c.NonVoter,
		Machine:          n.fsm,
		Info:             n.info,
		Admit:            n.disk.admit,
		Full:             n.disk.full,
		FreeSpace:        c.FreeSpace,
		Logger:           c.Logger.With("component", "replication", "node", c.ID),
		RequestTimeout:   c.RequestTimeout,
		Heartbeat:        c.Heartbeat,
		SnapshotInterval: interval,
		SnapshotEntries:  c.SnapshotEntries,
		TrailingLogs:     c.TrailingLogs,
		Now:              c.Wall,
		Dial:             c.Dial,
		Listen:           c.Listen,
	}
}
