package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// compareNodes proves, through their APIs alone, that nodes hold the same
// state at one place of the log and the same stream up to it, byte for byte.
func compareNodes(t testing.TB, nodes map[string]*Client) {
	t.Helper()
	var asked Checksum
	waitFor(t, "a checksum of the state", func() error {
		for _, c := range nodes {
			_, err := c.Do(requestContext(t), http.MethodPost, "/v1/cluster/checksum", nil, &asked)
			return err
		}
		return nil
	})
	streams := map[string]string{}
	floors := map[string]uint64{}
	for id, c := range nodes {
		waitFor(t, fmt.Sprintf("%s's checksum at index %d", id, asked.Index), func() error {
			return sameChecksum(requestContext(t), c, asked)
		})
		events, floor, err := readStream(requestContext(t), c, asked.Offset)
		if err != nil {
			t.Fatalf("stream of %s up to %d: %v", id, asked.Offset, err)
		}
		streams[id], floors[id] = events, floor
	}
	for a := range streams {
		for b := range streams {
			if floors[a] >= floors[b] && !strings.HasSuffix(streams[b], streams[a]) {
				t.Errorf("the streams of %s (from %d) and %s (from %d) differ before offset %d", a, floors[a], b, floors[b], asked.Offset)
			}
		}
	}
}

var errNotYet = errors.New("not there yet")

// sameChecksum returns errNotYet until the node has the checksum.
func sameChecksum(ctx context.Context, c *Client, want Checksum) error {
	var sums []Checksum
	if _, err := c.Do(ctx, http.MethodGet, "/v1/cluster/checksum", nil, &sums); err != nil {
		return err
	}
	for _, sum := range sums {
		if sum.Index != want.Index {
			continue
		}
		if sum != want {
			return fmt.Errorf("states differ: %+v and %+v", sum, want)
		}
		return nil
	}
	return errNotYet
}

// readStream reads all events a node retains up to offset, and the first of them.
func readStream(ctx context.Context, c *Client, offset uint64) (events string, floor uint64, err error) {
	if offset == 0 {
		return "", 1, nil
	}
	s, err := c.Stream(ctx, 0)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	var b strings.Builder
	floor = 1
	for next := uint64(1); next <= offset; {
		e, err := s.Next()
		if err != nil {
			return "", 0, fmt.Errorf("before offset %d: %w", next, err)
		}
		if e.Type == "gap" && b.Len() == 0 {
			floor = e.ID + 1
			next = floor
			continue
		}
		if e.ID != next {
			return "", 0, fmt.Errorf("offset %d where %d was due", e.ID, next)
		}
		b.WriteString(e.Raw)
		next++
	}
	return b.String(), floor, nil
}

// compare proves that the running members are equal, inside too.
func (c *Cluster) compare() {
	c.t.Helper()
	nodes := map[string]*Client{}
	for _, m := range c.Running() {
		nodes[m.ID] = m.Client
	}
	if len(nodes) == 0 {
		return
	}
	compareNodes(c.t, nodes)
	type stand struct{ head, chain uint64 }
	c.wait("equal hash chains", func() error {
		stands := map[stand][]string{}
		for _, m := range c.Running() {
			at := stand{m.Node.Events().Head(), m.Node.Events().Chain()}
			stands[at] = append(stands[at], m.ID)
		}
		if len(stands) != 1 {
			return fmt.Errorf("%v", stands)
		}
		return nil
	})
}
