package vector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kissvdb/kissvdb/fsm/durable"
	"github.com/kissvdb/kissvdb/fsm/vector/hnsw"
)

// A collection's folder holds
//
//	manifest.json      what the collection is, and which graphs belong to it
//	vectors.bin        its points
//	graph-000001.hnsw  a graph over rows of vectors.bin; immutable
//
// The manifest is written anew, whole, whenever a graph is finished. It says
// nothing that could not be made again from vectors.bin.
const (
	manifestName = "manifest.json"
	maxManifest  = 1 << 20
	graphPrefix  = "graph-"
	graphSuffix  = ".hnsw"
)

// manifest is the content of manifest.json.
type manifest struct {
	Collection  string      `json:"collection"`
	Dim         int         `json:"dim"`
	Metric      string      `json:"metric"`
	CreatedMS   int64       `json:"created_at_ms"`
	Incarnation uint64      `json:"incarnation"` // offset of the event that made the collection
	File        uint64      `json:"file"`        // id in the header of vectors.bin
	Covered     uint32      `json:"covered"`     // rows below it are in a graph, unless they were dead
	Graphs      []graphFile `json:"graphs"`
}

// graphFile is a graph on disk.
type graphFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// number returns the number in a graph's name, 0 for any other.
func (g graphFile) number() (n int) {
	if rest, ok := strings.CutPrefix(g.Name, graphPrefix); ok {
		if _, err := fmt.Sscanf(rest, "%d"+graphSuffix, &n); err != nil {
			return 0
		}
	}
	return n
}

// writeManifest writes the manifest of new data that has no maintenance yet
// into dir, durably.
func (c *collection) writeManifest(dir string, d *data) error {
	return durable.Write(filepath.Join(dir, manifestName), c.manifest(d).write)
}

// manifest describes the data's graphs.
func (c *collection) manifest(d *data) manifest {
	return manifest{
		Collection: c.name, Dim: c.dim, Metric: c.metric.String(), CreatedMS: c.createdMS,
		Incarnation: c.incarnation, File: d.file.header.id,
		Covered: d.index.Load().covered, Graphs: append([]graphFile{}, d.graphs...),
	}
}

func (m manifest) write(w io.Writer) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// readManifest returns the manifest in dir when it is about the file h.
func readManifest(dir string, h header) (manifest, error) {
	f, err := os.Open(filepath.Join(dir, manifestName))
	if err != nil {
		return manifest{}, err
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return manifest{}, corrupt("manifest: %v", err)
	}
	if m.Incarnation != h.incarnation || m.File != h.id {
		return manifest{}, fmt.Errorf("%s is about other data", manifestName)
	}
	return m, nil
}

// loadGraphs takes up the graphs that an earlier run of this node has left
// for the data. What cannot be read is built again.
func (s *Store) loadGraphs(c *collection, d *data) {
	m, err := readManifest(c.dir, d.file.header)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.log.Info("graphs are built again", "collection", c.name, "reason", err)
		}
		return
	}
	graphs := make([]*hnsw.Graph, 0, len(m.Graphs))
	for _, file := range m.Graphs {
		g, err := loadGraph(filepath.Join(c.dir, filepath.Base(file.Name)), c.dim, m.Covered)
		if err != nil {
			s.log.Warn("graph is built again", "collection", c.name, "file", file.Name, "error", err)
			return
		}
		graphs = append(graphs, g)
	}
	d.useGraphs(graphs, m.Graphs, m.Covered)
}

// removeLeftovers removes what a crash has left in the collection's folder:
// files that were not whole yet, and graphs that no manifest names. Of who has
// just opened the data.
func (s *Store) removeLeftovers(c *collection, d *data) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	kept := map[string]bool{fileName: true, manifestName: true}
	for _, g := range d.graphs {
		kept[g.Name] = true
	}
	for _, e := range entries {
		if kept[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// useGraphs makes graphs the index of data that nobody else uses yet.
func (d *data) useGraphs(graphs []*hnsw.Graph, files []graphFile, covered uint32) {
	if len(graphs) == 0 {
		return
	}
	d.graphs = files
	d.index.Store(&index{graphs: graphs, covered: covered, quantizer: graphs[len(graphs)-1].Quantizer()})
}

func loadGraph(path string, dim int, covered uint32) (*hnsw.Graph, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return decodeGraph(f, info.Size(), dim, covered)
}

// decodeGraph reads a graph over rows below covered, of dim dimensions.
func decodeGraph(r io.Reader, size int64, dim int, covered uint32) (*hnsw.Graph, error) {
	g, err := hnsw.Decode(r, size, covered)
	if err != nil {
		return nil, err
	}
	if g.Quantizer().Dim() != dim {
		return nil, corrupt("graph of %d dimensions where %d are due", g.Quantizer().Dim(), dim)
	}
	return g, nil
}
