package fsm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// onDisk and inMemory are two nodes' settings that have nothing in common.
func onDisk(dir string) fsm.Config {
	return fsm.Config{Dir: dir, Events: event.Config{SegmentBytes: 4 << 10, Retention: 1000, Ring: 16, BufferSize: 1}}
}

func inMemory() fsm.Config {
	return fsm.Config{Events: event.Config{SegmentBytes: 1 << 20, Retention: 1, Ring: 1, BufferSize: 1 << 16}}
}

func open(t testing.TB, cfg fsm.Config) *fsm.FSM {
	t.Helper()
	f, err := fsm.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// opened is open, closed with the test.
func opened(t testing.TB, cfg fsm.Config) *fsm.FSM {
	t.Helper()
	f := open(t, cfg)
	t.Cleanup(func() { closeFSM(t, f) })
	return f
}

func closeFSM(t testing.TB, f *fsm.FSM) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

const storeTime = 1767225600000

func entry(ms int64, records ...interface{ Append([]byte) []byte }) []byte {
	encoded := make([][]byte, len(records))
	for i, r := range records {
		encoded[i] = r.Append(nil)
	}
	return record.AppendEntry(nil, ms, encoded)
}

func put(key, value string) *record.StatePut {
	return &record.StatePut{Key: []byte(key), Value: []byte(value)}
}

func del(key string) *record.StateDelete { return &record.StateDelete{Key: []byte(key)} }

// apply applies an entry and decodes its results.
func apply(t testing.TB, f *fsm.FSM, index uint64, e []byte) []record.Result {
	t.Helper()
	encoded, err := f.Apply(index, 1, e)
	if err != nil {
		t.Fatal(err)
	}
	results := make([]record.Result, len(encoded))
	for i, b := range encoded {
		if results[i], err = record.DecodeResult(b); err != nil {
			t.Fatal(err)
		}
	}
	return results
}

// snapshot returns a whole snapshot, the attached files behind it as the
// replicated log sends them.
func snapshot(t testing.TB, f *fsm.FSM) []byte {
	t.Helper()
	persist, release, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	return persisted(t, persist)
}

func persisted(t testing.TB, persist func(io.Writer, func(*os.File, int64) error) error) []byte {
	t.Helper()
	var whole bytes.Buffer
	var attached [][]byte
	if err := persist(&whole, func(f *os.File, size int64) error {
		b := make([]byte, size)
		_, err := io.ReadFull(io.NewSectionReader(f, 0, size), b)
		attached = append(attached, b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, b := range attached {
		whole.Write(b)
	}
	return whole.Bytes()
}

// checksum applies a checksum record at index and returns what it gave.
func checksum(t testing.TB, f *fsm.FSM, index uint64) fsm.Checksum {
	t.Helper()
	apply(t, f, index, entry(0, record.Checksum{}))
	sum, err := f.WaitChecksum(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// stream returns the retained events as clients get them, by offset.
func stream(t testing.TB, f *fsm.FSM) map[uint64]string {
	t.Helper()
	events := map[uint64]string{}
	cursor := f.Events().Cursor(0)
	for cursor.Position() < f.Offset() {
		batch, err := cursor.Next(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch.Events {
			events[e.Offset] = string(e.SSE())
		}
	}
	return events
}

// listing is the whole state as text.
func listing(f *fsm.FSM) string {
	var b strings.Builder
	f.View(func(v *fsm.View) {
		fmt.Fprintf(&b, "offset %d time %d\n", v.Offset, v.Time)
		for _, item := range v.State.List("", "", 1<<30, v.Time) {
			fmt.Fprintf(&b, "%s=%s rev %d exp %d\n", item.Key(), item.Value(), item.Revision, item.ExpiresAt)
		}
	})
	return b.String()
}

func TestApplyResults(t *testing.T) {
	f := opened(t, inMemory())
	refused := put("a", "9")
	refused.IfRevision = record.Some(7)
	ttl := put("b", "2")
	ttl.TTL = record.Some(500)
	got := apply(t, f, 10, entry(storeTime,
		put("a", "1"), refused, ttl, del("nothing"), del("a"),
		&record.StateBatch{Puts: []record.StatePut{*put("c", "3"), *refused}},
		&record.StateBatch{Atomic: true, Puts: []record.StatePut{*put("d", "3"), *refused}},
		record.Checksum{}))
	want := []struct {
		offset, revision uint64
		deleted, fault   bool
	}{
		{offset: 1, revision: 1},
		{offset: 1, fault: true},
		{offset: 2, revision: 1},
		{offset: 2},
		{offset: 3, deleted: true},
		{offset: 4},
		{offset: 4, fault: true},
		{offset: 4},
	}
	if len(got) != len(want) {
		t.Fatalf("%d results", len(got))
	}
	for i, w := range want {
		g := got[i]
		if g.Offset != w.offset || g.Revision != w.revision || g.Deleted != w.deleted || (g.Fault != nil) != w.fault {
			t.Errorf("result %d: %+v, want %+v", i, g, w)
		}
	}
	if batch := got[5].Batch; len(batch) != 2 || batch[0].Revision != 1 || !fault.Is(batch[1].Fault, fault.RevisionMismatch) {
		t.Errorf("batch: %+v", batch)
	}
	if f := got[6].Fault; !f.HasOperation || f.Operation != 1 || f.Offset != 4 {
		t.Errorf("atomic batch: %+v", f)
	}
	if got[2].ExpiresAt != storeTime+500 || got[7].Index != 10 {
		t.Errorf("%+v, %+v", got[2], got[7])
	}
	if deadline, ok := f.NextExpiry(); !ok || deadline != storeTime+500 {
		t.Errorf("NextExpiry = %d, %v", deadline, ok)
	}
	if events := stream(t, f); len(events) != 4 || f.Events().Head() != 4 || f.Offset() != 4 {
		t.Errorf("offset %d, events %v", f.Offset(), events)
	}
}

// TestStoreTimeNeverGoesBack, not even where an entry says so.
func TestStoreTimeNeverGoesBack(t *testing.T) {
	f := opened(t, inMemory())
	apply(t, f, 1, entry(storeTime, put("a", "1")))
	apply(t, f, 2, entry(storeTime-5000, put("b", "1")))
	f.View(func(v *fsm.View) {
		if v.Time != storeTime {
			t.Errorf("store time %d", v.Time)
		}
	})
	apply(t, f, 3, record.AppendEntry(nil, storeTime+1000, nil))
	f.View(func(v *fsm.View) {
		if v.Time != storeTime+1000 || v.Offset != 2 {
			t.Errorf("after an empty entry: %+v", v)
		}
	})
}

// TestApplyFatal: what does not decode, or comes from a newer version, ends
// the FSM, and leaves what readers see.
func TestApplyFatal(t *testing.T) {
	for name, bad := range map[string][]byte{
		"no entry":           {},
		"cut":                entry(storeTime, put("a", "2"))[:9],
		"unknown kind":       record.AppendEntry(nil, storeTime, [][]byte{put("a", "2").Append(nil), {200, 1, 2}}),
		"empty record":       record.AppendEntry(nil, storeTime, [][]byte{{}}),
		"unknown put flag":   record.AppendEntry(nil, storeTime, [][]byte{{1, 128, 1, 'a', 1, '1'}}),
		"another version":    {9, 0, 0},
		"checksum with more": record.AppendEntry(nil, storeTime, [][]byte{{5, 0}}),
	} {
		t.Run(name, func(t *testing.T) {
			f := opened(t, inMemory())
			apply(t, f, 1, entry(storeTime, put("a", "1")))
			before := listing(f)
			_, err := f.Apply(2, 1, bad)
			if err == nil {
				t.Fatal("applied")
			}
			if _, again := f.Apply(3, 1, entry(storeTime, put("b", "1"))); again == nil {
				t.Error("applied another entry after a fatal one")
			}
			if _, _, err := f.Snapshot(); err == nil {
				t.Error("made a snapshot after a fatal entry")
			}
			if after := listing(f); after != before || len(stream(t, f)) != 1 {
				t.Errorf("readers see %q, before %q", after, before)
			}
		})
	}
}

// TestFrame: what Frame stamps, Apply takes as the store's time.
func TestFrame(t *testing.T) {
	cfg := inMemory()
	cfg.Wall = func() time.Time { return time.UnixMilli(storeTime) }
	f := opened(t, cfg)
	e := f.Frame([]byte("prefix"), 1, [][]byte{put("a", "1").Append(nil)})
	e, ok := bytes.CutPrefix(e, []byte("prefix"))
	if !ok {
		t.Fatal("Frame does not append")
	}
	apply(t, f, 1, e)
	f.View(func(v *fsm.View) {
		if v.Time != storeTime {
			t.Errorf("store time %d", v.Time)
		}
	})
	if now := f.Now(); now < storeTime || now > storeTime+60_000 {
		t.Errorf("Now = %d", now)
	}
}

func TestWaitOffset(t *testing.T) {
	f := opened(t, inMemory())
	done := make(chan error)
	go func() { done <- f.WaitOffset(t.Context(), 2) }()
	apply(t, f, 1, entry(storeTime, put("a", "1"), put("b", "1")))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.WaitOffset(ctx, 3); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
}

// TestReadersSeeWholeEntries writes two keys to the same value in every entry
// beside readers that must never see them differ, nor an offset or an event
// log that does not belong to them.
func TestReadersSeeWholeEntries(t *testing.T) {
	f := opened(t, onDisk(t.TempDir()))
	apply(t, f, 1, entry(storeTime, put("a", "0"), put("b", "0")))
	stop := make(chan struct{})
	failures := make(chan string, 4)
	for range 4 {
		go func() { failures <- watchEntries(f, stop) }()
	}
	for i := 1; i <= 500; i++ {
		value := fmt.Sprint(i)
		apply(t, f, uint64(i+1), entry(storeTime, put("a", value), put("b", value)))
		if i%50 == 0 {
			snapshot(t, f)
		}
	}
	close(stop)
	for range 4 {
		if failure := <-failures; failure != "" {
			t.Error(failure)
		}
	}
}

func watchEntries(f *fsm.FSM, stop <-chan struct{}) (failure string) {
	for failure == "" {
		select {
		case <-stop:
			return ""
		default:
		}
		f.View(func(v *fsm.View) {
			a, _ := v.State.Get("a", v.Time)
			b, _ := v.State.Get("b", v.Time)
			if a.Value() != b.Value() || v.Offset != 2*a.Revision || f.Events().Head() != v.Offset {
				failure = fmt.Sprintf("a %s, b %s, revision %d, offset %d, head %d", a.Value(), b.Value(), a.Revision, v.Offset, f.Events().Head())
			}
		})
	}
	return failure
}

func TestGetDoesNotAllocate(t *testing.T) {
	f := opened(t, inMemory())
	apply(t, f, 1, entry(storeTime, put("a", "1")))
	if n := testing.AllocsPerRun(100, func() {
		var found bool
		f.View(func(v *fsm.View) { _, found = v.State.Get("a", v.Time) })
		if !found {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
