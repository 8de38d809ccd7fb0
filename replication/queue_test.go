package replication

import (
	"bytes"
	"sync"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
)

func recordOf(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }

func TestQueueTakesUpToOneEntry(t *testing.T) {
	q := newQueue()
	for range 5 {
		if err := q.put(newProposal([][]byte{recordOf(maxEntryBytes / 2)}, false)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{2, 2, 1, 0} {
		if got := len(q.take()); got != want {
			t.Fatalf("took %d proposals, want %d", got, want)
		}
	}
}

func TestQueueLargeRecordTravelsAlone(t *testing.T) {
	q := newQueue()
	for _, size := range []int{10, 4 * maxEntryBytes, 10} {
		if err := q.put(newProposal([][]byte{recordOf(size)}, false)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if got := len(q.take()); got != 1 {
			t.Fatalf("entry %d holds %d proposals, want 1", i, got)
		}
	}
}

func TestQueueDropsAbandoned(t *testing.T) {
	q := newQueue()
	first, second := newProposal([][]byte{{1}}, false), newProposal([][]byte{{2}}, false)
	_, _ = q.put(first), q.put(second)
	if !first.abandon() {
		t.Fatal("a queued proposal could not be abandoned")
	}
	batch := q.take()
	if len(batch) != 1 || batch[0] != second {
		t.Fatalf("took %d proposals, want the second only", len(batch))
	}
	if second.abandon() {
		t.Fatal("a taken proposal was abandoned: its outcome is unknown")
	}
}

func TestQueueGiveBackKeepsOrder(t *testing.T) {
	q := newQueue()
	var all []*proposal
	for i := range 4 {
		p := newProposal([][]byte{{byte(i)}}, false)
		all = append(all, p)
		if err := q.put(p); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			q.giveBack(q.take())
		}
	}
	batch := q.take()
	if len(batch) != len(all) {
		t.Fatalf("took %d, want %d", len(batch), len(all))
	}
	for i := range all {
		if batch[i] != all[i] {
			t.Fatalf("proposal %d is out of order", i)
		}
	}
	if q.bytes != 0 {
		t.Fatalf("%d bytes are still accounted", q.bytes)
	}
}

func TestQueueBouncesForwardedOnly(t *testing.T) {
	q := newQueue()
	local, remote := newProposal([][]byte{{1}}, false), newProposal([][]byte{{2}}, true)
	_, _ = q.put(remote), q.put(local)
	q.bounce()
	<-remote.done
	if !fault.Is(remote.outcome.err, fault.NoLeader) {
		t.Fatalf("forwarded proposal ended with %v", remote.outcome.err)
	}
	if batch := q.take(); len(batch) != 1 || batch[0] != local {
		t.Fatal("the local proposal is gone")
	}
}

func TestQueueRefusesTooMuch(t *testing.T) {
	q := newQueue()
	big := recordOf(maxWaitingBytes / 2)
	for range 2 {
		if err := q.put(newProposal([][]byte{big}, false)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.put(newProposal([][]byte{{1}}, false)); !fault.Is(err, fault.Overloaded) {
		t.Fatalf("err = %v, want overloaded", err)
	}
}

func TestQueueCloseRefusesAll(t *testing.T) {
	q := newQueue()
	p := newProposal([][]byte{{1}}, false)
	if err := q.put(p); err != nil {
		t.Fatal(err)
	}
	q.close()
	<-p.done
	if !fault.Is(p.outcome.err, fault.NoLeader) {
		t.Fatalf("err = %v", p.outcome.err)
	}
	if err := q.put(newProposal(nil, false)); !fault.Is(err, fault.NoLeader) {
		t.Fatalf("put after close: %v", err)
	}
}

// TestQueueConcurrent lets many clients put and give up while one pump takes:
// every proposal is either taken once or abandoned.
func TestQueueConcurrent(t *testing.T) {
	q := newQueue()
	const clients, each = 8, 500
	var wg sync.WaitGroup
	var mu sync.Mutex
	abandoned := 0
	for range clients {
		wg.Go(func() {
			for i := range each {
				p := newProposal([][]byte{{byte(i)}}, false)
				if err := q.put(p); err != nil {
					t.Error(err)
					return
				}
				if i%3 == 0 && p.abandon() {
					mu.Lock()
					abandoned++
					mu.Unlock()
				}
			}
		})
	}
	stop := make(chan struct{})
	taken := make(chan int)
	go func() {
		n := 0
		for {
			n += len(q.take())
			select {
			case <-stop:
				for rest := q.take(); len(rest) > 0; rest = q.take() {
					n += len(rest)
				}
				taken <- n
				return
			case <-q.wake:
			}
		}
	}()
	wg.Wait()
	close(stop)
	if n := <-taken; n+abandoned != clients*each {
		t.Fatalf("%d taken + %d abandoned of %d", n, abandoned, clients*each)
	}
}
