package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/node"
)

const vectorDim = 16

// point is a vector as the API takes it.
type point struct {
	ID     string         `json:"id"`
	Vector []float32      `json:"vector"`
	Meta   map[string]int `json:"meta"`
}

// hit is a found vector as the API shows it.
type hit struct {
	ID    string          `json:"id"`
	Score json.Number     `json:"score"`
	Meta  json.RawMessage `json:"meta"`
}

// collection is what the API tells of one.
type collection struct {
	Dim       int    `json:"dim"`
	Count     uint64 `json:"count"`
	Segments  int    `json:"segments"`
	Deleted   uint64 `json:"deleted"`
	Unindexed uint64 `json:"unindexed"`
}

func newPoints(rnd *rand.Rand, from, n int) []point {
	points := make([]point, n)
	for i := range points {
		points[i] = point{ID: fmt.Sprintf("p%06d", from+i), Vector: newVector(rnd), Meta: map[string]int{"group": (from + i) % 10}}
	}
	return points
}

func newVector(rnd *rand.Rand) []float32 {
	v := make([]float32, vectorDim)
	for i := range v {
		v[i] = float32(rnd.NormFloat64())
	}
	return v
}

func (m *Member) createCollection(name string) uint64 {
	m.cluster.t.Helper()
	offset, err := m.Client.Do(requestContext(m.cluster.t), http.MethodPost, "/v1/vector/"+name, map[string]any{"dim": vectorDim, "metric": "cosine"}, nil)
	if err != nil {
		m.cluster.t.Fatal(err)
	}
	return offset
}

// upsert writes points and returns the offset of the last of them.
func (m *Member) upsert(ctx context.Context, name string, points []point) (uint64, error) {
	var answer struct {
		Results []struct{ Status, ID string }
	}
	offset, err := m.Client.Do(ctx, http.MethodPost, "/v1/vector/"+name+"/upsert_batch", map[string]any{"items": points}, &answer)
	if err != nil {
		return offset, err
	}
	for _, r := range answer.Results {
		if r.Status != "upserted" {
			return offset, fmt.Errorf("%s: %s", r.ID, r.Status)
		}
	}
	return offset, nil
}

func (m *Member) describe(name string) (c collection) {
	m.cluster.t.Helper()
	if _, err := m.Client.Do(requestContext(m.cluster.t), http.MethodGet, "/v1/vector/"+name, nil, &c); err != nil {
		m.cluster.t.Fatal(err)
	}
	return c
}

// search returns the hits as the node shows them, at the offset or later.
func (m *Member) search(name string, offset uint64, query map[string]any) []hit {
	m.cluster.t.Helper()
	var answer struct{ Hits []hit }
	path := fmt.Sprintf("/v1/vector/%s/search?min_offset=%d", name, offset)
	if _, err := m.Client.Do(requestContext(m.cluster.t), http.MethodPost, path, query, &answer); err != nil {
		m.cluster.t.Fatal(err)
	}
	return answer.Hits
}

// sameSearches compares exact searches on all nodes, to the digit.
func (c *Cluster) sameSearches(name string, offset uint64, rnd *rand.Rand) {
	c.t.Helper()
	for i := range 10 {
		query := map[string]any{"vector": newVector(rnd), "k": 20, "exact": true, "include_meta": true}
		if i%2 == 1 {
			query["filters"] = map[string]any{"group": map[string]any{"$lt": i}}
		}
		var first []hit
		for j, m := range c.Running() {
			hits := m.search(name, offset, query)
			if j == 0 {
				first = hits
			}
			if len(hits) != 20 || fmt.Sprint(hits) != fmt.Sprint(first) {
				c.t.Errorf("%s answers %v, another %v", m.ID, hits, first)
			}
		}
	}
}

// TestVectorsThroughFailover kills the leader in the middle of a bulk load
// that goes through another node: nothing that was answered is lost, and exact
// search is the same everywhere.
func TestVectorsThroughFailover(t *testing.T) {
	c := Start(t, 3)
	leader := c.Leader()
	through := c.Followers()[0]
	c.WaitApplied(leader.createCollection("docs"))
	const batches, size = 60, 50
	rnd := rand.New(rand.NewPCG(1, 1))
	loaded := make(chan int, batches)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(loaded)
		for i := range batches {
			points := newPoints(rnd, i*size, size)
			for { // an upsert may be sent again, whatever became of it
				_, err := through.upsert(c.ctx(), "docs", points)
				if err == nil {
					break
				}
				var refused *Failure
				if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusGatewayTimeout {
					t.Errorf("batch %d: %v", i, err)
					return
				}
			}
			loaded <- i
		}
	})
	for i := range loaded {
		if i == batches/3 {
			leader.Crash()
		}
	}
	wg.Wait()
	leader.Restart()
	offset := through.Client.offset(t)
	c.WaitApplied(offset)
	for _, m := range c.Running() {
		if got := m.describe("docs").Count; got != batches*size {
			t.Errorf("%s has %d points, want %d", m.ID, got, batches*size)
		}
	}
	c.sameSearches("docs", offset, rnd)
}

// offset returns what the node has applied.
func (c *Client) offset(t *testing.T) uint64 {
	t.Helper()
	offset, err := c.Do(requestContext(t), http.MethodGet, "/v1/vector", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

// TestVectorInstall has a node that was away get the collections with their
// graphs, and find them on its own disk after a crash.
func TestVectorInstall(t *testing.T) {
	quiet := func(cfg *node.Config) {
		smallLogs(cfg)
		cfg.Vectors.Graph = 500
	}
	c := Start(t, 3, Options{Node: quiet})
	leader := c.Leader()
	away := c.Followers()[0]
	c.WaitApplied(leader.createCollection("docs"))
	away.Stop()
	rnd := rand.New(rand.NewPCG(2, 1))
	var offset uint64
	for i := range 80 {
		var err error
		if offset, err = leader.upsert(c.ctx(), "docs", newPoints(rnd, i*25, 25)); err != nil {
			t.Fatal(err)
		}
	}
	c.wait("graphs on the leader", func() error {
		if d := leader.describe("docs"); d.Unindexed > 0 {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	// Snapshots from now on have the graph.
	for i := range 120 {
		offset = leader.set(fmt.Sprintf("k%d", i), "1")
	}
	away.Restart()
	c.WaitApplied(offset)
	c.wait("the log to tell of an installed snapshot", func() error {
		if !c.log.has("Installed remote snapshot") {
			return errNotYet
		}
		return nil
	})
	c.sameSearches("docs", offset, rnd)
	away.Crash()
	away.Restart()
	c.WaitApplied(offset)
	if d := away.describe("docs"); d.Count != 2000 || d.Unindexed > 0 {
		t.Errorf("after a restart: %+v", d)
	}
	c.sameSearches("docs", offset, rnd)
}

// TestVectorVacuum: one request has every node compact, with the same answers
// before and after.
func TestVectorVacuum(t *testing.T) {
	c := Start(t, 3)
	leader := c.Leader()
	c.WaitApplied(leader.createCollection("docs"))
	rnd := rand.New(rand.NewPCG(3, 1))
	var offset uint64
	for range 3 {
		var err error
		if offset, err = leader.upsert(c.ctx(), "docs", newPoints(rnd, 0, 200)); err != nil {
			t.Fatal(err)
		}
	}
	c.WaitApplied(offset)
	query := map[string]any{"vector": newVector(rnd), "k": 50}
	before := fmt.Sprint(leader.search("docs", offset, query))
	var answer struct {
		OK        bool   `json:"ok"`
		Reclaimed uint64 `json:"reclaimed_bytes"`
	}
	asked := c.Followers()[0]
	if _, err := asked.Client.Do(c.ctx(), http.MethodPost, "/v1/vector/docs/vacuum", nil, &answer); err != nil {
		t.Fatal(err)
	}
	if !answer.OK || answer.Reclaimed < 400*4*vectorDim {
		t.Errorf("%+v", answer)
	}
	c.wait("a vacuum on every node", func() error {
		for _, m := range c.Running() {
			if d := m.describe("docs"); d.Deleted > 0 || d.Count != 200 {
				return fmt.Errorf("%s: %+v", m.ID, d)
			}
		}
		return nil
	})
	for _, m := range c.Running() {
		if after := fmt.Sprint(m.search("docs", offset, query)); after != before {
			t.Errorf("%s answers %s, before it was %s", m.ID, after, before)
		}
	}
	c.sameSearches("docs", offset, rnd)
	asked.Crash()
	asked.Restart()
	c.WaitApplied(offset)
	c.sameSearches("docs", offset, rnd)
}

// TestVectorVacuumOffline compacts the folder of a stopped node, which comes
// back with the same points.
func TestVectorVacuumOffline(t *testing.T) {
	c := Start(t, 3, Options{Node: smallLogs})
	leader := c.Leader()
	c.WaitApplied(leader.createCollection("docs"))
	rnd := rand.New(rand.NewPCG(4, 1))
	var offset uint64
	for range 20 {
		var err error
		if offset, err = leader.upsert(c.ctx(), "docs", newPoints(rnd, 0, 200)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 { // behind a snapshot that has most of them
		offset = leader.set(fmt.Sprintf("k%d", i), "1")
	}
	c.WaitApplied(offset)
	stopped := c.Followers()[0]
	c.wait("a snapshot", func() error {
		found, err := filepath.Glob(filepath.Join(stopped.config.Dir, "raft", "snapshots", "*", "meta.json"))
		if err == nil && len(found) == 0 {
			err = errNotYet
		}
		return err
	})
	if _, err := node.VacuumOffline(c.ctx(), stopped.config, "docs"); err == nil {
		t.Error("it vacuumed the folder of a running node")
	}
	stopped.Stop()
	if _, err := node.VacuumOffline(c.ctx(), stopped.config, "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	reclaimed, err := node.VacuumOffline(c.ctx(), stopped.config, "docs")
	if err != nil || reclaimed <= 0 {
		t.Errorf("reclaimed %d bytes, %v", reclaimed, err)
	}
	stopped.Restart()
	c.WaitApplied(offset)
	if d := stopped.describe("docs"); d.Count != 200 {
		t.Errorf("%+v", d)
	}
	c.sameSearches("docs", offset, rnd)
}
