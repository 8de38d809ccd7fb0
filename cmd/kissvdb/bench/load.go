package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keyPrefix  = "bench-"
	fillBatch  = 100
	fillBytes  = 512 << 10 // most bytes of values in one batch
	afterError = 10 * time.Millisecond
)

// runLoad runs closed loops: each client sends its next request when it has
// the answer to the one before.
func runLoad(ctx context.Context, cfg Config, to targets) (*Report, error) {
	if cfg.Op != OpPut {
		if err := fill(ctx, cfg, to.leader); err != nil {
			return nil, err
		}
	}
	var phase atomic.Int32
	workers := make([]*worker, cfg.Clients)
	var running sync.WaitGroup
	for i := range workers {
		w := newWorker(cfg, to.used[i%len(to.used)], &phase, uint64(i))
		workers[i] = w
		running.Go(func() { w.run(ctx) })
	}
	pause(ctx, cfg.WarmUp)
	phase.Store(phaseMeasure)
	start := time.Now()
	pause(ctx, cfg.Duration)
	phase.Store(phaseStop)
	report := &Report{Op: cfg.Op, Elapsed: time.Since(start)}
	running.Wait()
	var all histogram
	for _, w := range workers {
		all.merge(&w.latencies)
		report.Missed += w.missed
		report.fail(w.failed, w.failure)
	}
	report.latencies(&all)
	return report, ctx.Err()
}

// The phases of a run: what is done before measuring and after it does not count.
const (
	phaseWarmUp int32 = iota
	phaseMeasure
	phaseStop
)

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *Report) latencies(all *histogram) {
	r.Done = all.total
	r.P50, r.P90, r.P99, r.Max = all.quantile(.5), all.quantile(.9), all.quantile(.99), all.max
}

func (r *Report) fail(count uint64, first string) {
	r.Failed += count
	if r.Failure == "" {
		r.Failure = first
	}
}

// worker is one closed loop.
type worker struct {
	cfg    Config
	conn   *conn
	phase  *atomic.Int32
	random *rand.Rand
	query  string
	path   []byte
	body   []byte

	latencies histogram
	missed    uint64
	failed    uint64
	failure   string
}

func newWorker(cfg Config, to target, phase *atomic.Int32, number uint64) *worker {
	w := &worker{cfg: cfg, conn: newConn(to, requestTimeout), phase: phase, random: rand.New(rand.NewPCG(1, number))}
	if cfg.Consistency != "" && cfg.Consistency != "local" {
		w.query = "?consistency=" + cfg.Consistency
	}
	return w
}

func (w *worker) run(ctx context.Context) {
	defer w.conn.close()
	for w.phase.Load() != phaseStop && ctx.Err() == nil {
		start := time.Now()
		found, err := w.request()
		took := time.Since(start)
		measured := w.phase.Load() == phaseMeasure
		switch {
		case err != nil:
			if measured {
				w.failed++
				if w.failure == "" {
					w.failure = err.Error()
				}
			}
			pause(ctx, afterError)
		case measured:
			w.latencies.add(took)
			if !found {
				w.missed++
			}
		}
	}
}

// request does one operation on a random key.
func (w *worker) request() (found bool, err error) {
	put := w.cfg.Op == OpPut || w.cfg.Op == OpMixed && w.random.IntN(2) == 0
	w.path = appendKey(append(w.path[:0], "/v1/state/"...), w.random.IntN(w.cfg.Keys))
	method, body := "GET", []byte(nil)
	if put {
		method = "PUT"
		w.body = append(w.body[:0], `{"value":`...)
		w.body = append(appendValue(w.body, w.cfg.ValueBytes, w.random), '}')
		body = w.body
	} else {
		w.path = append(w.path, w.query...)
	}
	status, answer, err := w.conn.do(method, string(w.path), body)
	switch {
	case err != nil:
		return false, err
	case status == 200:
		return true, nil
	case status == 404 && !put:
		return false, nil
	}
	return false, fmt.Errorf("%s: %d %.200s", method, status, answer)
}

func appendKey(b []byte, n int) []byte {
	b = append(b, keyPrefix...)
	digits := strconv.Itoa(n)
	for range 8 - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}

// appendValue appends a JSON value of size bytes that does not compress well:
// an object with one text.
func appendValue(b []byte, size int, random *rand.Rand) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b = append(b, `{"d":"`...)
	var word uint64
	for i := range size - len(`{"d":""}`) {
		if i%10 == 0 {
			word = random.Uint64()
		}
		b = append(b, letters[word&63])
		word >>= 6
	}
	return append(b, `"}`...)
}

// fill writes every key once, in batches, so that gets find something.
func fill(ctx context.Context, cfg Config, to target) error {
	c := newConn(to, requestTimeout)
	defer c.close()
	random := rand.New(rand.NewPCG(2, 0))
	perBatch := min(fillBatch, max(1, fillBytes/cfg.ValueBytes))
	var body []byte
	for first := 0; first < cfg.Keys; first += perBatch {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		body = append(body[:0], `{"operations":[`...)
		for n := first; n < min(first+perBatch, cfg.Keys); n++ {
			if n > first {
				body = append(body, ',')
			}
			body = append(body, `{"key":"`...)
			body = append(appendKey(body, n), `","value":`...)
			body = append(appendValue(body, cfg.ValueBytes, random), '}')
		}
		body = append(body, `]}`...)
		status, answer, err := c.do("POST", "/v1/state/batch_put", body)
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		if status != 200 || bytes.Contains(answer, []byte(`"status":"error"`)) {
			return fmt.Errorf("fill: %d %.200s", status, answer)
		}
	}
	return nil
}
