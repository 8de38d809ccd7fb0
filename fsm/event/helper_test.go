package event

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// maker makes events that are a function of their offset and a seed, as the
// replicated log would: what was cut comes again with the same bytes.
type maker struct {
	seed    uint64
	value   int  // bytes of a value, at most
	vectors bool // every other event is of vectors
}

func (m maker) event(offset uint64) record.Event {
	rng := rand.New(rand.NewPCG(m.seed, offset))
	e := record.Event{
		Offset: offset, Time: 1767225600000 + int64(offset), Type: record.StateUpdated,
		Key: fmt.Appendf(nil, "key:%d", rng.IntN(50)), Revision: uint64(1 + rng.IntN(9)),
	}
	switch rng.IntN(5) {
	case 0:
		e.Type, e.Reason, e.Revision = record.StateDeleted, record.TTL, 0
	case 1:
		e.Key = fmt.Appendf(nil, "doc:books:%d", rng.IntN(50))
		fallthrough
	default:
		e.Value = fmt.Appendf(nil, "%q", strings.Repeat("x", rng.IntN(m.value+1)))
		if rng.IntN(3) == 0 {
			e.ExpiresAt = 1767225700000
		}
	}
	if m.vectors && offset%2 == 0 {
		e = vectorEvent(rng, e.Offset, e.Time)
	}
	// Groups of offsets 40..44, 80..84 and so on are transactions.
	if g := offset / 40 * 40; g > 0 && offset < g+5 {
		e.TxFirst, e.TxLast = g, g+4
	}
	return e
}

func vectorEvent(rng *rand.Rand, offset uint64, timeMS int64) record.Event {
	e := record.Event{
		Offset: offset, Time: timeMS, Type: record.VectorCollectionCreated + record.EventType(rng.IntN(6)),
		Collection: fmt.Appendf(nil, "collection-%d", rng.IntN(3)),
	}
	switch e.Type {
	case record.VectorCollectionCreated:
		e.Dim, e.Metric = 1+rng.Uint64N(400), record.Dot
	case record.VectorAdded, record.VectorUpserted, record.VectorUpdated:
		for range 1 + rng.IntN(20) {
			e.Vector = record.AppendVector(e.Vector, []float32{rng.Float32() - 0.5})
		}
		if rng.IntN(2) == 0 {
			e.Meta = []byte(`{"x":1}`)
		}
		fallthrough
	case record.VectorDeleted:
		e.ID = fmt.Appendf(nil, "id:%d", rng.IntN(50))
	}
	return e
}

// events returns the events from..to; to is moved to the end of a transaction.
func (m maker) events(from, to uint64) []record.Event {
	var events []record.Event
	for offset := from; ; offset++ {
		e := m.event(offset)
		events = append(events, e)
		if offset >= to && offset >= e.TxLast {
			return events
		}
	}
}

// chain returns the hash chain after offset.
func (m maker) chain(offset uint64) uint64 {
	var chain uint64
	for o := uint64(1); o <= offset; o++ {
		e := m.event(o)
		chain = nextChain(chain, e.Append(nil))
	}
	return chain
}

func (m maker) frame(offset uint64) string {
	e := &Event{Event: m.event(offset)}
	return string(e.SSE())
}

func testConfig(dir string) Config {
	return Config{Dir: dir, SegmentBytes: 4 << 10, Retention: 1000, Ring: 16, BufferSize: 100}
}

func open(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// fill appends and publishes events up to offset to, in calls of per.
func fill(t testing.TB, l *Log, m maker, to uint64, per uint64) {
	t.Helper()
	for l.Head() < to {
		if err := l.Append(m.events(l.Head()+1, min(l.Head()+per, to))); err != nil {
			t.Fatalf("Append: %v", err)
		}
		l.Publish()
	}
}

// drain reads from a new cursor up to the head. It checks that offsets are
// dense, that batches end outside transactions and that every frame is right.
func drain(t testing.TB, l *Log, m maker, after uint64, limit int) (gap *Gap, events int, err error) {
	t.Helper()
	c := l.Cursor(after)
	for c.Position() < l.Head() {
		b, err := c.Next(t.Context(), limit)
		if err != nil {
			return gap, events, err
		}
		if b.Gap != nil {
			if gap != nil || events > 0 || len(b.Events) > 0 {
				t.Fatalf("gap %+v after %d events", b.Gap, events)
			}
			gap, after = b.Gap, b.Gap.To
			continue
		}
		for _, e := range b.Events {
			if after++; e.Offset != after {
				t.Fatalf("offset %d where %d belongs", e.Offset, after)
			}
			if got := string(e.SSE()); got != m.frame(after) {
				t.Fatalf("offset %d: served %q, want %q", after, got, m.frame(after))
			}
			events++
		}
		if last := b.Events[len(b.Events)-1]; b.Last != last.Offset || !last.endsGroup() {
			t.Fatalf("batch ends at %d inside %d..%d, Last %d", last.Offset, last.TxFirst, last.TxLast, b.Last)
		}
	}
	return gap, events, nil
}

// wantHistory checks that the log serves all of oldest..head, and nothing else.
func wantHistory(t testing.TB, l *Log, m maker, oldest, head uint64) {
	t.Helper()
	if l.Oldest() != oldest || l.Head() != head {
		t.Fatalf("log holds %d..%d, want %d..%d", l.Oldest(), l.Head(), oldest, head)
	}
	if l.Chain() != m.chain(head) {
		t.Fatalf("chain at %d differs", head)
	}
	gap, n, err := drain(t, l, m, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	if uint64(n) != head-oldest+1 {
		t.Fatalf("%d events of %d..%d", n, oldest, head)
	}
	if lost := oldest - 1; lost > 0 != (gap != nil) || gap != nil && *gap != (Gap{1, lost}) {
		t.Fatalf("gap %+v, %d are lost", gap, lost)
	}
}

// await polls until ok, and fails after ten seconds.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out: %s", what)
		}
	}
}

// awaitSealed waits until every full segment is compressed and nothing else
// is left in the directory.
func awaitSealed(t testing.TB, l *Log) {
	t.Helper()
	await(t, "segments are sealed", func() bool {
		segs := l.view.Load().segs
		for _, seg := range segs[:len(segs)-1] {
			if !seg.sealed {
				return false
			}
		}
		return len(files(t, l.cfg.Dir)) == len(segs)
	})
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// snapshot returns what Persist wrote, with the attached files behind it.
func snapshot(t testing.TB, f *Frozen) []byte {
	t.Helper()
	var buf bytes.Buffer
	var attached [][]byte
	err := f.Persist(&buf, func(f *os.File, size int64) error {
		b := make([]byte, size)
		_, err := io.ReadFull(io.NewSectionReader(f, 0, size), b)
		attached = append(attached, b)
		return err
	})
	if err != nil {
		t.Fatalf("Persist: %v", err)
	}
	for _, b := range attached {
		buf.Write(b)
	}
	return buf.Bytes()
}

func restore(l *Log, r io.Reader) error {
	s, err := l.Stage(r)
	if err != nil {
		return err
	}
	return s.Commit()
}

// blocked reports whether c has nothing to deliver now.
func blocked(t testing.TB, c *Cursor) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Next(ctx, 1)
	return errors.Is(err, context.Canceled)
}
