package replication

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// clusterID names one cluster for ever. The first leader draws it and the
// log carries it, so that two clusters never mix; all zero = not known yet.
type clusterID [16]byte

func (c clusterID) String() string { return hex.EncodeToString(c[:]) }

func (c clusterID) known() bool { return c != clusterID{} }

func parseClusterID(s string) (clusterID, error) {
	var c clusterID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(c) {
		return c, fmt.Errorf("malformed cluster id %q", s)
	}
	copy(c[:], b)
	return c, nil
}

func newClusterID() clusterID {
	var c clusterID
	_, _ = rand.Read(c[:]) // crypto/rand never fails
	return c
}

// foundingHash is equal on the nodes that were given the same list of
// founding members, in any order; zero without a list. Until the cluster has
// an id it is what tells a fellow founder from a stranger.
func foundingHash(peers []Member) (h [8]byte) {
	if len(peers) == 0 {
		return h
	}
	lines := make([]string, len(peers))
	for i, p := range peers {
		lines[i] = p.ID + "=" + p.Address
	}
	sort.Strings(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	copy(h[:], sum[:])
	return h
}

// identityKey is where the stable store keeps the identity, beside raft's
// own term and vote.
var identityKey = []byte("kissvdb.identity")

// identity is what a data directory knows of itself and of its peers: who it
// belongs to, how often this node was started (its boot number), and the
// highest boot number each peer has shown. A peer that shows a lower one has
// lost its directory or runs an older copy of it: it may have forgotten votes
// and entries it promised to keep.
type identity struct {
	mu     sync.Mutex
	stable raft.StableStore
	state  identityState
	nonce  uint64 // of this start
}

type identityState struct {
	NodeID  string           `json:"node"`
	Cluster string           `json:"cluster,omitempty"`
	Boot    uint64           `json:"boot"`
	Peers   map[string]start `json:"peers,omitempty"`
}

// start is one start of a node: its boot number and a random nonce, since an
// older copy of a directory may come to the same number again.
type start struct {
	Boot  uint64 `json:"boot"`
	Nonce uint64 `json:"nonce"`
}

// openIdentity reads the identity and durably raises the boot number. It
// refuses a directory that belongs to another node.
func openIdentity(stable raft.StableStore, nodeID string) (*identity, error) {
	id := &identity{stable: stable, nonce: mathrand.Uint64()}
	b, err := stable.Get(identityKey)
	if err != nil && !isNotFound(err) {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &id.state); err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		if id.state.NodeID != nodeID {
			return nil, fmt.Errorf("the data directory belongs to node %q, not to %q", id.state.NodeID, nodeID)
		}
		if _, err := id.decodeCluster(); err != nil {
			return nil, err
		}
	}
	id.state.NodeID = nodeID
	id.state.Boot++
	if id.state.Peers == nil {
		id.state.Peers = map[string]start{}
	}
	return id, id.save()
}

// isNotFound tells a missing key: raft's in-memory store has no sentinel for it.
func isNotFound(err error) bool {
	return errors.Is(err, raftboltdb.ErrKeyNotFound) || err.Error() == "not found"
}

// save is called with mu held, or before the identity is shared.
func (id *identity) save() error {
	b, err := json.Marshal(id.state)
	if err != nil {
		return err
	}
	return id.stable.Set(identityKey, b)
}

func (id *identity) decodeCluster() (clusterID, error) {
	var c clusterID
	if id.state.Cluster == "" {
		return c, nil
	}
	return parseClusterID(id.state.Cluster)
}

func (id *identity) cluster() clusterID {
	id.mu.Lock()
	defer id.mu.Unlock()
	c, _ := id.decodeCluster() // checked when it was read
	return c
}

// setCluster makes the cluster's id durable. Another one than before is an error.
func (id *identity) setCluster(c clusterID) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	switch id.state.Cluster {
	case c.String():
		return nil
	case "":
		id.state.Cluster = c.String()
		return id.save()
	}
	return fmt.Errorf("the data directory belongs to cluster %s, not to %s", id.state.Cluster, c)
}

// start returns what this node shows to its peers.
func (id *identity) start() start {
	id.mu.Lock()
	defer id.mu.Unlock()
	return start{Boot: id.state.Boot, Nonce: id.nonce}
}

// raiseBoot durably moves the boot number above floor.
func (id *identity) raiseBoot(floor uint64) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.state.Boot > floor {
		return nil
	}
	id.state.Boot = floor + 1
	return id.save()
}

// meet durably remembers a peer's start and reports whether it is not behind
// what was seen before: a higher number, or the same start again.
func (id *identity) meet(peer string, s start) (ok bool, err error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	seen := id.state.Peers[peer]
	if s == seen {
		return true, nil
	}
	if s.Boot <= seen.Boot {
		return false, nil
	}
	id.state.Peers[peer] = s
	return true, id.save()
}

// remembered returns the highest boot number that peer has shown here.
func (id *identity) remembered(peer string) uint64 {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.state.Peers[peer].Boot
}
