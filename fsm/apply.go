package fsm

import (
	"fmt"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// resultBytes is about what an encoded result takes.
const resultBytes = 24

// Apply applies the committed entry at index of the log, which the leader of
// term wrote, and returns one encoded result per record, in order. Its records
// become visible together, with their events and the store's time.
//
// An error means that the log cannot be followed any further here: bytes that
// do not decode, a record of a newer version, or a disk that fails. The node
// must stop; every later Apply returns the same error.
//
// Readers wait neither for the work nor for the disk: changes are staged
// beside what they see, then the events are written, and only then, under the
// lock, what was staged is put in place. A crash in between needs no care: the
// state is rebuilt from snapshot and log anyway, and the events above the
// snapshot are cut off and written again, with the same bytes.
func (f *FSM) Apply(index, term uint64, entry []byte) ([][]byte, error) {
	if f.failed != nil {
		return nil, f.failed
	}
	results, err := f.apply(index, term, entry)
	if err != nil {
		f.view.Vectors.Abort()
		f.failed = fmt.Errorf("apply entry %d of term %d: %w", index, term, err)
		return nil, f.failed
	}
	return results, nil
}

func (f *FSM) apply(index, term uint64, entry []byte) ([][]byte, error) {
	if err := f.start(); err != nil {
		return nil, err
	}
	e, err := record.DecodeEntry(entry)
	if err != nil {
		return nil, err
	}
	f.change.Reset(max(f.view.Time, e.Time), f.view.Offset)
	results := newResults(len(e.Records))
	sum := false
	for i, rec := range e.Records {
		res, err := f.applyRecord(index, rec)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		results.add(&res)
		sum = sum || res.Kind == record.KindChecksum
	}
	if err := f.view.Vectors.Flush(); err != nil {
		return nil, err
	}
	if err := f.events.Append(f.change.Events); err != nil {
		return nil, err
	}
	f.publish()
	f.clock.applied(term, f.view.Time)
	if sum {
		f.checksums.start(f.freeze(index, false))
	}
	return results.split(), nil
}

// start brings the event log to where the state is, before the first entry
// of a state that was not restored from a snapshot: to its beginning. What
// the log held from an earlier run is written again as the entries come.
func (f *FSM) start() error {
	if f.started {
		return nil
	}
	if err := f.events.Truncate(0, 0); err != nil {
		return err
	}
	f.started = true
	return nil
}

// applyRecord stages one record of the entry at index. An error is fatal; a
// refusal is a result.
func (f *FSM) applyRecord(index uint64, rec []byte) (record.Result, error) {
	s, c := f.view.State, &f.change
	switch kind := record.KindOf(rec); kind {
	case record.KindStatePut:
		p, err := record.DecodeStatePut(rec)
		if err != nil {
			return record.Result{}, err
		}
		return s.Put(c, &p), nil
	case record.KindStateDelete:
		d, err := record.DecodeStateDelete(rec)
		if err != nil {
			return record.Result{}, err
		}
		return s.Delete(c, &d), nil
	case record.KindStateExpire:
		x, err := record.DecodeStateExpire(rec)
		if err != nil {
			return record.Result{}, err
		}
		return s.Expire(c, &x), nil
	case record.KindStateBatch:
		b, err := record.DecodeStateBatch(rec)
		if err != nil {
			return record.Result{}, err
		}
		return s.Batch(c, &b), nil
	case record.KindChecksum:
		if _, err := record.DecodeChecksum(rec); err != nil {
			return record.Result{}, err
		}
		return record.Result{Kind: kind, Offset: c.Offset, Index: index}, nil
	default:
		res, known, err := f.applyVector(rec)
		if !known {
			return record.Result{}, fmt.Errorf("unknown record kind %d: a newer version wrote it", kind)
		}
		return res, err
	}
}

// publish makes what was staged and appended visible, and wakes who waits.
func (f *FSM) publish() {
	f.mu.Lock()
	f.view.State.Commit()
	f.view.Vectors.Commit()
	f.view.Offset, f.view.Time = f.change.Offset, f.change.Time
	f.events.Publish()
	f.mu.Unlock()
	f.announce()
}

// announce tells the waiting what the view has reached.
func (f *FSM) announce() {
	f.offset.set(f.view.Offset)
	f.deadline.set(f.view.State.NextExpiry())
}

// results collects encoded results in one allocation, as far as it holds.
type results struct {
	buf  []byte
	ends []int
}

func newResults(n int) *results {
	return &results{buf: make([]byte, 0, n*resultBytes), ends: make([]int, 0, n)}
}

func (r *results) add(res *record.Result) {
	r.buf = res.Append(r.buf)
	r.ends = append(r.ends, len(r.buf))
}

func (r *results) split() [][]byte {
	split := make([][]byte, len(r.ends))
	start := 0
	for i, end := range r.ends {
		split[i] = r.buf[start:end:end]
		start = end
	}
	return split
}
