package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

const (
	metric = "cosine"
	// comparedAll are so few vectors in no graph that a node compares them all:
	// waiting for a graph of them could take for ever.
	comparedAll  = 5000
	settledShare = 100 // part of the vectors that may be in no graph: one in so many
	pollEvery    = 100 * time.Millisecond
)

// collectionPath returns the path of a collection's routes.
func collectionPath(name string) string { return "/v1/vector/" + url.PathEscape(name) }

// collectionInfo is what a node says about its collection.
type collectionInfo struct {
	Dim       int
	Metric    string
	Count     uint64
	Unindexed uint64
}

// createCollection makes the collection of a run, unless it is there.
func createCollection(to target, name string, dim int) error {
	c := newConn(to, requestTimeout)
	defer c.close()
	body := fmt.Appendf(nil, `{"dim":%d,"metric":%q}`, dim, metric)
	status, answer, err := c.do("POST", collectionPath(name), body)
	if err == nil && status != 200 && status != 409 {
		err = fmt.Errorf("%d %.200s", status, answer)
	}
	if err != nil {
		return fmt.Errorf("create collection %s: %w", name, err)
	}
	info, err := askCollection(c, name)
	if err == nil && (info.Dim != dim || info.Metric != metric) {
		err = fmt.Errorf("collection %s is there with dimension %d and metric %s, want %d and %s", name, info.Dim, info.Metric, dim, metric)
	}
	return err
}

func askCollection(c *conn, name string) (info collectionInfo, err error) {
	status, answer, err := c.do("GET", collectionPath(name), nil)
	if err == nil && status != 200 {
		err = fmt.Errorf("%d %.200s", status, answer)
	}
	if err == nil {
		err = json.Unmarshal(answer, &info)
	}
	if err != nil {
		return info, fmt.Errorf("collection %s on %s: %w", name, c.target.address, err)
	}
	return info, nil
}

// settle waits until a node has the vectors that were loaded, and then, at
// most the given time, until almost all of them are in graphs.
func settle(ctx context.Context, to target, name string, loaded uint64, atMost time.Duration) (info collectionInfo, err error) {
	c := newConn(to, requestTimeout)
	defer c.close()
	end := time.Now().Add(atMost)
	for {
		if info, err = askCollection(c, name); err != nil || ctx.Err() != nil {
			return info, err
		}
		graphs := info.Unindexed*settledShare <= info.Count || info.Count < comparedAll
		late := time.Now().After(end)
		switch {
		case info.Count >= loaded && (graphs || late):
			return info, nil
		case late:
			return info, fmt.Errorf("collection %s on %s: %d vectors of %d", name, to.address, info.Count, loaded)
		}
		pause(ctx, pollEvery)
	}
}
