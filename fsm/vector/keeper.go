package vector

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

// keeper maintains the collections beside the writer and the readers: it
// encodes full chunks, has graphs built, vacuums, and removes what was
// dropped. One goroutine does the quick work, another the building.
type keeper struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	tending  chan struct{} // one place each: there may be something to do
	building chan struct{}

	mu    sync.Mutex
	trash []string // folders to be removed
}

const (
	// tendPeriod is the pause between two rounds of the quick work: what is
	// written meanwhile is found without it, only slower.
	tendPeriod = 25 * time.Millisecond
	// buildPeriod is how often the need of graphs is looked at.
	buildPeriod = 250 * time.Millisecond
	// maxWorkers bounds the goroutines of one build where the machine has
	// many cores; they belong to the requests.
	maxWorkers = 4
)

func newKeeper(s *Store) *keeper {
	k := &keeper{s: s, tending: make(chan struct{}, 1), building: make(chan struct{}, 1)}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.wg.Go(func() { k.loop(k.tending, tendPeriod, k.tend) })
	k.wg.Go(func() { k.loop(k.building, buildPeriod, k.build) })
	return k
}

func (k *keeper) close() {
	k.cancel()
	k.wg.Wait()
}

// wake has both goroutines look for work. It never blocks.
func (k *keeper) wake() {
	for _, poke := range []chan struct{}{k.tending, k.building} {
		select {
		case poke <- struct{}{}:
		default:
		}
	}
}

// loop runs a round whenever there may be something to do, at most one in a
// period; after a round that wants another, whether it is woken or not.
func (k *keeper) loop(poke <-chan struct{}, period time.Duration, round func() (again bool)) {
	pause := time.NewTicker(period)
	defer pause.Stop()
	for again := false; ; {
		if !again {
			select {
			case <-k.ctx.Done():
				return
			case <-poke:
			}
		}
		again = round()
		select {
		case <-k.ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// collections returns those that there are now.
func (k *keeper) collections() []*collection {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	all := make([]*collection, 0, len(k.s.collections))
	for _, c := range k.s.collections {
		all = append(all, c)
	}
	return all
}

// look returns a collection's data, and a reader of it at the newest offset.
func (k *keeper) look(c *collection) (*data, *Reader) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return c.data.Load(), c.reader(c.figures.newest)
}

// drop has a collection that was dropped removed. Of the writer.
func (k *keeper) drop(c *collection) {
	c.upkeep.drop()
	if err := c.data.Load().file.release(); err != nil {
		k.s.log.Warn("close a dropped collection", "collection", c.name, "error", err)
	}
	if c.dir != "" {
		k.discard(filepath.Join(k.s.cfg.Dir, droppedName(c)))
	}
	k.wake()
}

// discard has a folder removed.
func (k *keeper) discard(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trash = append(k.trash, path)
}

// requestVacuum asks for a vacuum of the collection. Of the writer.
func (k *keeper) requestVacuum(c *collection) {
	c.upkeep.want()
	k.wake()
}

// tend does the quick work.
func (k *keeper) tend() (again bool) {
	k.emptyTrash()
	for _, c := range k.collections() {
		if c.upkeep.dropped.Load() || k.ctx.Err() != nil {
			continue
		}
		k.encode(c)
		k.tidy(c)
	}
	return false
}

func (k *keeper) emptyTrash() {
	k.mu.Lock()
	trash := k.trash
	k.trash = nil
	k.mu.Unlock()
	for _, path := range trash {
		if err := os.RemoveAll(path); err != nil {
			k.s.log.Info("a dropped collection's folder is removed later", "path", path, "error", err)
			k.discard(path)
		}
	}
}

// minTrain is how many rows a quantizer is made from at least, and maxTrain
// at most.
const (
	minTrain = 1024
	maxTrain = 8192
)

// encode gives the full chunks that are in no graph their codes, and takes
// them from those that are.
func (k *keeper) encode(c *collection) {
	d, r := k.look(c)
	if r.index.covered == 0 && r.rows < minTrain {
		return
	}
	quantizer := r.index.quantizer
	for _, chunk := range r.chunks {
		switch {
		case chunk.full(r.index.covered):
			if chunk.codes.Load() != nil {
				chunk.codes.Store(nil)
			}
		case !chunk.full(r.rows):
			return
		case chunk.codes.Load() == nil:
			if quantizer == nil {
				quantizer = d.train(r)
			}
			chunk.encode(quantizer, r.stride)
		}
		if k.ctx.Err() != nil {
			return
		}
	}
}

// train makes the quantizer of data that has no graph yet.
func (d *data) train(r *Reader) *sq8.Quantizer {
	var rows []*float32
	var scales []float32
	step := max(1, r.rows/maxTrain)
	for row := uint32(0); row < r.rows; row += step {
		if scale := r.Scale(row); scale == scale { // not NaN: not wild
			rows, scales = append(rows, r.Row(row)), append(scales, scale)
		}
	}
	quantizer := sq8.Train(r.dim, r.clips(), rows, scales)
	d.change(func(old index) index {
		if old.quantizer == nil {
			old.quantizer = quantizer
		}
		return old
	})
	return d.index.Load().quantizer
}

// change puts another index in the place of the data's.
func (d *data) change(to func(old index) index) {
	for {
		old := d.index.Load()
		changed := to(*old)
		if d.index.CompareAndSwap(old, &changed) {
			return
		}
	}
}

// encode gives a full chunk its codes.
func (c *chunk) encode(quantizer *sq8.Quantizer, stride int) {
	width := quantizer.Stride()
	encoded := &codes{quantizer: quantizer, bytes: make([]byte, len(c.points)*width)}
	for i := range c.points {
		scale := c.scale[i]
		if scale != scale {
			scale = 0 // wild: its code means nothing
		}
		if !quantizer.Encode(encoded.bytes[i*width:(i+1)*width], &c.vectors[i*stride], scale) {
			encoded.outliers = append(encoded.outliers, c.first+uint32(i))
		}
	}
	c.codes.Store(encoded)
}

// workers returns how many goroutines build a graph.
func (k *keeper) workers() int {
	if k.s.cfg.Workers > 0 {
		return k.s.cfg.Workers
	}
	return min(runtime.NumCPU(), maxWorkers)
}
