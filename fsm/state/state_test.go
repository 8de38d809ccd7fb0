package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
)

// encode returns the blocks of f, each a copy.
func encode(t testing.TB, f *state.Frozen) [][]byte {
	t.Helper()
	var blocks [][]byte
	if err := f.Encode(func(b []byte) error {
		blocks = append(blocks, bytes.Clone(b))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return blocks
}

func build(t testing.TB, blocks [][]byte) *state.Store {
	t.Helper()
	b := state.NewBuilder()
	for _, block := range blocks {
		if err := b.Add(block); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Store()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writer applies one record an entry.
type writer struct {
	*state.Store
	c record.Change
}

func newWriter() *writer { return &writer{Store: state.New()} }

func (w *writer) put(now int64, key, value string, set ...func(*record.StatePut)) record.Result {
	p := record.StatePut{Key: []byte(key), Value: []byte(value)}
	for _, f := range set {
		f(&p)
	}
	w.c.Reset(now, w.c.Offset)
	defer w.Commit()
	return w.Put(&w.c, &p)
}

func (w *writer) delete(now int64, key string) record.Result {
	w.c.Reset(now, w.c.Offset)
	defer w.Commit()
	return w.Delete(&w.c, &record.StateDelete{Key: []byte(key)})
}

func ttl(ms uint64) func(*record.StatePut) {
	return func(p *record.StatePut) { p.TTL = record.Some(ms) }
}

func ifRevision(r uint64) func(*record.StatePut) {
	return func(p *record.StatePut) { p.IfRevision = record.Some(r) }
}

// TestNoABA: a compare-and-set with a revision of a key's former life fails.
func TestNoABA(t *testing.T) {
	w := newWriter()
	old := w.put(1, "k", "1").Revision
	w.delete(2, "k")
	if res := w.put(3, "k", "2"); res.Revision == old {
		t.Fatalf("revision %d came again after a delete", old)
	}
	old = w.put(4, "k", "3", ttl(5)).Revision
	w.c.Reset(100, w.c.Offset)
	w.Expire(&w.c, &record.StateExpire{Max: 10})
	w.Commit()
	if w.Len() != 0 {
		t.Fatal("not expired")
	}
	w.put(101, "k", "4", ifRevision(0))
	if res := w.put(102, "k", "5", ifRevision(old)); res.Fault == nil {
		t.Fatalf("revision %d of a former life was accepted", old)
	}
}

func TestRefusalsSayTheNumbers(t *testing.T) {
	w := newWriter()
	for range 5 {
		w.put(1, "k", "1")
	}
	for _, tc := range []struct {
		key  string
		want uint64
		text string
	}{
		{"k", 3, "if_revision is 3, the key is at revision 5"},
		{"k", 0, "if_revision is 0, the key is at revision 5"},
		{"absent", 3, "if_revision is 3, the key does not exist"},
	} {
		res := w.put(2, tc.key, "2", ifRevision(tc.want))
		if res.Fault == nil || res.Fault.Message != tc.text {
			t.Errorf("%+v, want %q", res.Fault, tc.text)
		}
		if len(w.c.Events) != 0 {
			t.Errorf("a refusal made events: %+v", w.c.Events)
		}
	}
}

func TestDeadline(t *testing.T) {
	w := newWriter()
	for _, tc := range []struct {
		name    string
		now     int64
		ttl     uint64
		want    uint64
		expired bool // at once
	}{
		{"plain", 1000, 500, 1500, false},
		{"zero is at once", 1000, 0, 1000, true},
		{"zero at the dawn of time", 0, 0, 1, false},
		{"saturates", 1000, record.MaxTime, record.MaxTime, false},
		{"saturates far beyond", 1000, 1<<64 - 1, record.MaxTime, false},
		{"at the last time", record.MaxTime, 5, record.MaxTime, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if res := w.put(tc.now, "k", "1", ttl(tc.ttl)); res.ExpiresAt != tc.want {
				t.Errorf("expires at %d, want %d", res.ExpiresAt, tc.want)
			}
			if _, ok := w.Get("k", tc.now); ok == tc.expired {
				t.Errorf("Get ok %v", ok)
			}
			if _, ok := w.Get("k", int64(tc.want)); ok {
				t.Error("readable at its deadline")
			}
		})
	}
	w.put(5000, "k", "1", ttl(500))
	if res := w.put(5001, "k", "2"); res.ExpiresAt != 0 {
		t.Errorf("a put without ttl left the deadline %d", res.ExpiresAt)
	}
	if _, ok := w.NextExpiry(); ok {
		t.Error("the cleared deadline is still in the index")
	}
}

// TestWriteOverExpired: whoever touches an expired key first ends its life
// with an event, exactly once, and a refusal does not.
func TestWriteOverExpired(t *testing.T) {
	w := newWriter()
	w.put(1000, "a", "1", ttl(10))
	w.put(1000, "b", "1", ttl(10))
	if res := w.put(2000, "a", "2", ifRevision(1)); res.Fault == nil || len(w.c.Events) != 0 {
		t.Fatalf("compare-and-set on an expired key: %+v, events %+v", res, w.c.Events)
	}
	res := w.put(2000, "a", "2", ifRevision(0))
	want := []string{"ttl a", "put a=2 rev 2 exp 0"}
	if got := eventText(w.c.Events); res.Fault != nil || !reflect.DeepEqual(got, want) || res.Offset != w.c.Offset {
		t.Fatalf("%+v, events %q", res, got)
	}
	if res := w.delete(2000, "b"); res.Deleted || len(w.c.Events) != 1 || w.c.Events[0].Reason != record.TTL {
		t.Fatalf("delete of an expired key: %+v, events %+v", res, w.c.Events)
	}
	if res := w.delete(2000, "b"); res.Deleted || len(w.c.Events) != 0 {
		t.Fatalf("delete of an absent key: %+v, events %+v", res, w.c.Events)
	}
}

// TestRetiredBound removes more keys than are remembered: the first are
// forgotten, and new lives of them start above a floor that no forgotten
// revision passes, the same after a restore.
func TestRetiredBound(t *testing.T) {
	w := newWriter()
	pad := strings.Repeat("x", 64<<10)
	key := func(i int) string { return fmt.Sprintf("%04d%s", i, pad) }
	const keys = 1100 // of 64 KiB: about 1020 are remembered
	for range 3 {
		w.put(1, key(0), "1")
	}
	w.delete(2, key(0))
	for i := 1; i < keys; i++ {
		w.put(3, key(i), "1")
		w.delete(3, key(i))
	}
	w.Store = build(t, encode(t, w.Freeze()))
	for i, want := range map[int]uint64{
		0:        4, // forgotten at revision 3: the floor is 3
		1:        4, // forgotten at revision 1
		500:      2, // remembered at revision 1
		keys - 1: 5, // remembered at revision 4, since it started above the floor
		keys:     4, // never there
	} {
		if res := w.put(4, key(i), "1"); res.Revision != want {
			t.Errorf("key %d comes back at revision %d, want %d", i, res.Revision, want)
		}
	}
}

// TestFrozenStaysAsItWas writes on beside a frozen copy.
func TestFrozenStaysAsItWas(t *testing.T) {
	w := newWriter()
	for i := range 20000 {
		w.put(1, fmt.Sprintf("k%d", i), strings.Repeat("v", 40), ttl(uint64(i+1)))
	}
	for i := range 100 {
		w.delete(1, fmt.Sprintf("k%d", i))
	}
	f := w.Freeze()
	before := encode(t, f)
	done := make(chan [][]byte)
	go func() { done <- encode(t, f) }()
	for i := range 20000 {
		w.put(2, fmt.Sprintf("k%d", i), "w")
		w.delete(2, fmt.Sprintf("k%d", i/2))
	}
	if after := <-done; !reflect.DeepEqual(before, after) {
		t.Fatal("the frozen copy moved")
	}
}

func TestBuilderRefuses(t *testing.T) {
	w := newWriter()
	w.put(1, "a", "1")
	w.put(1, "b", "2", ttl(50))
	w.put(1, "c", "3")
	w.delete(2, "c")
	blocks := encode(t, w.Freeze())
	items, retired, end := blocks[0], blocks[1], blocks[2]
	for name, blocks := range map[string][][]byte{
		"no block":               {},
		"no end":                 {items, retired},
		"items missing":          {retired, end},
		"retired missing":        {items, end},
		"items twice":            {items, items, retired, end},
		"retired twice":          {items, retired, retired, end},
		"a block after the end":  {items, retired, end, items},
		"an empty block":         {items, retired, {}, end},
		"an unknown kind":        {items, retired, {9}, end},
		"a living key retired":   {items, {2, 1, 'a', 1}, end},
		"a forged length":        {{1, 0xff, 0xff, 0xff, 0xff, 0x0f}, retired, end},
		"an end with more bytes": {items, retired, append(bytes.Clone(end), 0)},
	} {
		t.Run(name, func(t *testing.T) {
			b := state.NewBuilder()
			var err error
			for _, block := range blocks {
				if err = b.Add(block); err != nil {
					break
				}
			}
			if err == nil {
				_, err = b.Store()
			}
			if !errors.Is(err, record.ErrCorrupt) {
				t.Fatalf("err = %v", err)
			}
		})
	}
}

// FuzzBuilder: any block either is refused or gives a store that is written
// in the same bytes again.
func FuzzBuilder(f *testing.F) {
	w := newWriter()
	w.put(1, "a", "1")
	w.put(1, "b", "2", ttl(50))
	w.delete(2, "a")
	for _, block := range encode(f, w.Freeze()) {
		f.Add(block, []byte{3, 0, 0, 0})
	}
	f.Add([]byte{1, 1, 'a', 1, '1', 1, 0}, []byte{3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, block, end []byte) {
		b := state.NewBuilder()
		if b.Add(block) != nil || b.Add(end) != nil {
			return
		}
		s, err := b.Store()
		if err != nil {
			return
		}
		again := encode(t, s.Freeze())
		if got := bytes.Join(again, nil); len(block) < 64<<10 && len(block) > 1 && !bytes.Equal(got, append(bytes.Clone(block), end...)) {
			t.Fatalf("read\n%x\n%x\nwrote\n%x", block, end, again)
		}
	})
}
