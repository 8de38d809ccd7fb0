package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/raft"
)

// StateMachine is what the log drives. Apply, Snapshot and Restore are called
// from one goroutine, never at once.
type StateMachine interface {
	// Frame appends to dst one entry that holds records, stamped with the
	// store's clock. Only on the leader of term, one call at a time, but
	// concurrently with Apply.
	Frame(dst []byte, term uint64, records [][]byte) []byte
	// Apply applies a committed entry and returns one encoded result per
	// record. An error is fatal: the node stops.
	Apply(index, term uint64, entry []byte) ([][]byte, error)
	// Snapshot freezes the state in O(1). persist does the I/O later, on
	// another goroutine, beside further Applies. attach appends the first size
	// bytes of f, which nobody may ever change again, behind everything
	// written to w; what is appended to f later is not part of the snapshot.
	// f must be open for reading and stays the caller's. release is always
	// called, once.
	Snapshot() (persist func(w io.Writer, attach func(f *os.File, size int64) error) error, release func(), err error)
	// Restore replaces the state by what persist wrote and the attached
	// bytes, in order. It builds aside, then swaps. r may be left unread.
	Restore(r io.Reader) error
}

// The first byte of every Raft log entry says whose it is.
const (
	entryData    = 0 // a framed batch of records, for the state machine
	entryOpening = 1 // the first entry of a term: it carries the cluster's id
)

// machine adapts a StateMachine to raft.BatchingFSM and knows how far the log
// was applied here. raft calls all its methods on one goroutine.
//
// It needs no raft.ConfigurationStore: a batching FSM gets configuration
// entries through ApplyBatch, and raft advances its snapshot index by them.
type machine struct {
	sm      StateMachine
	applied watermark
	adopt   func(clusterID) error // the cluster's id was decided, or read from a snapshot
	fatal   func(error)
	cluster clusterID
	failed  bool // after a fatal error nothing more is applied
	// bytes counts what was applied since the last snapshot.
	bytes counter
}

// errMachineFailed is the answer to everything after a fatal error.
var errMachineFailed = errors.New("replication: the state machine has failed")

// Apply implements raft.FSM.
func (m *machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// applied is the answer to one entry: a result per record, and the term it was written in.
type applied struct {
	results [][]byte
	term    uint64
}

// ApplyBatch implements raft.BatchingFSM. A response is an applied, or an error.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	for i, l := range logs {
		if m.failed {
			responses[i] = errMachineFailed
			continue
		}
		if l.Type == raft.LogCommand {
			m.bytes.add(uint64(len(l.Data)))
			results, err := m.apply(l)
			if err != nil {
				m.failed = true
				m.fatal(fmt.Errorf("apply entry %d: %w", l.Index, err))
				responses[i] = errMachineFailed
				continue
			}
			responses[i] = applied{results: results, term: l.Term}
		}
		m.applied.advance(position{index: l.Index, term: l.Term})
	}
	return responses
}

func (m *machine) apply(l *raft.Log) ([][]byte, error) {
	if len(l.Data) == 0 {
		return nil, errors.New("empty entry")
	}
	switch l.Data[0] {
	case entryData:
		return m.sm.Apply(l.Index, l.Term, l.Data[1:])
	case entryOpening:
		return nil, m.open(l.Data[1:])
	}
	return nil, fmt.Errorf("unknown kind of entry %d", l.Data[0])
}

// open takes the cluster's id from the first opening entry ever; later ones repeat it.
func (m *machine) open(data []byte) error {
	var id clusterID
	if len(data) != len(id) {
		return errors.New("malformed opening entry")
	}
	copy(id[:], data)
	if m.cluster != (clusterID{}) {
		return nil
	}
	m.cluster = id
	return m.adopt(id)
}

// Snapshot implements raft.FSM.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if m.failed {
		return nil, errMachineFailed
	}
	persist, release, err := m.sm.Snapshot()
	if err != nil {
		return nil, err
	}
	m.bytes.reset()
	return &frozen{header: snapshotHeader{cluster: m.cluster, at: m.applied.position()}, persist: persist, release: release}, nil
}

// Restore implements raft.FSM: at the start, and when a leader installs its snapshot here.
func (m *machine) Restore(rc io.ReadCloser) error {
	defer rc.Close()
	h, err := readSnapshotHeader(rc)
	if err != nil {
		return err
	}
	if m.cluster != (clusterID{}) && m.cluster != h.cluster {
		return fmt.Errorf("snapshot of cluster %s, this is %s", h.cluster, m.cluster)
	}
	if err := m.sm.Restore(rc); err != nil {
		return err
	}
	if m.cluster != h.cluster {
		m.cluster = h.cluster
		if err := m.adopt(h.cluster); err != nil {
			return err
		}
	}
	m.applied.advance(h.at)
	return nil
}

// frozen is a raft.FSMSnapshot.
type frozen struct {
	header  snapshotHeader
	persist func(w io.Writer, attach func(f *os.File, size int64) error) error
	release func()
}

// attacher is what our own snapshot sink offers beyond raft's.
type attacher interface {
	Attach(f *os.File, size int64) error
}

// Persist implements raft.FSMSnapshot, beside further applies.
func (f *frozen) Persist(sink raft.SnapshotSink) error {
	a, ok := sink.(attacher)
	if !ok { // memory only: raft truncates its log, nothing is kept
		return sink.Close()
	}
	err := f.header.write(sink)
	if err == nil {
		err = f.persist(sink, a.Attach)
	}
	if err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (f *frozen) Release() { f.release() }

// snapshotHeader comes before the state machine's own bytes, since
// raft.FSM.Restore is told neither index nor term.
//
// Layout, 41 bytes: "KSNP", version byte, cluster id, index, term (big endian).
type snapshotHeader struct {
	cluster clusterID
	at      position
}

const (
	snapshotMagic   = "KSNP"
	snapshotVersion = 1
	snapshotHeadLen = 4 + 1 + 16 + 8 + 8
)

func (h snapshotHeader) write(w io.Writer) error {
	b := append(make([]byte, 0, snapshotHeadLen), snapshotMagic...)
	b = append(b, snapshotVersion)
	b = append(b, h.cluster[:]...)
	b = binary.BigEndian.AppendUint64(b, h.at.index)
	b = binary.BigEndian.AppendUint64(b, h.at.term)
	_, err := w.Write(b)
	return err
}

func readSnapshotHeader(r io.Reader) (snapshotHeader, error) {
	var h snapshotHeader
	b := make([]byte, snapshotHeadLen)
	if _, err := io.ReadFull(r, b); err != nil {
		return h, fmt.Errorf("snapshot header: %w", err)
	}
	if string(b[:4]) != snapshotMagic || b[4] != snapshotVersion {
		return h, fmt.Errorf("not a snapshot of this program: % x", b[:5])
	}
	copy(h.cluster[:], b[5:21])
	h.at.index = binary.BigEndian.Uint64(b[21:])
	h.at.term = binary.BigEndian.Uint64(b[29:])
	return h, nil
}
