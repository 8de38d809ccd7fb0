package bench

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
)

// matrix has rows of equal length.
type matrix[T any] struct {
	rows, columns int
	values        []T
}

func (m *matrix[T]) row(i int) []T { return m.values[i*m.columns : (i+1)*m.columns] }

// dataset is what is searched, and with what.
type dataset struct {
	base    matrix[float32]
	queries matrix[float32]
	truth   matrix[uint32] // of each query the nearest rows, best first; empty = not known
}

// Files of vectors are little endian:
//
//	NAME.base.vf32, NAME.query.vf32   "VF32", u32 version 1, u32 rows, u32 dimension, rows x dimension f32
//	NAME.truth.vgt                    "VGT1", u32 version 1, u32 queries, u32 depth, queries x depth u32 rows,
//	                                  best first, queries x depth f32 cosines
const (
	setHeader  = 16
	setVersion = 1
	maxSetFile = 64 << 30
)

// readDataset reads the three files of a set. Its rows are of unit length.
func readDataset(name string) (*dataset, error) {
	var d dataset
	var err error
	if d.base, err = readMatrix(name+".base.vf32", "VF32", math.Float32frombits); err != nil {
		return nil, err
	}
	if d.queries, err = readMatrix(name+".query.vf32", "VF32", math.Float32frombits); err != nil {
		return nil, err
	}
	if d.truth, err = readMatrix(name+".truth.vgt", "VGT1", func(row uint32) uint32 { return row }); err != nil {
		return nil, err
	}
	if d.queries.columns != d.base.columns || d.truth.rows != d.queries.rows {
		return nil, fmt.Errorf("the files of %s do not belong together", name)
	}
	for _, row := range d.truth.values {
		if int(row) >= d.base.rows {
			return nil, fmt.Errorf("%s.truth.vgt names row %d of %d", name, row, d.base.rows)
		}
	}
	return &d, nil
}

// readMatrix reads the first table of a file.
func readMatrix[T any](path, magic string, value func(uint32) T) (m matrix[T], err error) {
	info, err := os.Stat(path)
	if err != nil {
		return m, err
	}
	if info.Size() > maxSetFile {
		return m, fmt.Errorf("%s is larger than %d bytes", path, int64(maxSetFile))
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if m, err = parseMatrix(content, magic, value); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseMatrix[T any](content []byte, magic string, value func(uint32) T) (m matrix[T], err error) {
	if len(content) < setHeader || string(content[:4]) != magic || binary.LittleEndian.Uint32(content[4:]) != setVersion {
		return m, fmt.Errorf("is not a file of %s version %d", magic, setVersion)
	}
	rows, columns := uint64(binary.LittleEndian.Uint32(content[8:])), uint64(binary.LittleEndian.Uint32(content[12:]))
	body := content[setHeader:]
	if rows == 0 || columns == 0 || rows > uint64(len(body))/4/columns {
		return m, fmt.Errorf("is cut off: %d rows of %d in %d bytes", rows, columns, len(content))
	}
	m = matrix[T]{rows: int(rows), columns: int(columns), values: make([]T, rows*columns)}
	for i := range m.values {
		m.values[i] = value(binary.LittleEndian.Uint32(body[4*i:]))
	}
	return m, nil
}

const (
	madeUpQueries = 1000
	madeUpTopics  = 256
	// madeUpSpread is how far vectors are from their topic, which has length 1.
	madeUpSpread = 0.8
)

// makeDataset makes up vectors around topics, without the truth. Equal
// arguments give equal vectors.
func makeDataset(rows, dim int) *dataset {
	random := rand.New(rand.NewPCG(3, uint64(dim)))
	topics := matrix[float32]{rows: madeUpTopics, columns: dim, values: make([]float32, madeUpTopics*dim)}
	for i := range topics.rows {
		scatter(topics.row(i), nil, 1, random)
	}
	around := func(rows int) matrix[float32] {
		m := matrix[float32]{rows: rows, columns: dim, values: make([]float32, rows*dim)}
		for i := range rows {
			scatter(m.row(i), topics.row(random.IntN(topics.rows)), madeUpSpread, random)
		}
		return m
	}
	return &dataset{queries: around(madeUpQueries), base: around(rows)}
}

// scatter sets v to a vector of unit length in the direction of centre plus a
// normal deviate of about the length spread.
func scatter(v, centre []float32, spread float64, random *rand.Rand) {
	spread /= math.Sqrt(float64(len(v)))
	var square float64
	for i := range v {
		x := spread * random.NormFloat64()
		if centre != nil {
			x += float64(centre[i])
		}
		v[i] = float32(x)
		square += x * x
	}
	if square == 0 {
		return
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(square))
	}
}
