package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxPrepared bounds the memory of the requests that are made before measuring.
	maxPrepared  = 8 << 30
	numberBytes  = 13 // most of a number in JSON, about
	base64Bytes  = 6  // of a value, about
	perPoint     = 64 // bytes beside the vector, about
	loadAttempts = 500
)

// runIngest writes batches of vectors, over and over.
func runIngest(ctx context.Context, cfg Config, to targets) (*Report, error) {
	d, err := openDataset(cfg)
	if err != nil {
		return nil, err
	}
	if err := createCollection(to.leader, cfg.Vectors.Collection, d.base.columns); err != nil {
		return nil, err
	}
	batches := newBatches(cfg.Vectors, &d.base)
	var next atomic.Uint64
	workers := newWorkers(cfg, to, func(c *conn, _ int) step {
		return func() (int, error) { return batches.write(c, int((next.Add(1)-1)%uint64(len(batches.bodies)))) }
	})
	report, err := measure(ctx, cfg, workers)
	report.Vectors = report.got
	return report, err
}

// openDataset reads the set of a run, or makes one up.
func openDataset(cfg Config) (*dataset, error) {
	rows, dim := cfg.Keys, cfg.Vectors.Dim
	var d *dataset
	if cfg.Vectors.Data != "" {
		var err error
		if d, err = readDataset(cfg.Vectors.Data); err != nil {
			return nil, err
		}
		rows, dim = d.base.rows, d.base.columns
	}
	perValue := numberBytes
	if cfg.Vectors.Base64 {
		perValue = base64Bytes
	}
	if rows*(dim*perValue+perPoint) > maxPrepared {
		return nil, fmt.Errorf("%d vectors of dimension %d take more than %d bytes as requests", rows, dim, maxPrepared)
	}
	if d == nil {
		d = makeDataset(rows, dim)
	}
	return d, nil
}

// batches are requests that write every vector of a set once. They are made
// before measuring, because numbers take as long to print as to parse.
type batches struct {
	path   string
	bodies [][]byte
	sizes  []int // vectors of each
}

func newBatches(cfg Vectors, base *matrix[float32]) *batches {
	b := &batches{path: collectionPath(cfg.Collection) + "/upsert_batch"}
	for first := 0; first < base.rows; first += cfg.Batch {
		end := min(first+cfg.Batch, base.rows)
		body := []byte(`{"items":[`)
		for row := first; row < end; row++ {
			if row > first {
				body = append(body, ',')
			}
			body = append(body, `{"id":"`...)
			body = strconv.AppendInt(body, int64(row), 10)
			body = append(body, `",`...)
			body = appendVector(body, base.row(row), cfg.Base64)
			body = append(body, `,"meta":{"`+slotField+`":`...)
			body = strconv.AppendInt(body, int64(slotOf(row)), 10)
			body = append(body, `}}`...)
		}
		b.bodies = append(b.bodies, append(body, `]}`...))
		b.sizes = append(b.sizes, end-first)
	}
	return b
}

// appendVector appends the field of a vector.
func appendVector(b []byte, v []float32, inBase64 bool) []byte {
	if inBase64 {
		raw := make([]byte, 0, 4*len(v))
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
		b = append(b, `"vector_b64":"`...)
		return append(base64.StdEncoding.AppendEncode(b, raw), '"')
	}
	b = append(b, `"vector":[`...)
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return append(b, ']')
}

// errOverloaded is a refusal that may be tried again: nothing was written.
var errOverloaded = errors.New("overloaded")

// write is a step: one batch.
func (b *batches) write(c *conn, number int) (vectors int, err error) {
	status, answer, err := c.do("POST", b.path, b.bodies[number])
	switch {
	case err != nil:
		return 0, err
	case status == 503:
		return 0, fmt.Errorf("upsert_batch: %d %.200s: %w", status, answer, errOverloaded)
	case status != 200 || bytes.Contains(answer, []byte(`"status":"error"`)):
		return 0, fmt.Errorf("upsert_batch: %d %.200s", status, answer)
	}
	return b.sizes[number], nil
}

// load writes every batch once and measures that.
func load(ctx context.Context, cfg Config, to targets, b *batches) (*Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	usage, err := startUsage(cfg.PIDs)
	if err != nil {
		return nil, err
	}
	var next atomic.Int64
	var loading sync.WaitGroup
	workers := newWorkers(cfg, to, func(*conn, int) step { return nil })
	start := time.Now()
	for _, w := range workers {
		loading.Go(func() {
			defer w.conn.close()
			for number := int(next.Add(1) - 1); number < len(b.bodies) && ctx.Err() == nil; number = int(next.Add(1) - 1) {
				if err := w.loadOne(ctx, b, number); err != nil {
					cancel(err)
				}
			}
		})
	}
	loading.Wait()
	report := &Report{Op: opLoad, Elapsed: time.Since(start)}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	report.collect(workers)
	report.Vectors = report.got
	return report, usage.stop(report)
}

// loadOne writes one batch, again while the node has too much to do.
func (w *worker) loadOne(ctx context.Context, b *batches, number int) error {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		vectors, err := b.write(w.conn, number)
		switch {
		case err == nil:
			w.latencies.add(time.Since(start))
			w.got += uint64(vectors)
			return nil
		case attempt == loadAttempts || !errors.Is(err, errOverloaded) || ctx.Err() != nil:
			return err
		}
		pause(ctx, afterError)
	}
}
