package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Every vector has a slot in its meta data, spread evenly and without regard to
// the vectors, so that a filter on it matches a known part of them.
const (
	slotField = "slot"
	slots     = 1000
)

// slotOf returns the slot of a row: the upper bits of a multiplicative hash.
func slotOf(row int) int {
	return int(uint64(uint32(row)*2654435769) * slots >> 32)
}

// runSearch loads the vectors, looks how good the hits are, and then measures
// closed loops of searches.
func runSearch(ctx context.Context, cfg Config, to targets) (*Report, error) {
	d, err := openDataset(cfg)
	if err != nil {
		return nil, err
	}
	if d.truth.rows > 0 && cfg.Vectors.K > d.truth.columns {
		return nil, fmt.Errorf("k is %d, the set has %d neighbours of each query", cfg.Vectors.K, d.truth.columns)
	}
	searched := &Searched{K: cfg.Vectors.K}
	if err := prepareCollection(ctx, cfg, to, d, searched); err != nil {
		return nil, err
	}
	requests := make(map[string][][]byte)
	for _, node := range to.used {
		requests[node.address] = searchRequests(cfg.Vectors, node, &d.queries)
	}
	if d.truth.rows > 0 {
		if err := measureRecall(ctx, cfg.Vectors, to, d, requests, searched); err != nil {
			return nil, err
		}
	}
	workers := newWorkers(cfg, to, func(c *conn, number int) step {
		mine := requests[c.target.address]
		next := number * len(mine) / cfg.Clients
		return func() (int, error) {
			next = (next + 1) % len(mine)
			_, err := search(c, mine[next])
			return 1, err
		}
	})
	report, err := measure(ctx, cfg, workers)
	report.Search = searched
	return report, err
}

// prepareCollection loads the vectors unless they are there, and waits until
// every node that is searched has them.
func prepareCollection(ctx context.Context, cfg Config, to targets, d *dataset, searched *Searched) error {
	v, loaded := cfg.Vectors, 0
	if !v.SkipLoad {
		if err := createCollection(to.leader, v.Collection, d.base.columns); err != nil {
			return err
		}
		var err error
		if searched.Load, err = load(ctx, cfg, to, newBatches(v, &d.base)); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		loaded = d.base.rows
	}
	start := time.Now()
	for _, node := range to.used {
		info, err := settle(ctx, node, v.Collection, uint64(loaded), v.Settle)
		if err != nil {
			return err
		}
		if info.Count != uint64(d.base.rows) && (loaded > 0 || d.truth.rows > 0) {
			return fmt.Errorf("collection %s has %d vectors, the set has %d: other vectors need another --collection", v.Collection, info.Count, d.base.rows)
		}
		searched.Count, searched.Unindexed = info.Count, max(searched.Unindexed, info.Unindexed)
	}
	searched.Settled = time.Since(start)
	return ctx.Err()
}

// searchRequests makes the whole request of every query, so that the clients
// take as little of the processor as can be.
func searchRequests(cfg Vectors, to target, queries *matrix[float32]) [][]byte {
	path := collectionPath(cfg.Collection) + "/search"
	requests := make([][]byte, queries.rows)
	for i := range requests {
		body := appendVector([]byte{'{'}, queries.row(i), cfg.Base64)
		body = append(body, `,"k":`...)
		body = strconv.AppendInt(body, int64(cfg.K), 10)
		if cfg.Ef > 0 {
			body = append(body, `,"ef":`...)
			body = strconv.AppendInt(body, int64(cfg.Ef), 10)
		}
		if below := slotsOf(cfg.Selectivity); below < slots {
			body = append(body, `,"filters":{"`+slotField+`":{"$lt":`...)
			body = strconv.AppendInt(body, int64(below), 10)
			body = append(body, `}}`...)
		}
		requests[i] = to.appendRequest(nil, "POST", path, append(body, '}'))
	}
	return requests
}

// slotsOf returns how many slots make up a part of the vectors, at least one.
func slotsOf(selectivity float64) int {
	return max(1, min(slots, int(selectivity*slots+.5)))
}

// search sends one request that was made before.
func search(c *conn, request []byte) (answer []byte, err error) {
	status, answer, err := c.exchange(request)
	if err == nil && status != 200 {
		err = fmt.Errorf("search: %d %.200s", status, answer)
	}
	return answer, err
}

// measureRecall asks every query once, of the nodes in turn.
func measureRecall(ctx context.Context, cfg Vectors, to targets, d *dataset, requests map[string][][]byte, searched *Searched) error {
	conns := make([]*conn, len(to.used))
	for i, node := range to.used {
		conns[i] = newConn(node, requestTimeout)
		defer conns[i].close()
	}
	var sum float64
	for query := range d.queries.rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := conns[query%len(conns)]
		answer, err := search(c, requests[c.target.address][query])
		if err != nil {
			return err
		}
		part, err := recallOf(answer, d.nearest(query, cfg.K, slotsOf(cfg.Selectivity)))
		if err != nil {
			return fmt.Errorf("query %d: %w", query, err)
		}
		sum += part
	}
	searched.Queries = d.queries.rows
	searched.Recall = sum / float64(searched.Queries)
	return nil
}

// recallOf returns the part of the wanted rows that an answer has.
func recallOf(answer []byte, want []uint32) (float64, error) {
	var found struct {
		Hits []struct{ ID string }
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return 0, err
	}
	if len(found.Hits) > len(want) {
		return 0, fmt.Errorf("%d hits, there are %d", len(found.Hits), len(want))
	}
	right := 0
	seen := make(map[uint32]bool, len(found.Hits))
	for _, hit := range found.Hits {
		row, err := strconv.ParseUint(hit.ID, 10, 32)
		if err != nil || seen[uint32(row)] {
			return 0, errors.New("a hit of an id that was not loaded, or twice")
		}
		seen[uint32(row)] = true
		if slices.Contains(want, uint32(row)) {
			right++
		}
	}
	return float64(right) / float64(max(1, len(want))), nil
}

// nearest returns the true k nearest rows to a query of those in the slots
// below a bound: from the truth of the set, where that goes deep enough.
func (d *dataset) nearest(query, k, below int) []uint32 {
	found := make([]uint32, 0, k)
	for _, row := range d.truth.row(query) {
		if len(found) < k && slotOf(int(row)) < below {
			found = append(found, row)
		}
	}
	if len(found) == k {
		return found
	}
	type scored struct {
		row   uint32
		score float64
	}
	var all []scored
	for row := range d.base.rows {
		if slotOf(row) < below {
			all = append(all, scored{uint32(row), dot(d.queries.row(query), d.base.row(row))})
		}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.row, b.row)) })
	found = found[:0]
	for _, s := range all[:min(k, len(all))] {
		found = append(found, s.row)
	}
	return found
}

func dot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
