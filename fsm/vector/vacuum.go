package vector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// A vacuum copies the living rows of a collection into new data, with a new
// file, beside the writer and the readers. Then it holds off the writer, for
// a moment, brings over what has happened since, and puts the new data in the
// place of the old. Graphs stay: their nodes get the new numbers of their
// rows, and the nodes of rows that are gone serve as mere way points.

const (
	newFilePrefix = fileName + ".new-"
	// autoVacuum is how many dead rows a collection has at least when it is
	// vacuumed without being asked, which it is when they outnumber the living.
	autoVacuum = 8192
	// catchUpRows is how many new rows are brought over with the writer held off.
	catchUpRows = 256
)

// Vacuum vacuums a collection of a store that no log is applied to, and
// returns how many bytes its file got shorter.
func (s *Store) Vacuum(ctx context.Context, name string) (reclaimed int64, err error) {
	c, err := s.find(name)
	if err != nil {
		return 0, err
	}
	number := c.upkeep.want()
	s.keeper.wake()
	return c.upkeep.wait(ctx, number)
}

// AwaitVacuum waits until the vacuums of a collection that the log has asked
// for are done here, and returns how many bytes its file got shorter by the
// last of them.
func (s *Store) AwaitVacuum(ctx context.Context, name string) (reclaimed int64, err error) {
	c, err := s.find(name)
	if err != nil {
		return 0, err
	}
	return c.upkeep.wait(ctx, c.upkeep.newest())
}

func (s *Store) find(name string) (*collection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.collections[name]
	if !ok {
		return nil, collectionNotFound()
	}
	return c, nil
}

// tidy vacuums a collection when that was asked for, or is due.
func (k *keeper) tidy(c *collection) {
	number, wanted := c.upkeep.pending()
	if !wanted {
		_, r := k.look(c)
		if dead := uint64(r.rows) - r.live; dead < autoVacuum || dead < r.live || c.upkeep.failing() {
			return
		}
	}
	c.upkeep.job.Lock()
	reclaimed, err := k.vacuum(c)
	c.upkeep.job.Unlock()
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errDropped) {
		k.s.log.Error("vacuum failed", "collection", c.name, "error", err)
	}
	c.upkeep.finished(number, vacuumed{reclaimed: reclaimed, err: err})
	k.wake()
}

// move is a vacuum under way.
type move struct {
	k        *keeper
	c        *collection
	from, to *data
	rows     []uint32 // number of each old row in the new data; gone for none
	seen     uint32   // old rows below it were looked at
}

const gone = ^uint32(0)

// vacuum is called with the job held.
func (k *keeper) vacuum(c *collection) (reclaimed int64, err error) {
	d, r := k.look(c)
	if r.records == r.live {
		return 0, nil // neither a dead row nor a delete
	}
	m := &move{k: k, c: c, from: d}
	if c.dir != "" {
		// Dead rows are not copied, so this is more than it will take.
		if err := k.s.cfg.Room(r.bytes); err != nil {
			return 0, err
		}
	}
	if err := m.begin(); err != nil {
		return 0, fmt.Errorf("vacuum %s: %w", c.name, err)
	}
	for r.rows-m.seen > catchUpRows {
		m.bury(r)
		if err := m.copyRows(k.ctx, r); err != nil {
			return 0, errors.Join(fmt.Errorf("vacuum %s: %w", c.name, err), m.abandon())
		}
		_, r = k.look(c)
	}
	reclaimed, err = m.finish()
	if err != nil {
		return 0, errors.Join(fmt.Errorf("vacuum %s: %w", c.name, err), m.abandon())
	}
	k.s.cfg.Vacuumed()
	k.s.log.Info("collection vacuumed", "collection", c.name, "points", r.live, "reclaimed_bytes", reclaimed)
	return reclaimed, k.saveMoved(m)
}

// begin makes the new, empty data.
func (m *move) begin() error {
	h := m.from.file.header
	h.id = rand.Uint64()
	f := newMemoryFile(h)
	if m.c.dir != "" {
		var err error
		if f, err = createFile(m.path(h), h); err != nil {
			return err
		}
	}
	m.to = newData(m.c.dim, m.c.metric, f)
	return nil
}

// path returns where the new file is while it is written.
func (m *move) path(h header) string {
	return filepath.Join(m.c.dir, fmt.Sprintf("%s%d", newFilePrefix, h.id))
}

// abandon removes what was begun.
func (m *move) abandon() error {
	if m.c.dir == "" {
		return nil
	}
	err := m.to.file.release()
	if gone := os.Remove(m.path(m.to.file.header)); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// copyRows copies the living rows that were not looked at yet.
func (m *move) copyRows(ctx context.Context, r *Reader) error {
	for ; m.seen < r.rows; m.seen++ {
		to := gone
		if r.alive(m.seen) {
			to = m.copyRow(r, m.seen)
		}
		m.rows = append(m.rows, to)
		if m.seen%maxChunk != 0 {
			continue
		}
		if m.c.upkeep.dropped.Load() {
			return errDropped
		}
		if err := errors.Join(m.to.file.flush(), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// copyRow copies a row, of which there is no other of the same id yet.
func (m *move) copyRow(r *Reader, row uint32) uint32 {
	p := r.point(row)
	vector := record.AppendVector(nil, r.values(row))
	to, _ := m.to.add(*p, vector)
	m.to.ids[p.id] = to
	// The offset of the row's event is not known any more, and nobody asks.
	m.to.file.append(&frame{kind: framePut, id: []byte(p.id), meta: []byte(p.meta), vector: vector})
	return to
}

// finish brings over what has happened since the copying, with the writer
// held off, and puts the new data in place.
func (m *move) finish() (reclaimed int64, err error) {
	k, c := m.k, m.c
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if c.upkeep.dropped.Load() {
		return 0, errDropped
	}
	r := c.reader(c.figures.newest)
	m.bury(r)
	if err := m.copyRows(context.Background(), r); err != nil {
		return 0, err
	}
	if err := m.to.file.flush(); err != nil {
		return 0, err
	}
	if err := m.rename(); err != nil {
		return 0, err
	}
	m.to.publish()
	m.to.index.Store(m.renumber(r.index))
	m.to.graphs = m.from.graphs
	reclaimed = m.from.file.size - m.to.file.size
	c.data.Store(m.to)
	return reclaimed, m.from.file.release()
}

// bury ends the copies of rows that have died since they were copied. It comes
// before the copying of newer rows, which may be of the same points.
func (m *move) bury(r *Reader) {
	for row, to := range m.rows {
		if to == gone || r.alive(uint32(row)) {
			continue
		}
		m.rows[row] = gone
		died := r.diedAt(uint32(row))
		id := r.point(uint32(row)).id
		m.to.kill(to, died)
		delete(m.to.ids, id)
		m.to.file.append(&frame{kind: frameDelete, offset: died, id: []byte(id)})
	}
}

// rename gives the new file the name of the old one.
func (m *move) rename() error {
	if m.c.dir == "" {
		return nil
	}
	path := filepath.Join(m.c.dir, fileName)
	if err := os.Rename(m.path(m.to.file.header), path); err != nil {
		return err
	}
	return m.to.file.reopen(path)
}

// renumber returns the graphs with the new numbers of their rows.
func (m *move) renumber(old *index) *index {
	renumbered := &index{quantizer: old.quantizer}
	for _, g := range old.graphs {
		renumbered.graphs = append(renumbered.graphs, g.Renumber(func(row uint32) (uint32, bool) {
			return m.rows[row], m.rows[row] != gone
		}))
	}
	for row := range old.covered {
		if to := m.rows[row]; to != gone {
			renumbered.covered = max(renumbered.covered, to+1)
		}
	}
	return renumbered
}

// saveMoved writes the graphs with their new numbers.
func (k *keeper) saveMoved(m *move) error {
	for place, g := range m.to.index.Load().graphs {
		if err := k.save(m.c, m.to, place, g); err != nil {
			return err
		}
	}
	if m.c.dir == "" {
		return nil
	}
	return k.saveManifest(m.c, m.to)
}
