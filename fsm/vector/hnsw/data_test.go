package hnsw

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/vector/memory"
)

// table is rows of vectors of one length.
type table struct {
	dim    int
	stride int
	values []float32
	scales []float32 // nil = all 1
}

func newTable(count, dim int) *table {
	stride := padded(dim)
	return &table{dim: dim, stride: stride, values: memory.Make[float32](count * stride)}
}

func (t *table) Len() int { return len(t.values) / t.stride }

func (t *table) Row(row uint32) *float32 { return &t.values[int(row)*t.stride] }

func (t *table) Scale(row uint32) float32 {
	if t.scales == nil {
		return 1
	}
	return t.scales[row]
}

// at returns a row with its padding.
func (t *table) at(row int) []float32 { return t.values[row*t.stride : (row+1)*t.stride] }

func rowNumbers(first, count int) []uint32 {
	rows := make([]uint32, count)
	for i := range rows {
		rows[i] = uint32(first + i)
	}
	return rows
}

// dataSet is a set of vectors on disk, with the true neighbours of queries.
type dataSet struct {
	base, queries *table
	truth         [][]uint32
}

// dataDir is where the sets are that benchmarks use: files NAME.base.vf32,
// NAME.query.vf32 (u32 "VF32", version, count, dim; then float32) and
// NAME.truth.vgt (u32 "VGT1", version, queries, k; then u32 row numbers), all
// little endian.
const dataDir = "KISSVDB_VECTOR_DATA"

func openDataSet(t testing.TB, name string) *dataSet {
	dir := os.Getenv(dataDir)
	if dir == "" {
		t.Skip(dataDir + " is not set")
	}
	s := &dataSet{
		base:    readTable(t, filepath.Join(dir, name+".base.vf32")),
		queries: readTable(t, filepath.Join(dir, name+".query.vf32")),
	}
	words := readWords(t, filepath.Join(dir, name+".truth.vgt"))
	count, k := int(words[2]), int(words[3])
	for i := range count {
		s.truth = append(s.truth, words[4+i*k:4+(i+1)*k])
	}
	return s
}

func readTable(t testing.TB, path string) *table {
	words := readWords(t, path)
	count, dim := int(words[2]), int(words[3])
	table := newTable(count, dim)
	for i := range count {
		for j, word := range words[4+i*dim : 4+(i+1)*dim] {
			table.at(i)[j] = math.Float32frombits(word)
		}
	}
	return table
}

func readWords(t testing.TB, path string) []uint32 {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skip(fmt.Sprint("no data: ", err))
	}
	if err != nil || len(data) < 16 {
		t.Fatal("data set: ", err)
	}
	words := make([]uint32, len(data)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return words
}
