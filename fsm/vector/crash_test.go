package vector

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// TestTornTail cuts vectors.bin at many places behind the snapshot, and puts
// garbage there: a start finds what the snapshot says, and what is applied
// after it is as it would have been.
func TestTornTail(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	b := newBed(t, Config{Dir: dir})
	b.create("c", 5, record.Cosine)
	b.put("c", points(rnd, 0, 50, 5)...)
	b.delete("c", "p000003")
	s := b.snapshot()
	want := b.digest()
	rest := points(rnd, 40, 20, 5)
	b.put("c", rest...)
	wantRest := b.digest()
	path := filepath.Join(dir, "c", fileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := int(s.size())
	for at := cut; at <= len(whole); at += 13 {
		for _, tail := range []string{"", "garbage behind a torn tail, longer than a frame's head"} {
			again := t.TempDir()
			copyDir(t, filepath.Join(dir, "c"), filepath.Join(again, "c"))
			if err := os.WriteFile(filepath.Join(again, "c", fileName), append(whole[:at:at], tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			b := newBed(t, Config{Dir: again})
			if !b.restore(s) {
				t.Fatalf("cut at %d: the store's own files were not enough", at)
			}
			if b.digest() != want {
				t.Fatalf("cut at %d: other points", at)
			}
			b.put("c", rest...)
			if b.digest() != wantRest {
				t.Fatalf("cut at %d: other points after going on", at)
			}
			if err := b.s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// size returns how much of the first file is in the snapshot.
func (s *snapshot) size() int64 { return int64(s.attached.Len()) }

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestDamage cuts and flips what the snapshot needs, in every file: the store
// reads the snapshot's copy then, and never serves what is damaged.
func TestDamage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 1))
	dir := t.TempDir()
	b := newBed(t, Config{Dir: dir, Graph: 100, Workers: 1})
	b.create("c", 5, record.Cosine)
	b.put("c", points(rnd, 0, 300, 5)...)
	b.build("c")
	s, want := b.snapshot(), b.digest()
	files, err := os.ReadDir(filepath.Join(dir, "c"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		whole, err := os.ReadFile(filepath.Join(dir, "c", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += 1 + len(whole)/20 {
			flipped := append([]byte(nil), whole...)
			flipped[at] ^= 0x40
			for _, content := range [][]byte{whole[:at], flipped} {
				damaged(t, s, dir, f.Name(), content, want)
			}
		}
	}
}

func damaged(t *testing.T, s *snapshot, dir, name string, content []byte, want string) {
	t.Helper()
	again := t.TempDir()
	copyDir(t, filepath.Join(dir, "c"), filepath.Join(again, "c"))
	if err := os.WriteFile(filepath.Join(again, "c", name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, Config{Dir: again, Graph: 100, Workers: 1})
	local := b.restore(s)
	if local && name == fileName {
		t.Errorf("%s was damaged, and believed", name)
	}
	if b.digest() != want {
		t.Errorf("%s was damaged: other points", name)
	}
	hits, err := b.reader("c").Search(context.Background(), &Query{Vector: []float32{1, 2, 3, 4, 5}, K: 10})
	if err != nil || len(hits) != 10 {
		t.Errorf("%s was damaged: %d hits, %v", name, len(hits), err)
	}
	if err := b.s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLeftovers has a start remove what a crash has left of a vacuum and of a
// graph.
func TestLeftovers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 1))
	dir := t.TempDir()
	cfg := Config{Dir: dir, Graph: 100, Workers: 1}
	b := newBed(t, cfg)
	b.create("c", 5, record.Cosine)
	b.put("c", points(rnd, 0, 300, 5)...)
	b.build("c")
	s, graph := b.snapshot(), b.snapshotGraphs("c")[0].Name
	if err := b.s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{newFilePrefix + "7", "graph-000009.hnsw", "manifest.json.123.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, "c", name), []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b = newBed(t, cfg)
	if !b.restore(s) {
		t.Error("the store's own files were not enough")
	}
	entries, err := os.ReadDir(filepath.Join(dir, "c"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{graph, manifestName, fileName}; !slices.Equal(names, want) {
		t.Errorf("there are %v, want %v", names, want)
	}
}

// TestRestoreRefuses reads attached bytes that are not what was written.
func TestRestoreRefuses(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 1))
	b := newBed(t, Config{Dir: t.TempDir()})
	b.create("c", 3, record.Dot)
	b.put("c", points(rnd, 0, 20, 3)...)
	s := b.snapshot()
	whole := append([]byte(nil), s.attached.Bytes()...)
	other := newBed(t, Config{Dir: t.TempDir()})
	other.create("kept", 2, record.Dot)
	before := other.digest()
	for at := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[at] ^= 1
		for _, content := range [][]byte{whole[:at], flipped} {
			if err := tryRestore(t, other.s, s.blocks, content); err == nil {
				t.Fatalf("damage at byte %d was believed", at)
			}
		}
	}
	if other.digest() != before {
		t.Error("a restore that failed has changed the store")
	}
	if entries, err := os.ReadDir(other.s.cfg.Dir); err != nil || len(entries) != 1 {
		t.Errorf("it left %v, %v", entries, err)
	}
}

// TestTakeRefusesWhatIsNoNumber has frames with right checksums hold values
// that no record may.
func TestTakeRefusesWhatIsNoNumber(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, metric := range []record.Metric{record.Cosine, record.Dot} {
			d := newData(3, metric, newMemoryFile(header{}))
			f := frame{kind: framePut, id: []byte("a"), vector: record.AppendVector(nil, []float32{1, bad, 0})}
			if err := d.take(&f); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v under %s: %v", bad, metric, err)
			}
		}
	}
}
