package event

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// model drives a log and a slice that says what the log must hold.
type model struct {
	*testing.T
	rng *rand.Rand
	cfg Config
	log *Log
	twin
	cursors []*Cursor
	frozen  *Frozen
	frozenT twin
	saved   []byte
	savedT  twin
	did     map[string]int
}

// twin is the history: of offset i+1, the frame, the hash chain after it and
// whether it ends a transaction.
type twin struct {
	frames []string
	chains []uint64
	ends   []uint64 // offsets that a store can be at
	floor  uint64   // what is below was lost on purpose
}

func (w twin) head() uint64 { return uint64(len(w.frames)) }

func (w twin) chain(offset uint64) uint64 {
	if offset == 0 {
		return 0
	}
	return w.chains[offset-1]
}

// cut returns a twin that shares nothing with w that an append could change.
func (w twin) cut(offset uint64) twin {
	c := twin{frames: w.frames[:offset:offset], chains: w.chains[:offset:offset], floor: min(w.floor, offset)}
	for _, end := range w.ends {
		if end <= offset {
			c.ends = append(c.ends, end)
		}
	}
	return c
}

func TestModel(t *testing.T) {
	did := map[string]int{}
	for seed := range uint64(16) {
		for _, memory := range []bool{false, true} {
			dir := ""
			if !memory {
				dir = t.TempDir()
			}
			t.Run(fmt.Sprintf("seed %d, memory %v", seed, memory), func(t *testing.T) {
				m := &model{T: t, rng: rand.New(rand.NewPCG(seed, 1)), did: did}
				m.cfg = Config{
					Dir: dir, SegmentBytes: 200 + m.rng.Int64N(4000), Retention: 1 + m.rng.IntN(6),
					Ring: 1 + m.rng.IntN(40), BufferSize: 1 + m.rng.IntN(200),
				}
				m.log = open(t, m.cfg)
				for range 150 {
					m.step()
				}
				if m.frozen != nil {
					m.frozen.Release()
				}
			})
		}
	}
	for _, op := range []string{"append", "read", "gap", "reopen", "truncate", "reset", "freeze", "restore"} {
		if did[op] == 0 {
			t.Errorf("no %s was tried", op)
		}
	}
}

func (m *model) step() {
	switch p := m.rng.IntN(100); {
	case p < 35:
		m.append()
	case p < 45:
		m.cursors = append(m.cursors, m.log.Cursor(m.rng.Uint64N(m.head()+4)))
	case p < 80 && len(m.cursors) > 0:
		for range 5 {
			m.read(m.cursors[m.rng.IntN(len(m.cursors))])
		}
	case p < 84:
		m.reopen()
	case p < 88:
		m.truncate()
	case p < 89:
		m.reset()
	case p < 94:
		m.freeze()
	case p < 97:
		m.restore()
	}
	m.check()
}

func (m *model) check() {
	m.Helper()
	l := m.log
	if l.Head() != m.head() || l.Chain() != m.chain(m.head()) {
		m.Fatalf("head %d, want %d", l.Head(), m.head())
	}
	if l.Oldest() <= m.floor || l.Oldest() > l.Head()+1 {
		m.Fatalf("oldest %d, head %d, floor %d", l.Oldest(), l.Head(), m.floor)
	}
	if s := l.Stats(); m.cfg.Dir != "" && s.Segments > m.cfg.Retention || s.Corrupt > 0 {
		m.Fatalf("%+v", s)
	}
}

// append writes a few entries' events and publishes them together. Bytes
// depend on the twin's past, so that a rewritten history is another one.
func (m *model) append() {
	m.did["append"]++
	source := maker{seed: m.rng.Uint64(), value: 300, vectors: true}
	for range 1 + m.rng.IntN(3) {
		events := source.events(m.head()+1, m.head()+1+m.rng.Uint64N(12))
		for i := range events {
			e := &Event{Event: events[i]}
			m.frames = append(m.frames, string(e.SSE()))
			m.chains = append(m.chains, nextChain(m.chain(m.head()-1), e.Append(nil)))
		}
		m.ends = append(m.ends, m.head())
		if err := m.log.Append(events); err != nil {
			m.Fatal(err)
		}
	}
	m.log.Publish()
}

func (m *model) read(c *Cursor) {
	ctx, cancel := context.WithCancel(m.Context())
	cancel()
	next := c.Position() + 1
	var b Batch
	err := context.Canceled
	// A done context may lose its turn at the files; what is there must come.
	for range 100 {
		if b, err = c.Next(ctx, 1+m.rng.IntN(20)); err == nil || next > m.head() {
			break
		}
	}
	switch {
	case next > m.head():
		if !errors.Is(err, context.Canceled) {
			m.Fatalf("behind the head: %+v, %v", b, err)
		}
		return
	case err != nil:
		m.Fatalf("offset %d of %d..%d: %v", next, m.log.Oldest(), m.head(), err)
	case b.Gap != nil:
		m.did["gap"]++
		if *b.Gap != (Gap{next, m.log.Oldest() - 1}) || len(b.Events) > 0 || b.Last != b.Gap.To {
			m.Fatalf("oldest %d, position %d: gap %+v", m.log.Oldest(), next-1, b.Gap)
		}
		return
	}
	m.did["read"]++
	for i, e := range b.Events {
		if e.Offset != next+uint64(i) || string(e.SSE()) != m.frames[e.Offset-1] {
			m.Fatalf("offset %d where %d belongs: %q, want %q", e.Offset, next+uint64(i), e.SSE(), m.frames[e.Offset-1])
		}
	}
	if last := b.Events[len(b.Events)-1]; b.Last != last.Offset || last.Offset < last.TxLast {
		m.Fatalf("batch ends at %d, Last %d, transaction to %d", last.Offset, b.Last, last.TxLast)
	}
}

func (m *model) reopen() {
	if m.cfg.Dir == "" {
		return
	}
	m.did["reopen"]++
	if m.frozen != nil {
		m.frozen.Release()
		m.frozen = nil
	}
	if err := m.log.Close(); err != nil {
		m.Fatal(err)
	}
	m.log, m.cursors = open(m.T, m.cfg), nil
}

func (m *model) truncate() {
	if len(m.ends) == 0 {
		return
	}
	m.did["truncate"]++
	offset := m.ends[m.rng.IntN(len(m.ends))]
	known := offset+1 >= m.log.Oldest()
	if got := m.log.Covers(offset, m.chain(offset)); got != (offset >= m.log.Oldest()) {
		m.Fatalf("Covers(%d) = %v, oldest %d", offset, got, m.log.Oldest())
	}
	m.thaw()
	if err := m.log.Truncate(offset, m.chain(offset)); err != nil {
		m.Fatal(err)
	}
	m.twin = m.cut(offset)
	if !known {
		m.floor = offset
	}
}

// thaw gives up what is frozen: a snapshot need not survive a Truncate.
func (m *model) thaw() {
	if m.frozen != nil {
		m.frozen.Release()
		m.frozen = nil
	}
}

func (m *model) reset() {
	if len(m.ends) == 0 {
		return
	}
	m.did["reset"]++
	m.thaw()
	offset := m.ends[m.rng.IntN(len(m.ends))]
	if err := m.log.Truncate(offset, m.chain(offset)+1); err != nil {
		m.Fatal(err)
	}
	m.twin = m.cut(offset)
	m.floor = offset
	m.chains = append(m.chains[:offset-1:offset-1], m.chain(offset)+1)
}

// freeze pins the log, or persists what was pinned some steps ago.
func (m *model) freeze() {
	if m.frozen == nil {
		m.frozen, m.frozenT = m.log.Freeze(), m.cut(m.head())
		m.frozenT.floor = max(m.floor, m.log.Oldest()-1)
		return
	}
	m.did["freeze"]++
	m.saved, m.savedT = snapshot(m.T, m.frozen), m.frozenT
	m.thaw()
}

func (m *model) restore() {
	if m.saved == nil {
		return
	}
	m.did["restore"]++
	if err := restore(m.log, bytes.NewReader(m.saved)); err != nil {
		m.Fatal(err)
	}
	m.thaw()
	m.twin = m.savedT
	if m.cfg.Dir != "" && m.log.Oldest() > m.floor+1 && m.log.Stats().Segments < m.cfg.Retention {
		m.Fatalf("restored from %d, not %d", m.log.Oldest(), m.floor+1)
	}
}
