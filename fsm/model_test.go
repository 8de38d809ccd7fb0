package fsm_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// generator makes random entries, with clocks that jump both ways.
type generator struct {
	rng *rand.Rand
	now int64
}

func (g *generator) key() []byte { return fmt.Appendf(nil, "k%d", g.rng.IntN(40)) }

func (g *generator) revision() record.Optional {
	if g.rng.IntN(3) > 0 {
		return record.Optional{}
	}
	return record.Some(uint64(g.rng.IntN(8)))
}

func (g *generator) put() *record.StatePut {
	p := &record.StatePut{Key: g.key(), Value: fmt.Appendf(nil, `"%0*d"`, g.rng.IntN(300), 7), IfRevision: g.revision()}
	if g.rng.IntN(3) == 0 {
		p.TTL = record.Some(uint64(g.rng.IntN(60)))
	}
	return p
}

func (g *generator) record() interface{ Append([]byte) []byte } {
	switch g.rng.IntN(8) {
	case 0:
		return &record.StateDelete{Key: g.key(), IfRevision: g.revision()}
	case 1:
		return &record.StateExpire{Max: uint64(g.rng.IntN(5))}
	case 2:
		b := &record.StateBatch{Atomic: g.rng.IntN(2) == 0}
		for range g.rng.IntN(5) {
			b.Puts = append(b.Puts, *g.put())
		}
		return b
	case 3:
		return record.Checksum{}
	}
	return g.put()
}

func (g *generator) entry() []byte {
	g.now += int64(g.rng.IntN(30)) - 8
	records := make([]interface{ Append([]byte) []byte }, g.rng.IntN(6))
	for i := range records {
		records[i] = g.record()
	}
	return entry(g.now, records...)
}

// twin is what the stream and the results say, told simply: a client that
// replays the events has the state.
type twin struct {
	t      *testing.T
	items  map[string]*event.Event
	offset uint64
	time   int64
}

func (w *twin) follow(f *fsm.FSM) {
	w.t.Helper()
	cursor := f.Events().Cursor(w.offset)
	for w.offset < f.Offset() {
		batch, err := cursor.Next(w.t.Context(), 0)
		if err != nil || batch.Gap != nil {
			w.t.Fatalf("%+v, %v", batch, err)
		}
		for _, e := range batch.Events {
			w.event(e)
		}
	}
}

func (w *twin) event(e *event.Event) {
	w.t.Helper()
	if e.Offset != w.offset+1 || e.Time < w.time {
		w.t.Fatalf("event %d at %d behind %d at %d", e.Offset, e.Time, w.offset, w.time)
	}
	w.offset, w.time = e.Offset, e.Time
	key := string(e.Key)
	old := w.items[key]
	if e.Type == record.StateUpdated {
		if old != nil && e.Revision != old.Revision+1 {
			w.t.Fatalf("%s goes from revision %d to %d", key, old.Revision, e.Revision)
		}
		w.items[key] = e
		return
	}
	if old == nil {
		w.t.Fatalf("%s is deleted but was not there", key)
	}
	if e.Reason == record.TTL && (old.ExpiresAt == 0 || int64(old.ExpiresAt) > e.Time) {
		w.t.Fatalf("%s expires at %d, before its deadline %d", key, e.Time, old.ExpiresAt)
	}
	delete(w.items, key)
}

func (w *twin) compare(f *fsm.FSM) {
	w.t.Helper()
	f.View(func(v *fsm.View) {
		if v.State.Len() != len(w.items) || v.Time < w.time {
			w.t.Fatalf("%d items at %d, by the events %d at %d", v.State.Len(), v.Time, len(w.items), w.time)
		}
		for _, item := range v.State.List("", "", len(w.items), 0) {
			e := w.items[item.Key()]
			if e == nil || string(e.Value) != item.Value() || e.Revision != item.Revision || e.ExpiresAt != item.ExpiresAt {
				w.t.Fatalf("item %+v, by the events %+v", item, e)
			}
		}
	})
}

// TestNodesStayEqual feeds random entries to a node in memory and to one on
// disk that is now and then replaced: by one that restores the other's
// snapshot, or by itself after a restart. Results, states, hashes and event
// bytes are the same, and the events tell the state.
func TestNodesStayEqual(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { nodesStayEqual(t, seed) })
	}
}

func nodesStayEqual(t *testing.T, seed uint64) {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 3)), now: storeTime}
	a := opened(t, inMemory())
	b := &restarter{t: t, rng: g.rng}
	b.replace()
	defer func() { closeFSM(t, b.node) }()
	told := &twin{t: t, items: map[string]*event.Event{}}
	for index := uint64(1); index <= 600; index++ {
		e := g.entry()
		want, err := a.Apply(index, 1, e)
		if err != nil {
			t.Fatal(err)
		}
		got := b.apply(index, e)
		if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) || len(got) != len(want) {
			t.Fatalf("entry %d: results\n%x\n%x", index, got, want)
		}
		told.follow(a)
		told.compare(a)
		switch g.rng.IntN(60) {
		case 0:
			b.replace()
			b.restore(snapshot(t, a), index)
		case 1:
			b.restart()
		case 2:
			b.keep(snapshot(t, b.node), index)
		}
	}
	sameFSM(t, b.node, a, 10_000)
	if len(stream(t, a)) != int(a.Offset()) {
		t.Fatal("the twin did not keep all events")
	}
}

// restarter is a node that keeps its last snapshot, and the entries since, as
// the replicated log does.
type restarter struct {
	t    *testing.T
	rng  *rand.Rand
	dir  string
	node *fsm.FSM
	snap []byte
	log  [][]byte
	base uint64 // index of the snapshot
}

func (r *restarter) open() {
	cfg := onDisk(r.dir)
	cfg.Events.SegmentBytes = 1 << (9 + r.rng.IntN(8))
	r.node = open(r.t, cfg)
}

// replace goes on with an empty node.
func (r *restarter) replace() {
	if r.node != nil {
		closeFSM(r.t, r.node)
	}
	r.dir = r.t.TempDir()
	r.open()
}

func (r *restarter) restart() {
	closeFSM(r.t, r.node)
	r.open()
	if r.snap != nil {
		restore(r.t, r.node, r.snap)
	}
	for i, e := range r.log {
		apply(r.t, r.node, r.base+1+uint64(i), e)
	}
}

func (r *restarter) restore(snap []byte, index uint64) {
	restore(r.t, r.node, snap)
	r.keep(snap, index)
}

func (r *restarter) keep(snap []byte, index uint64) { r.snap, r.base, r.log = snap, index, nil }

func (r *restarter) apply(index uint64, e []byte) [][]byte {
	r.log = append(r.log, e)
	results, err := r.node.Apply(index, 1, e)
	if err != nil {
		r.t.Fatal(err)
	}
	return results
}

// FuzzApply: whatever an entry holds, it is applied or refused, and what was
// applied can be snapshotted and restored.
func FuzzApply(f *testing.F) {
	g := &generator{rng: rand.New(rand.NewPCG(1, 4)), now: storeTime}
	for range 30 {
		f.Add(g.entry(), g.entry())
	}
	f.Add(entry(record.MaxTime, g.put()), entry(0, g.put()))
	f.Add([]byte{}, []byte(strings.Repeat("\xff", 30)))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		a, b := opened(t, inMemory()), opened(t, inMemory())
		if _, err := a.Apply(1, 1, first); err != nil {
			return
		}
		if _, err := a.Apply(2, 1, second); err != nil {
			return
		}
		restore(t, b, snapshot(t, a))
		sameFSM(t, b, a, 3)
	})
}
