package vector

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// tryRestore restores a snapshot as far as it goes, and gives it up.
func tryRestore(t *testing.T, s *Store, blocks [][]byte, attached []byte) error {
	t.Helper()
	x := s.NewRestore()
	defer func() {
		if err := x.Discard(); err != nil {
			t.Error(err)
		}
	}()
	for _, block := range blocks {
		if err := x.Add(block); err != nil {
			return err
		}
	}
	if x.Local() {
		return nil
	}
	return x.Read(bytes.NewReader(attached))
}

// TestGraphsAreKept builds a graph, and has a restart, an install and a log
// that is applied from its start find it instead of building it again.
func TestGraphsAreKept(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 1))
	dir := t.TempDir()
	cfg := Config{Dir: dir, Graph: 500, Workers: 2}
	b := newBed(t, cfg)
	b.create("c", 8, record.Cosine)
	batch := points(rnd, 0, 2000, 8)
	b.put("c", batch...)
	b.eventually("a graph", func() bool { return b.info("c").Unindexed == 0 })
	b.eventually("a graph on disk", func() bool { return len(b.snapshotGraphs("c")) == 1 })
	s := b.snapshot()
	if err := b.s.Close(); err != nil {
		t.Fatal(err)
	}

	restarted := newBed(t, cfg)
	if !restarted.restore(s) {
		t.Error("a restart read the snapshot")
	}
	installed := newBed(t, Config{Dir: t.TempDir(), Graph: 500})
	installed.restore(s)
	for what, b := range map[string]*bed{"restart": restarted, "install": installed} {
		if info := b.info("c"); info.Unindexed != 0 || info.Builds != 0 || info.Segments != 1 {
			t.Errorf("%s: %+v", what, info)
		}
	}
	if err := restarted.s.Close(); err != nil {
		t.Fatal(err)
	}
	replayed := newBed(t, cfg)
	replayed.create("c", 8, record.Cosine)
	replayed.put("c", batch[:1000]...)
	if info := replayed.info("c"); info.Unindexed != 1000 {
		t.Errorf("half way: %+v", info)
	}
	replayed.put("c", batch[1000:]...)
	if info := replayed.info("c"); info.Unindexed != 0 || info.Builds != 0 {
		t.Errorf("applied again: %+v", info)
	}
}

// snapshotGraphs returns the graphs that the manifest names.
func (b *bed) snapshotGraphs(name string) []graphFile {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	c := b.s.collections[name]
	m, err := readManifest(c.dir, c.data.Load().file.header)
	if err != nil {
		return nil
	}
	return m.Graphs
}

// TestVacuumBesideWrites vacuums again and again while points are written and
// deleted, and searched, and compares with a store that was never vacuumed.
func TestVacuumBesideWrites(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run(fmt.Sprintf("disk=%v", dir != ""), func(t *testing.T) { vacuumBesideWrites(t, dir) })
	}
}

func vacuumBesideWrites(t *testing.T, dir string) {
	rnd := rand.New(rand.NewPCG(5, 1))
	b, twin := newBed(t, Config{Dir: dir, Graph: 300, Workers: 1}), newBed(t, Config{})
	for _, b := range []*bed{b, twin} {
		b.create("c", 4, record.Cosine)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	vacuums := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := b.s.Vacuum(context.Background(), "c"); err != nil {
				t.Error(err)
			}
			vacuums++
		}
	})
	for round := 0; round < 200 || vacuumsLess(b, 5); round++ {
		batch := points(rnd, rnd.IntN(3000), 40, 4)
		gone := batch[0].ID
		for _, b := range []*bed{b, twin} {
			b.put("c", batch...)
			b.delete("c", gone)
		}
	}
	cancel()
	wg.Wait()
	if b.digest() != twin.digest() {
		t.Error("the vacuum lost or made points")
	}
	s, want := b.snapshot(), b.digest()
	if dir == "" {
		return
	}
	if err := b.s.Close(); err != nil {
		t.Fatal(err)
	}
	again := newBed(t, Config{Dir: dir})
	if !again.restore(s) || again.digest() != want {
		t.Error("the vacuumed file is not what it should be")
	}
}

// vacuumsLess reports whether fewer than n vacuums are done.
func vacuumsLess(b *bed, n uint64) bool {
	u := &b.s.collections["c"].upkeep
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.done < n
}

// TestVacuumByItself has dead rows outnumber the living.
func TestVacuumByItself(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 1))
	b := newBed(t, Config{Dir: t.TempDir(), Graph: 1 << 20})
	b.create("c", 2, record.Dot)
	batch := points(rnd, 0, 1000, 2)
	for range 12 {
		b.put("c", batch...)
	}
	b.eventually("a vacuum", func() bool { return b.info("c").Deleted < autoVacuum })
	if info := b.info("c"); info.Live != 1000 {
		t.Errorf("%+v", info)
	}
}

// TestDrop removes the folder, and lets a collection of the same name be
// something else.
func TestDrop(t *testing.T) {
	dir := t.TempDir()
	b := newBed(t, Config{Dir: dir})
	for i := range 3 {
		b.create("c", 2+i, record.Dot)
		b.put("c", Point{ID: "a", Vector: make([]float32, 2+i)})
		b.entry(func(c *record.Change) {
			if res, err := b.s.Drop(c, &record.VectorDrop{Collection: []byte("c")}); err != nil || res.Fault != nil {
				t.Fatal(err, res.Fault)
			}
		})
	}
	b.eventually("empty folder", func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) == 0
	})
	if _, ok := b.s.Reader("c", b.offset); ok {
		t.Error("it is still there")
	}
	if _, err := b.s.Vacuum(context.Background(), "c"); err == nil {
		t.Error("a vacuum of a dropped collection")
	}
	if _, err := os.Stat(filepath.Join(dir, "c")); err == nil {
		t.Error("its folder is still there")
	}
}

// TestNoRoom has a disk without room refuse what can be done without, and
// nothing else.
func TestNoRoom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	full := fault.New(fault.InsufficientStorage, "full")
	b := newBed(t, Config{Dir: t.TempDir(), Graph: 100, Room: func(int64) error { return full }})
	b.create("c", 4, record.Cosine)
	batch := points(rnd, 0, 300, 4)
	b.put("c", batch...)
	b.put("c", batch...)
	b.eventually("a graph in memory", func() bool { return b.info("c").Unindexed == 0 })
	if _, err := b.s.Vacuum(context.Background(), "c"); !fault.Is(err, fault.InsufficientStorage) {
		t.Errorf("got %v", err)
	}
	if info := b.info("c"); info.Live != 300 || info.Deleted != 300 {
		t.Errorf("%+v", info)
	}
	if graphs := b.snapshotGraphs("c"); len(graphs) != 0 {
		t.Errorf("it wrote %v", graphs)
	}
}
