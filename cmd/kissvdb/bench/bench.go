// Package bench loads a running cluster over HTTP and measures it. It knows
// the public API and nothing else.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The operations of a Config.
const (
	OpPut    = "put"
	OpGet    = "get"
	OpMixed  = "mixed" // as many gets as puts
	OpStream = "stream"
	OpIngest = "ingest" // batches of vectors
	OpSearch = "search" // for the nearest vectors
)

// The values of Config.To.
const (
	ToLeader = "leader"
	ToAll    = "all"
)

// requestTimeout is how long one request may take before it is an error.
const requestTimeout = 15 * time.Second

// Config says what to do to which cluster.
type Config struct {
	Endpoints   []string // URLs of nodes; Run finds the leader through them
	Key         string   // API key, empty for an open cluster
	Op          string
	To          string // which of the nodes take the requests, or hold the streams
	Consistency string // of the gets: local or linearizable
	Clients     int    // concurrent connections, one request in flight each
	WarmUp      time.Duration
	Duration    time.Duration // measured, after the warm-up
	ValueBytes  int
	Keys        int
	Rate        int // stream: writes per second; 0 leaves the streams idle
	Vectors     Vectors
	PIDs        []int // server processes on this machine whose processor time is measured
}

// Vectors says what to do to which collection, for ingest and search.
type Vectors struct {
	Collection  string
	Data        string        // start of the names of the files of a set; empty = Config.Keys made-up vectors
	Dim         int           // of made-up vectors
	Batch       int           // vectors of a write
	Base64      bool          // sends vectors as base64 instead of numbers
	SkipLoad    bool          // search: the vectors are there already
	Settle      time.Duration // search: how long graphs may take after loading
	K           int           // hits of a search
	Ef          int           // 0 = the node's choice
	Selectivity float64       // part of the vectors that the filter of a search matches; 1 = no filter
}

// Report is what was measured.
type Report struct {
	Op      string
	Elapsed time.Duration
	Done    uint64 // requests that succeeded, or events that were delivered
	Missed  uint64 // gets of a key that does not exist
	Failed  uint64
	Failure string // the first of them

	P50, P90, P99, Max time.Duration

	got uint64 // by the requests that succeeded

	// Processor time while measuring, with Config.PIDs only.
	Server time.Duration // of them together
	Client time.Duration // of this process

	// Of vectors only.
	Vectors uint64    // written
	Search  *Searched // nil unless they were searched

	// Of streams only.
	Streams int
	Writes  uint64 // acknowledged while measuring
	Missing uint64 // deliveries of acknowledged writes that never came
	Doubled uint64 // deliveries that came again
}

// Searched is what came before measuring the searches, and how good they are.
type Searched struct {
	Load      *Report       // of the vectors; nil when they were there
	Count     uint64        // vectors of the collection
	Unindexed uint64        // of them in no graph, when measuring began
	Settled   time.Duration // how long graphs took after loading
	K         int
	Recall    float64 // part of the K true neighbours that was found, mean over the queries
	Queries   int     // of the recall; 0 = not known, as the set has no truth
}

// Run measures until it is done or ctx ends.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if _, err := startUsage(cfg.PIDs); err != nil {
		return nil, err
	}
	targets, err := findTargets(cfg)
	if err != nil {
		return nil, err
	}
	switch cfg.Op {
	case OpStream:
		return runStreams(ctx, cfg, targets)
	case OpIngest:
		return runIngest(ctx, cfg, targets)
	case OpSearch:
		return runSearch(ctx, cfg, targets)
	}
	return runLoad(ctx, cfg, targets)
}

// targets are the nodes of a run.
type targets struct {
	leader target
	used   []target
}

func findTargets(cfg Config) (targets, error) {
	var found targets
	for _, endpoint := range cfg.Endpoints {
		address, err := addressOf(endpoint)
		if err != nil {
			return found, err
		}
		found.used = append(found.used, newTarget(address, cfg.Key))
	}
	leader, err := findLeader(found.used)
	if err != nil {
		return found, err
	}
	found.leader = newTarget(leader, cfg.Key)
	if cfg.To == ToLeader {
		found.used = []target{found.leader}
	}
	return found, nil
}

// addressOf accepts http://host:port and host:port.
func addressOf(endpoint string) (string, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		return "", fmt.Errorf("endpoint %q is not http://HOST:PORT", endpoint)
	}
	return u.Host, nil
}

// findLeader asks the nodes, one after the other, for the leader's address.
func findLeader(nodes []target) (string, error) {
	err := errors.New("no endpoint")
	for _, node := range nodes {
		var address string
		if address, err = askLeader(node); err == nil {
			return address, nil
		}
	}
	return "", fmt.Errorf("find the leader: %w", err)
}

func askLeader(node target) (string, error) {
	c := newConn(node, requestTimeout)
	defer c.close()
	status, answer, err := c.do("GET", "/v1/cluster", nil)
	if err != nil {
		return "", err
	}
	if status != 200 {
		return "", fmt.Errorf("GET /v1/cluster on %s: %d %s", node.address, status, answer)
	}
	var view struct {
		Leader  *string
		Members []struct{ ID, URL string }
	}
	if err := json.Unmarshal(answer, &view); err != nil {
		return "", fmt.Errorf("GET /v1/cluster on %s: %w", node.address, err)
	}
	for _, member := range view.Members {
		if view.Leader != nil && member.ID == *view.Leader {
			return addressOf(member.URL)
		}
	}
	return "", errors.New("the cluster has no leader")
}
