package state_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
)

// twin is the store told simply: a map, copied to undo, sorted to list.
type twin struct {
	items map[string]twinItem
	last  map[string]uint64 // the last revision of every key there ever was
}

type twinItem struct {
	value     string
	revision  uint64
	expiresAt uint64
}

func newTwin() *twin { return &twin{items: map[string]twinItem{}, last: map[string]uint64{}} }

func (w *twin) clone() *twin {
	c := newTwin()
	for k, v := range w.items {
		c.items[k] = v
	}
	for k, v := range w.last {
		c.last[k] = v
	}
	return c
}

func (w *twin) expired(key string, now int64) bool {
	item, ok := w.items[key]
	return ok && item.expiresAt != 0 && item.expiresAt <= uint64(now)
}

func (w *twin) live(key string, now int64) bool {
	_, ok := w.items[key]
	return ok && !w.expired(key, now)
}

// refused returns whether a compare-and-set on key loses.
func (w *twin) refused(key string, want record.Optional, now int64) bool {
	if !want.Set {
		return false
	}
	if !w.live(key, now) {
		return want.Value != 0
	}
	return want.Value != w.items[key].revision
}

// put returns the events as text, and whether it was refused.
func (w *twin) put(p *record.StatePut, now int64) (events []string, refused bool) {
	key := string(p.Key)
	if w.refused(key, p.IfRevision, now) {
		return nil, true
	}
	if w.expired(key, now) {
		events = append(events, "ttl "+key)
	}
	w.last[key]++
	item := twinItem{value: string(p.Value), revision: w.last[key]}
	if p.TTL.Set {
		item.expiresAt = uint64(now) + p.TTL.Value
	}
	w.items[key] = item
	return append(events, fmt.Sprintf("put %s=%s rev %d exp %d", key, item.value, item.revision, item.expiresAt)), false
}

func (w *twin) delete(d *record.StateDelete, now int64) (events []string, refused bool) {
	key := string(d.Key)
	if w.refused(key, d.IfRevision, now) {
		return nil, true
	}
	switch {
	case w.live(key, now):
		events = []string{"explicit " + key}
	case w.expired(key, now):
		events = []string{"ttl " + key}
	}
	delete(w.items, key)
	return events, false
}

func (w *twin) expire(most uint64, now int64) (events []string) {
	var due []string
	for key := range w.items {
		if w.expired(key, now) {
			due = append(due, key)
		}
	}
	slices.SortFunc(due, func(a, b string) int {
		if x, y := w.items[a].expiresAt, w.items[b].expiresAt; x != y {
			return int(x) - int(y)
		}
		return strings.Compare(a, b)
	})
	for _, key := range due[:min(uint64(len(due)), most)] {
		events = append(events, "ttl "+key)
		delete(w.items, key)
	}
	return events
}

func (w *twin) list(prefix, after string, limit int, now int64) []string {
	var keys []string
	for key := range w.items {
		if strings.HasPrefix(key, prefix) && key > after && w.live(key, now) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), max(limit, 0))]
}

func eventText(events []record.Event) []string {
	var text []string
	for _, e := range events {
		if e.Type == record.StateDeleted {
			text = append(text, fmt.Sprintf("%s %s", e.Reason, e.Key))
		} else {
			text = append(text, fmt.Sprintf("put %s=%s rev %d exp %d", e.Key, e.Value, e.Revision, e.ExpiresAt))
		}
	}
	return text
}

// model runs a store beside its twin.
type model struct {
	t     *testing.T
	rng   *rand.Rand
	store *state.Store
	twin  *twin
	c     record.Change
	now   int64
	want  []string // the events of the entry, by the twin
}

func (m *model) key() []byte { return fmt.Appendf(nil, "k%d", m.rng.IntN(12)) }

func (m *model) revision() record.Optional {
	switch m.rng.IntN(4) {
	case 0:
		return record.Some(0)
	case 1:
		return record.Some(uint64(m.rng.IntN(6)))
	}
	return record.Optional{}
}

func (m *model) statePut() record.StatePut {
	p := record.StatePut{Key: m.key(), Value: fmt.Appendf(nil, "%d", m.rng.IntN(1000)), IfRevision: m.revision()}
	if m.rng.IntN(3) == 0 {
		p.TTL = record.Some(uint64(m.rng.IntN(40)))
	}
	return p
}

// fault checks that exactly the refusals are faults, at the right offset.
func (m *model) fault(res record.Result, refused bool) {
	m.t.Helper()
	if (res.Fault != nil) != refused || refused && res.Fault.Code != fault.RevisionMismatch {
		m.t.Fatalf("fault %v, want refused %v", res.Fault, refused)
	}
	if res.Offset != m.c.Offset {
		m.t.Fatalf("result at %d, the change is at %d", res.Offset, m.c.Offset)
	}
}

func (m *model) put() {
	p := m.statePut()
	res := m.store.Put(&m.c, &p)
	events, refused := m.twin.put(&p, m.now)
	m.want = append(m.want, events...)
	m.fault(res, refused)
	if item := m.twin.items[string(p.Key)]; !refused && (res.Revision != item.revision || res.ExpiresAt != item.expiresAt) {
		m.t.Fatalf("result %+v, twin %+v", res, item)
	}
}

func (m *model) delete() {
	d := record.StateDelete{Key: m.key(), IfRevision: m.revision()}
	live := m.twin.live(string(d.Key), m.now)
	res := m.store.Delete(&m.c, &d)
	events, refused := m.twin.delete(&d, m.now)
	m.want = append(m.want, events...)
	m.fault(res, refused)
	if res.Deleted != (live && !refused) {
		m.t.Fatalf("deleted %v, live %v, refused %v", res.Deleted, live, refused)
	}
}

func (m *model) expire() {
	x := record.StateExpire{Max: uint64(m.rng.IntN(4))}
	res := m.store.Expire(&m.c, &x)
	events := m.twin.expire(x.Max, m.now)
	m.want = append(m.want, events...)
	if m.fault(res, false); res.Count != uint64(len(events)) {
		m.t.Fatalf("expired %d, twin %d", res.Count, len(events))
	}
}

func (m *model) batch() {
	b := record.StateBatch{Atomic: m.rng.IntN(2) == 0}
	for range m.rng.IntN(6) {
		b.Puts = append(b.Puts, m.statePut())
	}
	before, wantBefore := m.twin.clone(), len(m.want)
	res := m.store.Batch(&m.c, &b)
	for i := range b.Puts {
		events, refused := m.twin.put(&b.Puts[i], m.now)
		m.want = append(m.want, events...)
		if refused && b.Atomic {
			m.twin, m.want = before, m.want[:wantBefore]
			m.fault(res, true)
			if !res.Fault.HasOperation || res.Fault.Operation != i {
				m.t.Fatalf("operation %+v, want %d", res.Fault, i)
			}
			return
		}
		if !b.Atomic && (res.Batch[i].Fault != nil) != refused {
			m.t.Fatalf("operation %d: %+v, want refused %v", i, res.Batch[i], refused)
		}
	}
	m.fault(res, false)
}

// entry runs a few records, commits them, and compares everything.
func (m *model) entry() {
	m.now += int64(m.rng.IntN(15))
	m.c.Reset(m.now, m.c.Offset)
	m.want = nil
	seen := m.listing()
	for range 1 + m.rng.IntN(4) {
		switch m.rng.IntN(8) {
		case 0, 1, 2:
			m.put()
		case 3, 4:
			m.delete()
		case 5:
			m.expire()
		default:
			m.batch()
		}
	}
	if got := eventText(m.c.Events); !slices.Equal(got, m.want) {
		m.t.Fatalf("events\n%q\ntwin\n%q", got, m.want)
	}
	if got := m.listing(); !slices.Equal(got, seen) {
		m.t.Fatalf("staged changes are visible:\n%q\nbefore\n%q", got, seen)
	}
	m.store.Commit()
	m.compare()
}

// listing is the whole store as readers see it.
func (m *model) listing() []string {
	var text []string
	for _, item := range m.store.List("", "", 1000, 0) {
		text = append(text, fmt.Sprintf("%s=%s rev %d exp %d", item.Key(), item.Value(), item.Revision, item.ExpiresAt))
	}
	return text
}

func (m *model) compare() {
	m.t.Helper()
	if m.store.Len() != len(m.twin.items) {
		m.t.Fatalf("Len %d, twin %d", m.store.Len(), len(m.twin.items))
	}
	for i := range 13 {
		key := fmt.Sprintf("k%d", i)
		item, ok := m.store.Get(key, m.now)
		if ok != m.twin.live(key, m.now) {
			m.t.Fatalf("Get(%s) ok %v", key, ok)
		}
		if want := m.twin.items[key]; ok && (item.Value() != want.value || item.Revision != want.revision || item.ExpiresAt != want.expiresAt) {
			m.t.Fatalf("Get(%s) = %+v, twin %+v", key, item, want)
		}
	}
	prefix := []string{"", "k", "k1", "j", "l"}[m.rng.IntN(5)]
	after := []string{"", "k", "k1", "k10", "k5", "z"}[m.rng.IntN(6)]
	limit := m.rng.IntN(14) - 1
	var got []string
	for _, item := range m.store.List(prefix, after, limit, m.now) {
		got = append(got, item.Key())
	}
	if want := m.twin.list(prefix, after, limit, m.now); !slices.Equal(got, want) {
		m.t.Fatalf("List(%q, %q, %d) = %q, twin %q", prefix, after, limit, got, want)
	}
	m.compareExpiry()
}

func (m *model) compareExpiry() {
	var want uint64
	for _, item := range m.twin.items {
		if item.expiresAt != 0 && (want == 0 || item.expiresAt < want) {
			want = item.expiresAt
		}
	}
	if got, ok := m.store.NextExpiry(); ok != (want != 0) || uint64(got) != want {
		m.t.Fatalf("NextExpiry = %d, %v, twin %d", got, ok, want)
	}
}

// restore goes on with a store built of the frozen one.
func (m *model) restore() {
	blocks := encode(m.t, m.store.Freeze())
	store := build(m.t, blocks)
	if again := encode(m.t, store.Freeze()); !reflect.DeepEqual(again, blocks) {
		m.t.Fatal("a restored store is written differently")
	}
	m.store = store
}

func TestStoreAgainstTwin(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 1)), store: state.New(), twin: newTwin(), now: 1000}
			for range 400 {
				m.entry()
				if m.rng.IntN(50) == 0 {
					m.restore()
					m.compare()
				}
			}
		})
	}
}
