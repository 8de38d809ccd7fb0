package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	writers     = 64 // most writes in flight
	settleTime  = 10 * time.Second
	settlePoll  = 20 * time.Millisecond
	streamPath  = "/v1/stream?since=now&key_prefix=" + keyPrefix
	valueMarker = `"value":{"n":`
	timeMarker  = `,"t":`
)

// runStreams opens the streams, writes at a steady rate, and counts what comes
// out of each: every write carries its number and the time it was sent.
func runStreams(ctx context.Context, cfg Config, to targets) (*Report, error) {
	run := &streamRun{cfg: cfg, acked: make([]atomic.Bool, int((cfg.WarmUp+cfg.Duration).Seconds()*float64(cfg.Rate))+1)}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer run.close()
	for i := range cfg.Clients {
		stream, err := run.open(to.used[i%len(to.used)])
		if err != nil {
			return nil, fmt.Errorf("stream %d: %w", i+1, err)
		}
		reading.Go(stream.read)
	}
	report := &Report{Op: cfg.Op, Streams: cfg.Clients}
	err := run.write(ctx, to.leader, report)
	if err = errors.Join(ctx.Err(), err); err != nil {
		return nil, err
	}
	run.settle(ctx)
	run.close()
	reading.Wait()
	run.count(report)
	return report, nil
}

// streamRun is what the writers and the streams of a run share.
type streamRun struct {
	cfg     Config
	streams []*stream
	acked   []atomic.Bool // by number of write
	writes  atomic.Int64  // acknowledged
	from    atomic.Int64  // Unix nanoseconds: start of the measured time, 0 before
	until   atomic.Int64  // its end, 0 before
	closed  atomic.Bool
}

// stream is one reader of events.
type stream struct {
	run  *streamRun
	conn *conn
	in   *bufio.Reader
	seen atomic.Int64 // different writes

	// Of the reading goroutine until it ends.
	got       []uint64 // bits by number of write
	doubled   uint64
	latencies histogram
	failure   error
}

func (r *streamRun) open(to target) (*stream, error) {
	s := &stream{run: r, conn: newConn(to, requestTimeout), got: make([]uint64, len(r.acked)/64+1)}
	body, err := s.conn.open(streamPath)
	if err != nil {
		return nil, err
	}
	s.in = bufio.NewReaderSize(body, connBuffer+2*r.cfg.ValueBytes)
	r.streams = append(r.streams, s)
	return s, nil
}

// close ends the streams.
func (r *streamRun) close() {
	if r.closed.Swap(true) {
		return
	}
	for _, s := range r.streams {
		s.conn.tcp.Close() // the reader ends by its error
	}
}

// read takes events until the connection ends.
func (s *stream) read() {
	for {
		line, err := s.in.ReadSlice('\n')
		if err != nil {
			if !s.run.closed.Load() {
				s.failure = err
			}
			return
		}
		if bytes.HasPrefix(line, []byte("data: ")) {
			s.take(line, time.Now().UnixNano())
		}
	}
}

// take counts one event.
func (s *stream) take(line []byte, now int64) {
	number, sent, ok := parseEvent(line)
	if !ok || number >= len(s.run.acked) {
		return // another bench writes here too
	}
	bit := uint64(1) << (number % 64)
	if s.got[number/64]&bit != 0 {
		s.doubled++
		return
	}
	s.got[number/64] |= bit
	s.seen.Add(1)
	until := s.run.until.Load()
	if from := s.run.from.Load(); from != 0 && sent >= from && (until == 0 || sent < until) {
		s.latencies.add(time.Duration(now - sent))
	}
}

// parseEvent finds the number and the time that write put into its value.
func parseEvent(line []byte) (number int, sent int64, ok bool) {
	_, rest, found := bytes.Cut(line, []byte(valueMarker))
	if !found {
		return 0, 0, false
	}
	first, rest, found := bytes.Cut(rest, []byte(timeMarker))
	if !found {
		return 0, 0, false
	}
	second, _, _ := bytes.Cut(rest, []byte(","))
	number, err := strconv.Atoi(string(first))
	if err != nil || number < 0 {
		return 0, 0, false
	}
	sent, err = strconv.ParseInt(string(second), 10, 64)
	return number, sent, err == nil
}

// write sends writes at the rate of the run through its warm-up and its
// measured time, and puts their figures into the report.
func (r *streamRun) write(ctx context.Context, to target, report *Report) error {
	numbers := make(chan int)
	var writing sync.WaitGroup
	var failed sync.Mutex
	for range writers {
		writing.Go(func() {
			w := &streamWriter{run: r, conn: newConn(to, requestTimeout)}
			defer w.conn.close()
			for number := range numbers {
				if err := w.put(number); err != nil {
					failed.Lock()
					report.fail(1, err.Error())
					failed.Unlock()
				}
			}
		})
	}
	sent := r.pace(ctx, numbers, 0, r.cfg.WarmUp)
	usage, usageErr := startUsage(r.cfg.PIDs)
	start := time.Now()
	r.from.Store(start.UnixNano())
	before := r.writes.Load()
	r.pace(ctx, numbers, sent, r.cfg.Duration)
	report.Elapsed = time.Since(start)
	r.until.Store(start.Add(report.Elapsed).UnixNano())
	report.Writes = uint64(r.writes.Load() - before)
	if usageErr == nil {
		usageErr = usage.stop(report)
	}
	close(numbers)
	writing.Wait()
	return usageErr
}

// pace hands out numbers from next on at the rate for d. It falls behind when
// every writer is busy, and does not catch up: that shows as fewer writes.
func (r *streamRun) pace(ctx context.Context, numbers chan<- int, next int, d time.Duration) int {
	if r.cfg.Rate == 0 {
		pause(ctx, d)
		return next
	}
	ticker := time.NewTicker(time.Second / time.Duration(r.cfg.Rate))
	defer ticker.Stop()
	end := time.After(d)
	for next < len(r.acked) {
		select {
		case <-end:
			return next
		case <-ctx.Done():
			return next
		case <-ticker.C:
		}
		select {
		case numbers <- next:
			next++
		case <-ctx.Done():
			return next
		}
	}
	return next
}

// streamWriter writes through one connection.
type streamWriter struct {
	run  *streamRun
	conn *conn
	body []byte
	path []byte
}

func (w *streamWriter) put(number int) error {
	w.path = appendKey(append(w.path[:0], "/v1/state/"...), number%w.run.cfg.Keys)
	w.body = append(w.body[:0], `{"value":{"n":`...)
	w.body = strconv.AppendInt(w.body, int64(number), 10)
	w.body = append(w.body, timeMarker...)
	w.body = strconv.AppendInt(w.body, time.Now().UnixNano(), 10)
	w.body = append(w.body, `,"p":"`...)
	for len(w.body) < len(`{"value":`)+w.run.cfg.ValueBytes-len(`"}`) {
		w.body = append(w.body, 'p')
	}
	w.body = append(w.body, `"}}`...)
	status, answer, err := w.conn.do("PUT", string(w.path), w.body)
	switch {
	case err != nil:
		return err
	case status != 200:
		return fmt.Errorf("PUT: %d %.200s", status, answer)
	}
	w.run.acked[number].Store(true)
	w.run.writes.Add(1)
	return nil
}

// settle waits until every stream has every acknowledged write, or long enough.
func (r *streamRun) settle(ctx context.Context) {
	deadline := time.Now().Add(settleTime)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		behind := false
		for _, s := range r.streams {
			behind = behind || s.seen.Load() < r.writes.Load()
		}
		if !behind {
			return
		}
		pause(ctx, settlePoll)
	}
}

// count sums up the streams, once their readers have ended.
func (r *streamRun) count(report *Report) {
	var all histogram
	for _, s := range r.streams {
		all.merge(&s.latencies)
		report.Doubled += s.doubled
		for number := range r.acked {
			if r.acked[number].Load() && s.got[number/64]&(1<<(number%64)) == 0 {
				report.Missing++
			}
		}
		if s.failure != nil && !errors.Is(s.failure, io.EOF) {
			report.fail(1, "stream: "+s.failure.Error())
		} else if s.failure != nil {
			report.fail(1, "stream: ended by the server")
		}
	}
	report.latencies(&all)
}
