package vector

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// bed is a store with what the rest of a state machine does for it.
type bed struct {
	t      testing.TB
	s      *Store
	change record.Change
	offset uint64
}

func newBed(t testing.TB, cfg Config) *bed {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bed{t: t, s: s}
}

// entry applies one entry, and returns its events.
func (b *bed) entry(records func(c *record.Change)) []record.Event {
	b.t.Helper()
	b.change.Reset(1000, b.offset)
	records(&b.change)
	if err := b.s.Flush(); err != nil {
		b.t.Fatal(err)
	}
	b.s.Commit()
	b.offset = b.change.Offset
	return b.change.Events
}

func (b *bed) create(name string, dim int, metric record.Metric) {
	b.t.Helper()
	b.entry(func(c *record.Change) {
		res, err := b.s.Create(c, &record.VectorCreate{Collection: []byte(name), Dim: uint64(dim), Metric: metric})
		if err != nil || res.Fault != nil {
			b.t.Fatalf("create %s: %v, %v", name, err, res.Fault)
		}
	})
}

// put writes points, in one entry.
func (b *bed) put(name string, points ...Point) {
	b.t.Helper()
	b.entry(func(c *record.Change) {
		for _, p := range points {
			if res := b.s.Put(c, &record.VectorPut{Collection: []byte(name), ID: []byte(p.ID), Vector: record.AppendVector(nil, p.Vector), Meta: []byte(p.Meta)}); res.Fault != nil {
				b.t.Fatalf("put %s: %v", p.ID, res.Fault)
			}
		}
	})
}

func (b *bed) delete(name string, ids ...string) {
	b.t.Helper()
	b.entry(func(c *record.Change) {
		for _, id := range ids {
			if res := b.s.Delete(c, &record.VectorDelete{Collection: []byte(name), ID: []byte(id)}); res.Fault != nil || !res.Deleted {
				b.t.Fatalf("delete %s: %+v", id, res)
			}
		}
	})
}

func (b *bed) reader(name string) *Reader {
	b.t.Helper()
	r, ok := b.s.Reader(name, b.offset)
	if !ok {
		b.t.Fatalf("no collection %s", name)
	}
	return r
}

func (b *bed) info(name string) Info {
	b.t.Helper()
	return b.reader(name).Info()
}

// digest is what the state's hash would see.
func (b *bed) digest() string {
	b.t.Helper()
	var all []byte
	err := b.s.Freeze(b.offset, false).Digest(context.Background(), func(block []byte) error {
		all = append(all, block...)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return string(all)
}

// snapshot is what a snapshot holds: the blocks, and what is attached.
type snapshot struct {
	offset   uint64
	blocks   [][]byte
	attached bytes.Buffer
}

func (b *bed) snapshot() *snapshot {
	b.t.Helper()
	z := b.s.Freeze(b.offset, true)
	s := &snapshot{offset: b.offset}
	err := z.Encode(func(block []byte) error {
		s.blocks = append(s.blocks, bytes.Clone(block))
		return nil
	})
	if err == nil {
		err = z.Attach(func(f *os.File, size int64) error {
			_, err := io.Copy(&s.attached, io.NewSectionReader(f, 0, size))
			return err
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if err := z.Release(); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// restore puts a snapshot in place and reports whether the store's own files
// were enough.
func (b *bed) restore(s *snapshot) (local bool) {
	b.t.Helper()
	x := b.s.NewRestore()
	for _, block := range s.blocks {
		if err := x.Add(block); err != nil {
			b.t.Fatal(err)
		}
	}
	if !x.Done() {
		b.t.Fatal("the blocks have no end")
	}
	if local = x.Local(); !local {
		r := bytes.NewReader(s.attached.Bytes())
		if err := x.Read(r); err != nil {
			b.t.Fatal(err)
		}
		if r.Len() > 0 {
			b.t.Fatalf("%d bytes were not read", r.Len())
		}
	}
	if err := x.Commit(); err != nil {
		b.t.Fatal(err)
	}
	b.offset = s.offset
	return local
}

// build builds the graphs that are due, as the maintenance does by and by.
func (b *bed) build(name string) {
	b.t.Helper()
	for again := true; again; {
		var err error
		if again, err = b.s.keeper.buildNext(b.s.collections[name]); err != nil {
			b.t.Fatal(err)
		}
		_, later := b.s.keeper.plan(b.s.collections[name], b.reader(name))
		again = again && !later
	}
}

// eventually waits for a fact that the maintenance brings about.
func (b *bed) eventually(what string, fact func() bool) {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !fact(); <-tick.C {
		if time.Now().After(deadline) {
			b.t.Fatalf("never: %s", what)
		}
	}
}

func randomVector(rnd *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = float32(rnd.NormFloat64())
	}
	return v
}

func points(rnd *rand.Rand, from, n, dim int) []Point {
	all := make([]Point, n)
	for i := range all {
		all[i] = Point{ID: fmt.Sprintf("p%06d", from+i), Vector: randomVector(rnd, dim), Meta: fmt.Sprintf(`{"n":%d}`, (from+i)%7)}
	}
	return all
}

func TestApplyRefusals(t *testing.T) {
	b := newBed(t, Config{})
	b.create("c", 2, record.Dot)
	vector := record.AppendVector(nil, []float32{1, 2})
	short := vector[:4]
	c, other, id := []byte("c"), []byte("other"), []byte("a")
	b.put("c", Point{ID: "a", Vector: []float32{1, 2}})
	for name, test := range map[string]struct {
		apply func(c *record.Change) record.Result
		code  fault.Code
	}{
		"create again": {func(ch *record.Change) record.Result {
			res, _ := b.s.Create(ch, &record.VectorCreate{Collection: c, Dim: 2, Metric: record.Dot})
			return res
		}, fault.AlreadyExists},
		"drop none": {func(ch *record.Change) record.Result {
			res, _ := b.s.Drop(ch, &record.VectorDrop{Collection: other})
			return res
		}, fault.NotFound},
		"put into none": {func(ch *record.Change) record.Result {
			return b.s.Put(ch, &record.VectorPut{Collection: other, ID: id, Vector: vector})
		}, fault.NotFound},
		"put too short": {func(ch *record.Change) record.Result {
			return b.s.Put(ch, &record.VectorPut{Collection: c, ID: id, Vector: short})
		}, fault.DimMismatch},
		"add again": {func(ch *record.Change) record.Result {
			return b.s.Put(ch, &record.VectorPut{Collection: c, ID: id, Vector: vector, Add: true})
		}, fault.AlreadyExists},
		"update none": {func(ch *record.Change) record.Result {
			return b.s.Update(ch, &record.VectorUpdate{Collection: c, ID: other, Vector: vector})
		}, fault.NotFound},
		"update too short": {func(ch *record.Change) record.Result {
			return b.s.Update(ch, &record.VectorUpdate{Collection: c, ID: id, Vector: short})
		}, fault.DimMismatch},
		"delete none": {func(ch *record.Change) record.Result {
			return b.s.Delete(ch, &record.VectorDelete{Collection: c, ID: other})
		}, fault.NotFound},
		"vacuum none": {func(ch *record.Change) record.Result {
			return b.s.RequestVacuum(ch, &record.VectorVacuum{Collection: other})
		}, fault.NotFound},
		"batch into none": {func(ch *record.Change) record.Result {
			return b.s.PutBatch(ch, &record.VectorPutBatch{Collection: other})
		}, fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.digest()
			var res record.Result
			events := b.entry(func(c *record.Change) { res = test.apply(c) })
			if res.Fault == nil || res.Fault.Code != test.code {
				t.Errorf("got %v, want %v", res.Fault, test.code)
			}
			if len(events) != 0 || b.digest() != before {
				t.Errorf("a refusal left %d events", len(events))
			}
		})
	}
}

// TestEntryIsOne has records of one entry see what the earlier ones did.
func TestEntryIsOne(t *testing.T) {
	b := newBed(t, Config{Dir: t.TempDir()})
	name, id := []byte("c"), []byte("a")
	one, two := record.AppendVector(nil, []float32{1, 0}), record.AppendVector(nil, []float32{0, 1})
	create := func(c *record.Change) {
		if res, err := b.s.Create(c, &record.VectorCreate{Collection: name, Dim: 2, Metric: record.Cosine}); err != nil || res.Fault != nil {
			t.Fatal(err, res.Fault)
		}
	}
	events := b.entry(func(c *record.Change) {
		create(c)
		b.s.Put(c, &record.VectorPut{Collection: name, ID: id, Vector: one, Add: true})
		if res, err := b.s.Drop(c, &record.VectorDrop{Collection: name}); err != nil || res.Fault != nil {
			t.Fatal(err, res.Fault)
		}
		create(c)
		b.s.Put(c, &record.VectorPut{Collection: name, ID: id, Vector: one, Add: true})
		b.s.Update(c, &record.VectorUpdate{Collection: name, ID: id, Meta: []byte(`{"x":1}`), SetMeta: true})
		b.s.Delete(c, &record.VectorDelete{Collection: name, ID: id})
		b.s.Put(c, &record.VectorPut{Collection: name, ID: id, Vector: two})
		b.s.Update(c, &record.VectorUpdate{Collection: name, ID: id}) // names nothing
		if _, ok := b.s.collections["c"]; ok {
			t.Error("it can be seen before it is committed")
		}
	})
	var types []string
	for _, e := range events {
		types = append(types, e.Type.String())
	}
	want := "[vector_collection_created vector_added vector_collection_deleted vector_collection_created vector_added vector_updated vector_deleted vector_upserted]"
	if fmt.Sprint(types) != want {
		t.Errorf("events %v", types)
	}
	if !bytes.Equal(events[5].Vector, one) || string(events[5].Meta) != `{"x":1}` {
		t.Errorf("the update's event has vector %x and meta %s", events[5].Vector, events[5].Meta)
	}
	p, _, found := b.s.Get("c", "a")
	if !found || p.Vector[1] != 1 || p.Meta != "" {
		t.Errorf("got %+v, %v", p, found)
	}
	if _, err := os.Stat(filepath.Join(b.s.cfg.Dir, "c", manifestName)); err != nil {
		t.Error(err)
	}
}

// TestReaderStays proves that a reader does not see what came after it.
func TestReaderStays(t *testing.T) {
	b := newBed(t, Config{})
	b.create("c", 1, record.Dot)
	b.put("c", Point{ID: "a", Vector: []float32{1}}, Point{ID: "b", Vector: []float32{2}})
	r := b.reader("c")
	b.delete("c", "a")
	b.put("c", Point{ID: "b", Vector: []float32{20}}, Point{ID: "d", Vector: []float32{30}})
	hits, err := r.Search(context.Background(), &Query{Vector: []float32{1}, K: 10, Exact: true})
	if err != nil || fmt.Sprint(hits) != "[{b 2 } {a 1 }]" {
		t.Errorf("got %v, %v", hits, err)
	}
	hits, err = b.reader("c").Search(context.Background(), &Query{Vector: []float32{1}, K: 10})
	if err != nil || fmt.Sprint(hits) != "[{d 30 } {b 20 }]" {
		t.Errorf("got %v, %v", hits, err)
	}
}

func TestFrameSize(t *testing.T) {
	for _, f := range []frame{
		{kind: frameDelete, offset: 1, id: []byte("a")},
		{kind: framePut, offset: 1 << 40, id: bytes.Repeat([]byte("a"), 200), meta: []byte("{}"), vector: make([]byte, 400)},
		{kind: framePut, vector: make([]byte, 4)},
	} {
		encoded, _ := f.append(nil)
		if int64(len(encoded)) != f.size() {
			t.Errorf("%d bytes, size says %d", len(encoded), f.size())
		}
		if n := binary.LittleEndian.Uint32(encoded); int(n) != len(encoded)-frameHead {
			t.Errorf("length %d", n)
		}
	}
}
