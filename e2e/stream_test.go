package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// reader reads a stream over whatever nodes answer, resuming after the last
// event it saw, and keeps the bytes.
type reader struct {
	t     *testing.T
	nodes []*Client
	next  int // index in nodes of the one to try
	last  uint64
	text  strings.Builder
}

// readTo reads until offset, and fails on a gap, a double or the end of time.
func (r *reader) readTo(ctx context.Context, offset uint64) {
	r.t.Helper()
	for r.last < offset {
		if ctx.Err() != nil {
			r.t.Fatalf("stream stands at %d, wants %d", r.last, offset)
		}
		s, err := r.nodes[r.next%len(r.nodes)].Stream(ctx, r.last)
		r.next++
		if err != nil {
			continue
		}
		r.drain(s, offset)
		s.Close()
	}
}

func (r *reader) drain(s *Stream, offset uint64) {
	r.t.Helper()
	for r.last < offset {
		e, err := s.Next()
		if err != nil {
			return
		}
		if e.ID != r.last+1 {
			r.t.Fatalf("%s event with offset %d after %d", e.Type, e.ID, r.last)
		}
		r.last = e.ID
		r.text.WriteString(e.Raw)
	}
}

// writer writes one key after another through any node and keeps what was
// acknowledged: key by offset.
type writer struct {
	nodes []*Client
	mu    sync.Mutex
	acked map[uint64]string
	high  uint64
}

func (w *writer) run(ctx context.Context, id int) {
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("w%d/%d", id, i)
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		_, offset, err := w.nodes[(id+i)%len(w.nodes)].Set(once, key, strings.Repeat("x", i%300))
		cancel()
		if err != nil {
			continue
		}
		w.mu.Lock()
		w.acked[offset] = key
		w.high = max(w.high, offset)
		w.mu.Unlock()
	}
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// TestStreamOverLeaderKill: while the leader dies by kill -9, readers resume
// on other nodes and see every offset exactly once, every acknowledged write
// is there, and all nodes tell the same bytes.
func TestStreamOverLeaderKill(t *testing.T) {
	c := StartProcesses(t, 3, "--wal-segment-max-bytes=65536", "--wal-retention-segments=100")
	var clients []*Client
	for _, p := range c.nodes {
		clients = append(clients, p.Client)
	}
	w := &writer{nodes: clients, acked: map[uint64]string{}}
	writing, stop := context.WithCancel(context.Background())
	defer stop()
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() { w.run(writing, i) })
	}
	acked := func(n int) {
		t.Helper()
		waitFor(t, fmt.Sprintf("%d acknowledged writes", n), func() error {
			if got := w.count(); got < n {
				return fmt.Errorf("%d so far", got)
			}
			return nil
		})
	}
	acked(300)
	leader := c.Leader()
	r := &reader{t: t, nodes: clients, next: int(leader.ID[1] - '1')}
	reading := requestContext(t)
	r.readTo(reading, 150) // on the leader, about half-way
	leader.Kill()
	killed := time.Now()
	acked(w.count() + 1)
	t.Logf("a write was acknowledged %s after the kill", time.Since(killed))
	acked(w.count() + 300)
	stop()
	writers.Wait()
	r.readTo(reading, w.high)
	started := time.Now()
	leader.Start()
	waitFor(t, "the restarted node to be readable", func() error {
		_, _, err := leader.Get(reading, "w0/0", fmt.Sprintf("min_offset=%d", w.high))
		return err
	})
	t.Logf("the killed node was readable %s after its start", time.Since(started))
	c.WaitReady()

	text := r.text.String()
	for _, p := range c.nodes {
		same, floor, err := readStream(reading, p.Client, w.high)
		if err != nil || floor != 1 {
			t.Fatalf("%s: from %d: %v", p.ID, floor, err)
		}
		if same != text {
			t.Errorf("%s tells another stream than the reader saw", p.ID)
		}
	}
	checkAcked(t, text, w.acked)
}

// checkAcked finds every acknowledged write at its offset in a stream's text.
func checkAcked(t *testing.T, text string, acked map[uint64]string) {
	t.Helper()
	found := 0
	for frame := range strings.SplitSeq(text, "\n\n") {
		_, data, ok := strings.Cut(frame, "data: ")
		if !ok {
			continue
		}
		var e struct {
			Offset uint64
			Data   struct{ Key string }
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		if key, ok := acked[e.Offset]; ok {
			found++
			if key != e.Data.Key {
				t.Errorf("offset %d was answered for %s and is %s", e.Offset, key, e.Data.Key)
			}
		}
	}
	if found != len(acked) {
		t.Errorf("%d of %d acknowledged writes are in the stream", found, len(acked))
	}
}

// TestStreamHoldsAheadOfNode: an id this node has not reached, but the leader
// has, is held until it has, on a node that is cut off meanwhile.
func TestStreamHoldsAheadOfNode(t *testing.T) {
	c := Start(t, 3)
	behind := c.Followers()[0]
	leader := c.Leader()
	c.WaitApplied(leader.set("k", "0"))
	c.Partition(behind)
	var offset uint64
	for i := range 5 {
		offset = leader.set("k", fmt.Sprint(i))
	}
	s, err := behind.Stream(c.ctx(), offset)
	c.must(err)
	defer s.Close()
	c.Heal(behind)
	next := leader.set("k", "next")
	e, err := s.Next()
	if err != nil || e.ID != next {
		t.Errorf("the stream goes on with %+v, %v; want offset %d", e, err, next)
	}
}
