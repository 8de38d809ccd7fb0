package event

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// benchEvents returns n events of about 300 bytes, from offset first.
func benchEvents(n int, first uint64) []record.Event {
	events := make([]record.Event, n)
	rng := rand.New(rand.NewPCG(1, first))
	for i := range events {
		events[i] = record.Event{
			Offset: first + uint64(i), Time: 1767225600000, Type: record.StateUpdated,
			Key: fmt.Appendf(nil, "bench:%016x", rng.Uint64()), Revision: 1,
			Value: fmt.Appendf(nil, `{"name":"%0128x","text":"%0100d"}`, rng.Uint64(), rng.Uint64()),
		}
	}
	return events
}

func benchConfig(dir string) Config {
	return Config{Dir: dir, SegmentBytes: 64 << 20, Retention: 8, Ring: 4096}
}

func number(events []record.Event, first uint64) {
	for i := range events {
		events[i].Offset = first + uint64(i)
	}
}

// BenchmarkAppend appends and publishes an entry of 128 events.
func BenchmarkAppend(b *testing.B) {
	l := open(b, benchConfig(b.TempDir()))
	events := benchEvents(128, 1)
	b.SetBytes(128 * 300)
	for b.Loop() {
		number(events, l.Head()+1)
		if err := l.Append(events); err != nil {
			b.Fatal(err)
		}
		l.Publish()
	}
}

// BenchmarkFanOut lets 500 cursors read an entry of 128 events from the ring,
// rendered.
func BenchmarkFanOut(b *testing.B) {
	l := open(b, benchConfig(b.TempDir()))
	events := benchEvents(128, 1)
	cursors := make([]*Cursor, 500)
	for i := range cursors {
		cursors[i] = l.Cursor(0)
	}
	total := 0
	for b.Loop() {
		number(events, l.Head()+1)
		if err := l.Append(events); err != nil {
			b.Fatal(err)
		}
		l.Publish()
		for _, c := range cursors {
			batch, err := c.Next(b.Context(), 0)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range batch.Events {
				total += len(e.SSE())
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500*128), "ns/delivery")
}

// BenchmarkResume starts cursors in the middle of a full segment, compressed
// or not, that is not in memory.
func BenchmarkResume(b *testing.B) {
	for _, sealed := range []bool{false, true} {
		b.Run(fmt.Sprintf("sealed=%v", sealed), func(b *testing.B) {
			l := open(b, benchConfig(b.TempDir()))
			l.files.Lock()
			for len(l.view.Load().segs) < 2 {
				if err := l.Append(benchEvents(128, l.Head()+1)); err != nil {
					b.Fatal(err)
				}
				l.Publish()
			}
			l.files.Unlock()
			if sealed {
				awaitSealed(b, l)
			} else {
				l.files.Lock()
				defer l.files.Unlock()
			}
			for b.Loop() {
				if batch, err := l.Cursor(l.Head()/2).Next(b.Context(), 1); err != nil || len(batch.Events) != 1 {
					b.Fatal(batch, err)
				}
			}
		})
	}
}
