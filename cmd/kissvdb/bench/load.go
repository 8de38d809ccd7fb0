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

// runLoad puts and gets random keys.
func runLoad(ctx context.Context, cfg Config, to targets) (*Report, error) {
	if cfg.Op != OpPut {
		if err := fill(ctx, cfg, to.leader); err != nil {
			return nil, err
		}
	}
	workers := newWorkers(cfg, to, func(c *conn, number int) step { return newStateClient(cfg, c, uint64(number)).request })
	report, err := measure(ctx, cfg, workers)
	if cfg.Op != OpPut {
		report.Missed = report.Done - report.got
	}
	return report, err
}

// measure runs closed loops through the warm-up and the measured time: each
// worker sends its next request when it has the answer to the one before.
func measure(ctx context.Context, cfg Config, workers []*worker) (*Report, error) {
	var phase atomic.Int32
	var running sync.WaitGroup
	for _, w := range workers {
		running.Go(func() { w.run(ctx, &phase) })
	}
	pause(ctx, cfg.WarmUp)
	usage, usageErr := startUsage(cfg.PIDs)
	phase.Store(phaseMeasure)
	start := time.Now()
	pause(ctx, cfg.Duration)
	phase.Store(phaseStop)
	report := &Report{Op: cfg.Op, Elapsed: time.Since(start)}
	if usageErr == nil {
		usageErr = usage.stop(report)
	}
	running.Wait()
	report.collect(workers)
	if err := ctx.Err(); err != nil {
		return report, err
	}
	return report, usageErr
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

// collect sums up what the workers counted, once they have ended.
func (r *Report) collect(workers []*worker) {
	var all histogram
	for _, w := range workers {
		all.merge(&w.latencies)
		r.got += w.got
		r.fail(w.failed, w.failure)
	}
	r.latencies(&all)
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

// step does one request and returns how much it got: items that were found, or
// vectors that were written.
type step func() (got int, err error)

// worker is one closed loop.
type worker struct {
	conn *conn
	step step

	latencies histogram
	got       uint64
	failed    uint64
	failure   string
}

// newWorkers returns a worker for every client, with the nodes in turn.
func newWorkers(cfg Config, to targets, stepOf func(c *conn, number int) step) []*worker {
	workers := make([]*worker, cfg.Clients)
	for i := range workers {
		c := newConn(to.used[i%len(to.used)], requestTimeout)
		workers[i] = &worker{conn: c, step: stepOf(c, i)}
	}
	return workers
}

func (w *worker) run(ctx context.Context, phase *atomic.Int32) {
	defer w.conn.close()
	for phase.Load() != phaseStop && ctx.Err() == nil {
		start := time.Now()
		got, err := w.step()
		took := time.Since(start)
		measured := phase.Load() == phaseMeasure
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
			w.got += uint64(got)
		}
	}
}

// stateClient puts and gets random keys through one connection.
type stateClient struct {
	cfg    Config
	conn   *conn
	random *rand.Rand
	query  string
	path   []byte
	body   []byte
}

func newStateClient(cfg Config, c *conn, number uint64) *stateClient {
	s := &stateClient{cfg: cfg, conn: c, random: rand.New(rand.NewPCG(1, number))}
	if cfg.Consistency != "" && cfg.Consistency != "local" {
		s.query = "?consistency=" + cfg.Consistency
	}
	return s
}

// request is a step: one operation on a random key.
func (s *stateClient) request() (got int, err error) {
	put := s.cfg.Op == OpPut || s.cfg.Op == OpMixed && s.random.IntN(2) == 0
	s.path = appendKey(append(s.path[:0], "/v1/state/"...), s.random.IntN(s.cfg.Keys))
	method, body := "GET", []byte(nil)
	if put {
		method = "PUT"
		s.body = append(s.body[:0], `{"value":`...)
		s.body = append(appendValue(s.body, s.cfg.ValueBytes, s.random), '}')
		body = s.body
	} else {
		s.path = append(s.path, s.query...)
	}
	status, answer, err := s.conn.do(method, string(s.path), body)
	switch {
	case err != nil:
		return 0, err
	case status == 200:
		return 1, nil
	case status == 404 && !put:
		return 0, nil
	}
	return 0, fmt.Errorf("%s: %d %.200s", method, status, answer)
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
