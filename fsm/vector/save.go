package vector

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/kissvdb/kissvdb/fsm/durable"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// errDropped ends the maintenance of a collection that is no more.
var errDropped = errors.New("the collection was dropped")

// while runs fn unless the collection was dropped, and holds off the writer:
// meanwhile the folder of its name is its own.
func (k *keeper) while(c *collection, fn func() error) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if c.upkeep.dropped.Load() {
		return errDropped
	}
	return fn()
}

// write makes a file in the collection's folder.
func (k *keeper) write(c *collection, name string, fill func(io.Writer) error) error {
	rename := func(from, to string) error {
		return k.while(c, func() error { return os.Rename(from, to) })
	}
	err := durable.WriteBy(rename, filepath.Join(c.dir, name), fill)
	if err != nil && c.upkeep.dropped.Load() {
		return errDropped
	}
	return err
}

// save writes a graph of the index to disk, and the manifest. What it takes
// the place of is removed then.
func (k *keeper) save(c *collection, d *data, place int, g *hnsw.Graph) error {
	if c.dir == "" {
		return nil
	}
	if err := k.s.cfg.Room(g.Bytes()); err != nil {
		return err
	}
	files := slices.Clone(d.graphs)
	number := 1
	for _, f := range files {
		number = max(number, f.number()+1)
	}
	saved := graphFile{Name: fmt.Sprintf("%s%06d%s", graphPrefix, number, graphSuffix)}
	err := k.write(c, saved.Name, func(w io.Writer) error {
		return g.Encode(&counter{w: w, n: &saved.Bytes})
	})
	if err != nil {
		return err
	}
	var old string
	if place < len(files) {
		old, files[place] = files[place].Name, saved
	} else {
		files = append(files, saved)
	}
	d.graphs = files
	if err := k.saveManifest(c, d); err != nil || old == "" {
		return err
	}
	return k.while(c, func() error { return os.Remove(filepath.Join(c.dir, old)) })
}

func (k *keeper) saveManifest(c *collection, d *data) error {
	return k.write(c, manifestName, c.manifest(d).write)
}

// counter counts what is written through it.
type counter struct {
	w io.Writer
	n *int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	*c.n += int64(n)
	return n, err
}
