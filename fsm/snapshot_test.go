package fsm_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/record"
)

func restore(t testing.TB, f *fsm.FSM, snap []byte) {
	t.Helper()
	if err := f.Restore(bytes.NewReader(snap)); err != nil {
		t.Fatal(err)
	}
}

// sampleEntries touch everything that a snapshot holds.
func sampleEntries(n int) [][]byte {
	entries := make([][]byte, n)
	for i := range entries {
		ttl := put(fmt.Sprintf("ttl%d", i%13), "true")
		ttl.TTL = record.Some(uint64(i % 40))
		entries[i] = entry(storeTime+int64(i),
			put(fmt.Sprintf("key%d", i%70), fmt.Sprintf(`{"n":%d}`, i)), ttl,
			del(fmt.Sprintf("key%d", i%31)), &record.StateExpire{Max: 2})
	}
	return entries
}

func applyAll(t testing.TB, f *fsm.FSM, first uint64, entries [][]byte) {
	t.Helper()
	for i, e := range entries {
		apply(t, f, first+uint64(i), e)
	}
}

// sameFSM compares everything that two nodes must have in common.
func sameFSM(t testing.TB, got, want *fsm.FSM, index uint64) {
	t.Helper()
	if g, w := listing(got), listing(want); g != w {
		t.Fatalf("state\n%s\nwant\n%s", g, w)
	}
	if g, w := checksum(t, got, index), checksum(t, want, index); g != w {
		t.Fatalf("checksum %+v, want %+v", g, w)
	}
	if g, w := stream(t, got), stream(t, want); !maps.Equal(g, w) {
		t.Fatalf("%d events, want %d", len(g), len(w))
	}
	g, gok := got.NextExpiry()
	if w, wok := want.NextExpiry(); g != w || gok != wok {
		t.Fatalf("NextExpiry %d %v, want %d %v", g, gok, w, wok)
	}
}

// TestSnapshotBetweenAnyTwo restores the snapshot of a node in memory on one
// with a disk, and the other way, and goes on.
func TestSnapshotBetweenAnyTwo(t *testing.T) {
	entries := sampleEntries(300)
	for _, tc := range []struct {
		name     string
		from, to func(t *testing.T) fsm.Config
	}{
		{"memory to memory", memoryConfig, memoryConfig},
		{"memory to disk", memoryConfig, diskConfig},
		{"disk to memory", diskConfig, memoryConfig},
		{"disk to disk", diskConfig, diskConfig},
	} {
		t.Run(tc.name, func(t *testing.T) {
			from, to := opened(t, tc.from(t)), opened(t, tc.to(t))
			applyAll(t, from, 1, entries[:200])
			applyAll(t, to, 1, entries[:50]) // a follower that stayed behind
			restore(t, to, snapshot(t, from))
			applyAll(t, from, 201, entries[200:])
			applyAll(t, to, 201, entries[200:])
			sameFSM(t, to, from, 1000)
		})
	}
}

func memoryConfig(*testing.T) fsm.Config { return inMemory() }
func diskConfig(t *testing.T) fsm.Config { return onDisk(t.TempDir()) }

// TestEmptySnapshot: a state without a single entry is a state.
func TestEmptySnapshot(t *testing.T) {
	from, to := opened(t, diskConfig(t)), opened(t, diskConfig(t))
	applyAll(t, to, 1, sampleEntries(3))
	restore(t, to, snapshot(t, from))
	sameFSM(t, to, from, 1)
}

// TestSnapshotIsOfItsMoment: what is applied between Snapshot and persist, or
// beside it, is not in it.
func TestSnapshotIsOfItsMoment(t *testing.T) {
	entries := sampleEntries(400)
	f, want, got := opened(t, diskConfig(t)), opened(t, diskConfig(t)), opened(t, diskConfig(t))
	applyAll(t, f, 1, entries[:200])
	applyAll(t, want, 1, entries[:200])
	persist, release, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	applyAll(t, f, 201, entries[200:300])
	done := make(chan []byte)
	go func() { done <- persisted(t, persist) }()
	applyAll(t, f, 301, entries[300:])
	snap := <-done
	release()
	restore(t, got, snap)
	sameFSM(t, got, want, 1000)
}

// TestRestart starts again from a snapshot that is older than the event log,
// and from none at all: the log is cut back and written again by the same
// entries, with the same bytes.
func TestRestart(t *testing.T) {
	entries := sampleEntries(300)
	want := opened(t, inMemory())
	applyAll(t, want, 1, entries)
	for _, tc := range []struct {
		name string
		from int // the entry of the snapshot; 0 for none
	}{
		{"without a snapshot", 0},
		{"from a snapshot", 120},
		{"from the newest snapshot", 300},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, onDisk(dir))
			applyAll(t, f, 1, entries[:tc.from])
			snap := snapshot(t, f)
			applyAll(t, f, uint64(tc.from+1), entries[tc.from:])
			closeFSM(t, f)

			f = opened(t, onDisk(dir))
			if tc.from > 0 {
				restore(t, f, withoutEvents(t, snap))
			}
			applyAll(t, f, uint64(tc.from+1), entries[tc.from:])
			sameFSM(t, f, want, 1000)
		})
	}
}

// withoutEvents cuts a snapshot somewhere in its events: a node whose own
// event log reaches the snapshot must not even look at them.
func withoutEvents(t testing.TB, snap []byte) []byte {
	t.Helper()
	cut := snap[:len(snap)-100]
	if err := opened(t, inMemory()).Restore(bytes.NewReader(cut)); err == nil {
		t.Fatal("a snapshot without all its events is complete")
	}
	return cut
}

// TestDamagedSnapshotIsRefused cuts a snapshot at, and flips a bit of, many
// places: it is refused each time, and the state stays as it was.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	from := opened(t, onDisk(t.TempDir()))
	applyAll(t, from, 1, sampleEntries(100))
	snap := snapshot(t, from)
	for name, cfg := range map[string]fsm.Config{"memory": inMemory(), "disk": onDisk(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			f := opened(t, cfg)
			applyAll(t, f, 1, sampleEntries(20))
			before := stream(t, f)
			text := listing(f)
			rng := rand.New(rand.NewPCG(1, 2))
			for range 150 {
				at := rng.IntN(len(snap))
				refuse(t, f, snap[:at], fmt.Sprintf("cut at %d of %d", at, len(snap)))
				flipped := bytes.Clone(snap)
				flipped[at] ^= 1 << rng.IntN(8)
				refuse(t, f, flipped, fmt.Sprintf("bit flipped at %d of %d", at, len(snap)))
			}
			if listing(f) != text || !maps.Equal(stream(t, f), before) {
				t.Fatal("a refused snapshot changed something")
			}
			apply(t, f, 21, entry(storeTime, put("still", "1")))
			restore(t, f, snap)
			sameFSM(t, f, from, 1000)
		})
	}
}

func refuse(t *testing.T, f *fsm.FSM, snap []byte, what string) {
	t.Helper()
	if err := f.Restore(bytes.NewReader(snap)); err == nil {
		t.Fatalf("%s: restored", what)
	}
}

// TestPersistFails where the writer does.
func TestPersistFails(t *testing.T) {
	f := opened(t, inMemory())
	applyAll(t, f, 1, sampleEntries(50))
	size := len(snapshot(t, f))
	for _, room := range []int{0, 3, 50, size - 1} {
		persist, release, err := f.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := persist(&fullWriter{room: room}, nil); !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d: %v", room, size, err)
		}
		release()
	}
	apply(t, f, 51, entry(storeTime, put("still", "1")))
}

var errFull = errors.New("no space left")

// fullWriter is a disk with room for so many bytes.
type fullWriter struct{ room int }

func (w *fullWriter) Write(b []byte) (int, error) {
	if len(b) > w.room {
		return 0, errFull
	}
	w.room -= len(b)
	return len(b), nil
}
