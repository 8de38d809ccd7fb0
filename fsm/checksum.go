package fsm

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/kissvdb/kissvdb/fault"
)

// keptChecksums is how many checksums a node publishes, and how many frozen
// states may wait to be hashed.
const keptChecksums = 16

// Checksum is the hash of everything replicated, as it was after the entry at
// an index of the log. On equal nodes equal indexes have equal hashes.
type Checksum struct {
	Index  uint64
	Offset uint64
	Hash   string // 16 hexadecimal digits
}

// Checksums returns the newest checksums of this node, at most 16, by index.
func (f *FSM) Checksums() []Checksum { return f.checksums.list() }

// WaitChecksum returns the checksum that the record in the entry at index
// asked for, once it is computed here. It fails with ctx's error, ErrClosed,
// or a fault when newer ones have pushed it out.
func (f *FSM) WaitChecksum(ctx context.Context, index uint64) (Checksum, error) {
	return f.checksums.wait(ctx, index)
}

// checksums hashes frozen states one by one on a goroutine of its own, since
// it takes time in proportion to the data.
type checksums struct {
	wg     sync.WaitGroup
	poke   chan struct{} // one place: something is pending
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	done    []Checksum // by index
	pending []*frozen  // by index; the first may be in work
	newest  uint64     // the highest index started
	changed chan struct{}
	closed  bool
}

func newChecksums() *checksums {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checksums{poke: make(chan struct{}, 1), cancel: cancel, changed: make(chan struct{})}
	c.wg.Go(func() { c.run(ctx) })
	return c
}

// start has the hash of z computed. It never blocks: when too many wait, the
// oldest of them is given up.
func (c *checksums) start(z *frozen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == keptChecksums {
		c.pending = slices.Delete(c.pending, 0, 1)
	}
	c.pending = append(c.pending, z)
	c.newest = z.index
	c.notify()
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// notify wakes all that wait. It is called with mu held.
func (c *checksums) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *checksums) run(ctx context.Context) {
	for {
		z := c.next()
		if z == nil {
			select {
			case <-ctx.Done():
				return
			case <-c.poke:
			}
			continue
		}
		hash, err := z.hash(ctx)
		if err != nil {
			return // only ctx makes it fail
		}
		c.finish(z, hash)
	}
}

func (c *checksums) next() *frozen {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return nil
	}
	return c.pending[0]
}

func (c *checksums) finish(z *frozen, hash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = slices.DeleteFunc(c.pending, func(other *frozen) bool { return other == z })
	c.add(Checksum{Index: z.index, Offset: z.offset, Hash: hash})
	c.notify()
}

// add keeps a checksum by its index, unless there is one: what was computed
// here is worth more than what a snapshot says. It is called with mu held.
func (c *checksums) add(sum Checksum) {
	i, found := c.find(sum.Index)
	if found {
		return
	}
	c.done = slices.Insert(c.done, i, sum)
	if extra := len(c.done) - keptChecksums; extra > 0 {
		c.done = slices.Delete(c.done, 0, extra)
	}
}

func (c *checksums) find(index uint64) (place int, found bool) {
	return slices.BinarySearchFunc(c.done, index, func(s Checksum, index uint64) int {
		switch {
		case s.Index < index:
			return -1
		case s.Index > index:
			return 1
		}
		return 0
	})
}

// restore adds the checksums of a snapshot.
func (c *checksums) restore(sums []Checksum) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sum := range sums {
		c.add(sum)
		c.newest = max(c.newest, sum.Index)
	}
	c.notify()
}

func (c *checksums) list() []Checksum {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.done)
}

func (c *checksums) wait(ctx context.Context, index uint64) (Checksum, error) {
	for {
		sum, changed, err := c.look(index)
		if err != nil || changed == nil {
			return sum, err
		}
		select {
		case <-ctx.Done():
			return Checksum{}, ctx.Err()
		case <-changed:
		}
	}
}

// look returns the checksum of index, or a channel to wait on, or why it will
// not come.
func (c *checksums) look(index uint64) (Checksum, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i, found := c.find(index); found {
		return c.done[i], nil, nil
	}
	if c.closed {
		return Checksum{}, nil, ErrClosed
	}
	coming := slices.ContainsFunc(c.pending, func(z *frozen) bool { return z.index == index })
	if !coming && index <= c.newest {
		return Checksum{}, nil, fault.New(fault.NotFound, "the checksum of index %d is not kept, the newest is of %d", index, c.newest)
	}
	return Checksum{}, c.changed, nil
}

func (c *checksums) close() {
	c.cancel()
	c.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.pending = true, nil
	c.notify()
}

// hash runs over the header, the blocks of the state in the form in which a
// snapshot has them, and a digest of each collection. What is derived, or this
// node's alone, is not in it.
func (z *frozen) hash(ctx context.Context) (string, error) {
	d := xxhash.New()
	_, _ = d.Write(z.appendPosition(nil))
	write := func(block []byte) error {
		_, _ = d.Write(block)
		return ctx.Err()
	}
	err := z.state.Encode(write)
	if err == nil {
		err = z.vectors.Digest(ctx, write)
	}
	return fmt.Sprintf("%016x", d.Sum64()), err
}
