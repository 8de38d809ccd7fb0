package hnsw

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/cespare/xxhash/v2"

	"github.com/kissvdb/kissvdb/fsm/vector/sq8"
)

var update = flag.Bool("update", false, "write the golden files; only for a layout that was never released")

// tinyRows is how many rows tiny graphs are over.
const tinyRows = 48

// tiny graphs have all that a file may have: several layers, twins, outliers
// and nodes without a row.
func tiny(t testing.TB) map[string]*Graph {
	w := cosineWorld(20, tinyRows, 3)
	for row := 40; row < tinyRows; row++ { // two lists of twins
		copy(w.base.at(row), w.base.at(row%2))
		w.base.scales[row] = w.base.scales[row%2]
	}
	p := Params{Dim: 3, Clip: true, M: 4, EfConstruction: 20, Seed: 1}
	twins := mustBuild(t, p, nil, rowNumbers(0, tinyRows), w.base, Workers{})

	w = dotWorld(21, tinyRows, 3)
	p.Clip = false
	far := *mustBuild(t, p, nil, rowNumbers(0, 40), w.base, Workers{})
	far.outliers = []uint32{43, 44, 45}
	some := far.Renumber(func(row uint32) (uint32, bool) { return row, row%5 != 3 })
	return map[string]*Graph{
		"twins":    twins,
		"outliers": some,
		"empty":    mustBuild(t, p, nil, nil, w.base, Workers{}),
	}
}

func decode(data []byte) (*Graph, error) {
	return Decode(bytes.NewReader(data), int64(len(data)), tinyRows)
}

// TestFile checks that what is read is what was written.
func TestFile(t *testing.T) {
	w := dotWorld(22, 1500, 20)
	graphs := tiny(t)
	graphs["large"] = w.build(t)
	for name, g := range graphs {
		t.Run(name, func(t *testing.T) {
			data := encoded(t, g)
			read, err := Decode(iotest.OneByteReader(bytes.NewReader(data)), int64(len(data)), 1500)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encoded(t, read), data) {
				t.Error("what was read is written otherwise")
			}
			sameAnswers(t, g, read)
		})
	}
}

// sameAnswers checks that two graphs hold the same and answer the same.
func sameAnswers(t *testing.T, g, read *Graph) {
	t.Helper()
	if read.Len() != g.Len() || read.Dim() != g.Dim() || read.params != g.params || !slices.Equal(read.Outliers(), g.Outliers()) {
		t.Errorf("%d nodes, outliers %v, %+v", read.Len(), read.Outliers(), read.params)
	}
	for node := range uint32(g.Len()) {
		row := g.Row(node)
		at, ok := read.Node(row)
		if read.Row(node) != row || row != None && (!ok || at != node) {
			t.Errorf("node %d has row %d, it had %d", node, read.Row(node), row)
		}
	}
	w := dotWorld(23, 1, g.Dim())
	odd := func(row uint32) bool { return row%2 == 1 }
	for i := range w.queries.Len() {
		query := w.queries.at(i)
		for _, s := range []Search{{Ef: 20}, {Ef: 5, Admit: odd, Share: .5}, {Ef: 30, Budget: 20}} {
			s.Vector = query
			want, wantDone := g.Search(&s, nil)
			got, done := read.Search(&s, nil)
			if done != wantDone || !slices.Equal(got, want) {
				t.Errorf("found %v, %t; it was %v, %t", got, done, want, wantDone)
			}
		}
		if want, got := g.ScanAll(query, odd, 10, nil), read.ScanAll(query, odd, 10, nil); !slices.Equal(got, want) {
			t.Errorf("a scan found %v, it was %v", got, want)
		}
	}
}

// TestGolden reads files that were written before. Building the graphs again
// may give others, their layout is what must stay.
func TestGolden(t *testing.T) {
	for name, g := range tiny(t) {
		path := filepath.Join("testdata", name+".graph")
		if *update {
			if err := os.WriteFile(path, encoded(t, g), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		read, err := decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(encoded(t, read), data) {
			t.Errorf("%s is written otherwise", name)
		}
		var rows, want []uint32
		for row := range uint32(tinyRows) {
			if _, ok := read.Node(row); ok {
				rows = append(rows, row)
			}
			if name == "twins" || name == "outliers" && row < 40 && row%5 != 3 {
				want = append(want, row)
			}
		}
		if p := read.params; !slices.Equal(rows, want) || p.Dim != 3 || p.M != 4 || p.EfConstruction != 20 || p.Seed != 1 || p.Clip != (name == "twins") {
			t.Errorf("%s: rows %v, %+v", name, rows, p)
		}
		if outliers := read.Outliers(); name == "outliers" && !slices.Equal(outliers, []uint32{44, 45}) {
			t.Errorf("outliers %v", outliers)
		}
		query := []float32{1, 0, 0, 0, 0, 0, 0, 0}
		found, done := read.Search(&Search{Vector: query, Ef: tinyRows}, nil)
		if checkFound(t, found, tinyRows, nil); !done || len(found) < len(want)*9/10 {
			t.Errorf("%s: %d found, done %t", name, len(found), done)
		}
	}
}

// TestDamaged cuts files, and turns bits in them: each is an error.
func TestDamaged(t *testing.T) {
	for name, g := range tiny(t) {
		data := encoded(t, g)
		for cut := 0; cut < len(data); cut += 37 {
			if _, err := decode(data[:cut]); !errors.Is(err, errCorrupt) {
				t.Errorf("%s cut at %d: %v", name, cut, err)
			}
			if _, err := Decode(bytes.NewReader(data[:cut]), int64(len(data)), tinyRows); !errors.Is(err, errCorrupt) {
				t.Errorf("%s ends at %d: %v", name, cut, err)
			}
		}
		for at := 0; at < len(data); at += 3 {
			damaged := slices.Clone(data)
			damaged[at] ^= 1 << (at % 8)
			if _, err := decode(damaged); err == nil {
				t.Errorf("%s: byte %d is damaged, no error", name, at)
			}
		}
		if _, err := decode(append(slices.Clone(data), 0)); !errors.Is(err, errCorrupt) {
			t.Errorf("%s and a byte more: %v", name, err)
		}
		if _, err := Decode(bytes.NewReader(data), int64(len(data)), tinyRows-10); name != "empty" && !errors.Is(err, errCorrupt) {
			t.Errorf("%s over too few rows: %v", name, err)
		}
		for _, size := range []int64{-1, 0, 1 << 62} {
			if _, err := Decode(bytes.NewReader(data), size, tinyRows); err == nil {
				t.Errorf("%s of size %d: no error", name, size)
			}
		}
		broken := errors.New("broken disk")
		r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken))
		if _, err := Decode(r, int64(len(data)), tinyRows); !errors.Is(err, broken) {
			t.Errorf("%s on a broken disk: %v", name, err)
		}
	}
}

// fullDisk takes so many bytes.
type fullDisk int

var errFull = errors.New("the disk is full")

func (d *fullDisk) Write(b []byte) (int, error) {
	if *d -= fullDisk(len(b)); *d < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestEncodeFails(t *testing.T) {
	g := tiny(t)["twins"]
	for room := range len(encoded(t, g)) {
		if disk := fullDisk(room); !errors.Is(g.Encode(&disk), errFull) {
			t.Fatalf("no error with room for %d bytes", room)
		}
	}
}

// sections returns where each section of a file starts, and its size without
// its checksum, as far as the header is right. The last two are the lists and
// what is behind them in the highest layer.
func sections(data []byte) (starts, sizes []int) {
	if len(data) < headerSize+hashSize {
		return nil, nil
	}
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(data[at:])) }
	flags, dim, m, nodes, outliers, layers := u32(12), u32(16), u32(20), u32(36), u32(40), u32(52)
	sizes = []int{headerSize, sq8.BinarySize(dim), nodes * ((dim + 31) / 32 * 32), 4 * nodes, 4 * outliers}
	if flags&flagTwins != 0 {
		sizes = append(sizes, 4*nodes)
	}
	for i := range min(layers, maxLayers) {
		positions := u32(56 + 4*i)
		if i == 0 {
			sizes = append(sizes, 8*m*positions, positions)
		} else {
			sizes = append(sizes, 4*m*positions, positions, 4*positions, 4*positions)
		}
	}
	at := 0
	for i, size := range sizes {
		if size < 0 || size > len(data)-at-hashSize {
			return starts, sizes[:i]
		}
		starts = append(starts, at)
		at += size + hashSize
	}
	return starts, sizes
}

// resealed gives every section its right checksum, so that what it says is
// looked at.
func resealed(data []byte) []byte {
	data = slices.Clone(data)
	starts, sizes := sections(data)
	for i, start := range starts {
		end := start + sizes[i]
		binary.LittleEndian.PutUint64(data[end:], xxhash.Sum64(data[start:end]))
	}
	return data
}

// forged returns a file with another number in a section, well sealed.
func forged(data []byte, section, offset int, x uint32) []byte {
	starts, _ := sections(data)
	data = slices.Clone(data)
	binary.LittleEndian.PutUint32(data[starts[section]+offset:], x)
	return resealed(data)
}

// TestForged changes what files say: none is believed, and none makes the
// reader allocate much.
func TestForged(t *testing.T) {
	graphs := tiny(t)
	twins, outliers := encoded(t, graphs["twins"]), encoded(t, graphs["outliers"])
	if !bytes.Equal(resealed(twins), twins) || !bytes.Equal(resealed(outliers), outliers) {
		t.Fatal("sections are taken to lie elsewhere")
	}
	for name, data := range map[string][]byte{
		"version":           forged(twins, 0, 8, 2),
		"flags":             forged(twins, 0, 12, 7),
		"no dimension":      forged(twins, 0, 16, 0),
		"dimension":         forged(twins, 0, 16, 1<<31),
		"many links":        forged(twins, 0, 20, 1<<30),
		"no links":          forged(twins, 0, 20, 0),
		"efConstruction":    forged(twins, 0, 24, None),
		"many nodes":        forged(twins, 0, 36, 1<<31-1),
		"too many nodes":    forged(twins, 0, 36, None),
		"many outliers":     forged(twins, 0, 40, None),
		"entry":             forged(twins, 0, 48, 40),
		"no layers":         forged(twins, 0, 52, 0),
		"many layers":       forged(twins, 0, 52, 1000),
		"positions":         forged(twins, 0, 56, tinyRows-1),
		"more above":        forged(twins, 0, 60, tinyRows+1),
		"layers not in use": forged(twins, 0, 56+4*31, 1),
		"range":             forged(twins, 1, 12, 0),
		"row":               forged(twins, 3, 0, tinyRows),
		"row twice":         forged(twins, 3, 4, binary.LittleEndian.Uint32(section(twins, 3))),
		"outlier":           forged(outliers, 4, 4, tinyRows),
		"outlier none":      forged(outliers, 4, 4, None),
		"outlier order":     forged(outliers, 4, 0, 47),
		"outlier is a row":  forged(outliers, 4, 0, 1),
		"twin":              forged(twins, 5, 0, tinyRows),
		"twin of itself":    forged(twins, 5, 0, 0),
		"link":              forged(twins, 6, 0, tinyRows),
		"kept":              forged(twins, 7, 0, None),
		"node above":        forged(twins, 10, 0, tinyRows),
		"below":             forged(twins, 11, 0, tinyRows),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decode(data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%s: %d bytes allocated for %d", name, grown, len(data))
		}
	}
}

func section(data []byte, i int) []byte {
	starts, sizes := sections(data)
	return data[starts[i] : starts[i]+sizes[i]]
}
