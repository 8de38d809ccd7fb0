package fsm_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
)

const (
	entryPuts  = 128
	valueBytes = 256
	manyKeys   = 1_000_000
)

func benchConfig(dir string) fsm.Config {
	return fsm.Config{Dir: dir, Events: event.Config{SegmentBytes: 64 << 20, Retention: 8, Ring: 4096, BufferSize: 10000}}
}

// loader makes entries of puts with random bytes as values.
type loader struct {
	rng   *rand.ChaCha8
	index uint64
	value []byte
}

func newLoader() *loader {
	return &loader{rng: rand.NewChaCha8([32]byte{1}), value: make([]byte, valueBytes)}
}

func (l *loader) entry(keys func(i int) int) []byte {
	records := make([][]byte, entryPuts)
	for i := range records {
		_, _ = l.rng.Read(l.value)
		p := record.StatePut{Key: fmt.Appendf(nil, "session:%08d", keys(i)), Value: l.value}
		records[i] = p.Append(nil)
	}
	return record.AppendEntry(nil, storeTime, records)
}

func (l *loader) apply(b testing.TB, f *fsm.FSM, e []byte) {
	l.index++
	if _, err := f.Apply(l.index, 1, e); err != nil {
		b.Fatal(err)
	}
}

// fill writes keys one to n in a scattered order.
func (l *loader) fill(b testing.TB, f *fsm.FSM, n int) {
	for first := 0; first < n; first += entryPuts {
		l.apply(b, f, l.entry(func(i int) int { return (first + i) * 7919 % n }))
	}
}

// BenchmarkApply is the cost of one put in an entry of 128 of 256 bytes, over
// 10,000 keys and over a million, with the events on disk and without a disk.
func BenchmarkApply(b *testing.B) {
	for _, disk := range []bool{false, true} {
		for _, keys := range []int{10_000, manyKeys} {
			b.Run(fmt.Sprintf("disk=%v/keys=%d", disk, keys), func(b *testing.B) { benchApply(b, disk, keys) })
		}
	}
}

func benchApply(b *testing.B, disk bool, keys int) {
	dir := ""
	if disk {
		dir = b.TempDir()
	}
	f, l := opened(b, benchConfig(dir)), newLoader()
	l.fill(b, f, keys)
	entries := make([][]byte, 64)
	for i := range entries {
		entries[i] = l.entry(func(int) int { return int(l.rng.Uint64() % uint64(keys)) })
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		l.apply(b, f, entries[i%len(entries)])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entryPuts, "ns/put")
}

func BenchmarkGet(b *testing.B) {
	for _, keys := range []int{10_000, manyKeys} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			f, l := opened(b, benchConfig("")), newLoader()
			l.fill(b, f, keys)
			names := make([]string, 4096)
			for i := range names {
				names[i] = fmt.Sprintf("session:%08d", l.rng.Uint64()%uint64(keys))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var found bool
				f.View(func(v *fsm.View) { _, found = v.State.Get(names[i%len(names)], v.Time) })
				if !found {
					b.Fatal("not found")
				}
			}
		})
	}
}

// BenchmarkMillion reports what a million keys of 256 bytes cost: memory, the
// stall of a snapshot and of the first entry after it, and the time to
// persist, to restore and to hash.
func BenchmarkMillion(b *testing.B) {
	for b.Loop() {
		before := heap()
		f, l := open(b, benchConfig(b.TempDir())), newLoader()
		l.fill(b, f, manyKeys)
		// Of the heap, a ring of 4096 events and their rendered form are the
		// event log's.
		b.ReportMetric(float64(heap()-before)/manyKeys, "heap-B/key")

		began := time.Now()
		persist, release, err := f.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(ms(began), "freeze-ms")
		e := l.entry(func(int) int { return int(l.rng.Uint64() % manyKeys) })
		began = time.Now()
		l.apply(b, f, e)
		b.ReportMetric(ms(began), "first-apply-ms")

		began = time.Now()
		snap := persisted(b, persist)
		release()
		b.ReportMetric(ms(began), "persist-ms")
		b.ReportMetric(float64(len(snap))/1e6, "snapshot-MB")

		began = time.Now()
		checksum(b, f, 1<<40)
		b.ReportMetric(ms(began), "hash-ms")
		closeFSM(b, f)
		benchRestore(b, snap)
	}
}

func benchRestore(b *testing.B, snap []byte) {
	g := open(b, benchConfig(b.TempDir()))
	defer closeFSM(b, g)
	before := heap()
	began := time.Now()
	if err := g.Restore(bytes.NewReader(snap)); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ms(began), "restore-ms")
	b.ReportMetric(float64(heap()-before)/manyKeys, "restored-B/key")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func ms(began time.Time) float64 { return float64(time.Since(began).Microseconds()) / 1000 }

// BenchmarkSnapshotFreeze is how long Snapshot holds up the applying
// goroutine, over a million keys.
func BenchmarkSnapshotFreeze(b *testing.B) {
	f, l := opened(b, benchConfig("")), newLoader()
	l.fill(b, f, manyKeys)
	for b.Loop() {
		_, release, err := f.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
}
