package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

func values(v ...float32) []byte { return record.AppendVector(nil, v) }

// openVectors starts a node with a collection docs of two dimensions.
func openVectors(t testing.TB) *Node {
	t.Helper()
	n := open(t, func(c *Config) { c.Dir, c.PeerAddress, c.PeerBind = "", "", "127.0.0.1:0" })
	create := record.VectorCreate{Collection: []byte("docs"), Dim: 2, Metric: record.Dot}
	if res, err := n.Vectors.Create(timeout(t), create); err != nil || res.Offset != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	return n
}

func pointOf(collection, id string, v ...float32) record.VectorPut {
	return record.VectorPut{Collection: []byte(collection), ID: []byte(id), Vector: values(v...)}
}

func TestVectors(t *testing.T) {
	n, ctx := openVectors(t), timeout(t)
	docs := []byte("docs")
	step := func(name string, offset uint64, res record.Result, err error) {
		t.Helper()
		if err != nil || res.Offset != offset {
			t.Fatalf("%s: offset %d, want %d: %v", name, res.Offset, offset, err)
		}
	}
	res, err := n.Vectors.Put(ctx, pointOf("docs", "a", 1, 0))
	step("put", 2, res, err)
	res, err = n.Vectors.Update(ctx, record.VectorUpdate{Collection: docs, ID: []byte("a"), Meta: []byte(`{"x":1}`), SetMeta: true})
	step("update", 3, res, err)
	res, err = n.Vectors.Update(ctx, record.VectorUpdate{Collection: docs, ID: []byte("a")})
	step("update of nothing", 3, res, err)
	res, err = n.Vectors.PutBatch(ctx, record.VectorPutBatch{Collection: docs, Items: []record.VectorPut{
		{ID: []byte("b"), Vector: values(0, 2)}, {ID: []byte("c"), Vector: values(1, 2, 3)}, {ID: []byte("c"), Vector: values(0, -1)}}})
	step("batch", 5, res, err)
	if len(res.Batch) != 3 || res.Batch[0].Fault != nil || res.Batch[1].Fault.Code != fault.DimMismatch || res.Batch[2].Fault != nil {
		t.Errorf("batch: %+v", res.Batch)
	}
	point, offset, err := n.Vectors.Get(ctx, "docs", "a", Read{MinOffset: 5, Linearizable: true})
	if err != nil || offset != 5 || point.ID != "a" || fmt.Sprint(point.Vector) != "[1 0]" || point.Meta != `{"x":1}` {
		t.Errorf("get: %+v at %d, %v", point, offset, err)
	}
	hits, offset, err := n.Vectors.Search(ctx, "docs", &vector.Query{Vector: []float32{1, 1}, K: 9}, Read{})
	if want := `[{b 2 } {a 1 {"x":1}} {c -1 }]`; err != nil || offset != 5 || fmt.Sprint(hits) != want {
		t.Errorf("search: %v at %d, %v, want %s", hits, offset, err, want)
	}
	res, err = n.Vectors.Delete(ctx, record.VectorDelete{Collection: docs, ID: []byte("b")})
	step("delete", 6, res, err)
	res, err = n.Vectors.DeleteBatch(ctx, record.VectorDeleteBatch{Collection: docs, IDs: [][]byte{[]byte("b"), []byte("c")}})
	step("delete batch", 7, res, err)
	if len(res.Batch) != 2 || !fault.Is(res.Batch[0].Fault, fault.NotFound) || res.Batch[1].Fault != nil {
		t.Errorf("delete batch: %+v", res.Batch)
	}
	reclaimed, res, err := n.Vectors.Vacuum(ctx, "docs")
	step("vacuum", 7, res, err)
	if reclaimed <= 0 {
		t.Errorf("%d bytes reclaimed", reclaimed)
	}
	info, offset, err := n.Vectors.Describe(ctx, "docs", Read{})
	if err != nil || offset != 7 || info.Name != "docs" || info.Live != 1 || info.Records != 1 || info.Deleted != 0 || info.Offset != 7 {
		t.Errorf("describe: %+v at %d, %v", info, offset, err)
	}
	infos, offset, err := n.Vectors.List(ctx, Read{MinOffset: 7})
	if err != nil || offset != 7 || len(infos) != 1 || infos[0] != info {
		t.Errorf("list: %+v at %d, %v", infos, offset, err)
	}
	res, err = n.Vectors.Drop(ctx, record.VectorDrop{Collection: docs})
	step("drop", 8, res, err)
}

// TestVectorsNotThere asks for what is not there: all of it is NotFound, at an
// offset.
func TestVectorsNotThere(t *testing.T) {
	n, ctx := openVectors(t), timeout(t)
	none, id := []byte("none"), []byte("a")
	for _, c := range []struct {
		name    string
		call    func() error
		message string
	}{
		{"put", func() error { _, err := n.Vectors.Put(ctx, pointOf("none", "a", 1)); return err }, "collection or id not found"},
		{"update", func() error {
			_, err := n.Vectors.Update(ctx, record.VectorUpdate{Collection: none, ID: id})
			return err
		}, "collection or id not found"},
		{"delete", func() error {
			_, err := n.Vectors.Delete(ctx, record.VectorDelete{Collection: none, ID: id})
			return err
		}, "collection or id not found"},
		{"update of no point", func() error {
			_, err := n.Vectors.Update(ctx, record.VectorUpdate{Collection: []byte("docs"), ID: id})
			return err
		}, "id not found"},
		{"delete of no point", func() error {
			_, err := n.Vectors.Delete(ctx, record.VectorDelete{Collection: []byte("docs"), ID: id})
			return err
		}, "id not found"},
		{"batch", func() error {
			_, err := n.Vectors.PutBatch(ctx, record.VectorPutBatch{Collection: none, Items: []record.VectorPut{pointOf("", "a", 1)}})
			return err
		}, "collection or id not found"},
		{"delete batch", func() error {
			_, err := n.Vectors.DeleteBatch(ctx, record.VectorDeleteBatch{Collection: none, IDs: [][]byte{id}})
			return err
		}, "collection or id not found"},
		{"drop", func() error { _, err := n.Vectors.Drop(ctx, record.VectorDrop{Collection: none}); return err }, "collection not found"},
		{"vacuum", func() error { _, _, err := n.Vectors.Vacuum(ctx, "none"); return err }, "collection not found"},
		{"describe", func() error { _, _, err := n.Vectors.Describe(ctx, "none", Read{}); return err }, "collection not found"},
		{"get", func() error { _, _, err := n.Vectors.Get(ctx, "none", "a", Read{}); return err }, "collection or id not found"},
		{"get of no point", func() error { _, _, err := n.Vectors.Get(ctx, "docs", "a", Read{}); return err }, "vector id not found"},
		{"search", func() error {
			_, _, err := n.Vectors.Search(ctx, "none", &vector.Query{Vector: []float32{1}, K: 1}, Read{})
			return err
		}, "collection or id not found"},
	} {
		if got := codeAndMessage(c.call(), 1); got != "not_found: "+c.message {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// codeAndMessage describes a fault, and whether it tells the offset.
func codeAndMessage(err error, offset uint64) string {
	var f *fault.Error
	switch {
	case !errors.As(err, &f):
		return fmt.Sprintf("%T %v", err, err)
	case !f.HasOffset || f.Offset != offset:
		return fmt.Sprintf("%v at %d, %v", f, f.Offset, f.HasOffset)
	}
	return f.Error()
}

// TestVectorBounds tries what no configuration allows. A record like that
// would stop every node, so none may reach the log.
func TestVectorBounds(t *testing.T) {
	n, ctx := openVectors(t), timeout(t)
	long, wide := strings.Repeat("x", MaxCollectionLen+1), make([]float32, record.MaxDim+1)
	inf, nan := float32(math.Inf(-1)), float32(math.NaN())
	create := func(c record.VectorCreate) func() error {
		return func() error { _, err := n.Vectors.Create(ctx, c); return err }
	}
	put := func(p record.VectorPut) func() error {
		return func() error { _, err := n.Vectors.Put(ctx, p); return err }
	}
	update := func(u record.VectorUpdate) func() error {
		return func() error { _, err := n.Vectors.Update(ctx, u); return err }
	}
	batch := func(items ...record.VectorPut) func() error {
		return func() error {
			_, err := n.Vectors.PutBatch(ctx, record.VectorPutBatch{Collection: []byte("docs"), Items: items})
			return err
		}
	}
	deletes := func(collection string, ids ...[]byte) func() error {
		return func() error {
			_, err := n.Vectors.DeleteBatch(ctx, record.VectorDeleteBatch{Collection: []byte(collection), IDs: ids})
			return err
		}
	}
	before := n.Progress().LastIndex
	for i, c := range []struct {
		call func() error
		code fault.Code
	}{
		{create(record.VectorCreate{Collection: []byte(""), Dim: 1, Metric: record.Dot}), fault.InvalidArgument},
		{create(record.VectorCreate{Collection: []byte("../x"), Dim: 1, Metric: record.Dot}), fault.InvalidArgument},
		{create(record.VectorCreate{Collection: []byte(long), Dim: 1, Metric: record.Dot}), fault.InvalidArgument},
		{create(record.VectorCreate{Collection: []byte("x"), Dim: 0, Metric: record.Dot}), fault.InvalidArgument},
		{create(record.VectorCreate{Collection: []byte("x"), Dim: record.MaxDim + 1, Metric: record.Dot}), fault.InvalidArgument},
		{create(record.VectorCreate{Collection: []byte("x"), Dim: 1}), fault.InvalidArgument},
		{create(record.VectorCreate{Collection: []byte("x"), Dim: 1, Metric: 3}), fault.InvalidArgument},
		{put(pointOf("", "a", 1, 2)), fault.InvalidArgument},
		{put(pointOf("docs", "", 1, 2)), fault.InvalidArgument},
		{put(pointOf("docs", "\xff", 1, 2)), fault.InvalidArgument},
		{put(pointOf("docs", strings.Repeat("x", MaxIDLen+1), 1, 2)), fault.InvalidArgument},
		{put(pointOf("docs", "a")), fault.DimMismatch},
		{put(pointOf("docs", "a", nan, 2)), fault.InvalidArgument},
		{put(pointOf("docs", "a", 1, inf)), fault.InvalidArgument},
		{put(pointOf("docs", "a", wide...)), fault.InvalidArgument},
		{put(record.VectorPut{Collection: []byte("docs"), ID: []byte("a"), Vector: make([]byte, 7)}), fault.InvalidArgument},
		{update(record.VectorUpdate{Collection: []byte("."), ID: []byte("a")}), fault.InvalidArgument},
		{update(record.VectorUpdate{Collection: []byte("docs")}), fault.InvalidArgument},
		{update(record.VectorUpdate{Collection: []byte("docs"), ID: []byte("a"), Vector: values(inf)}), fault.InvalidArgument},
		{batch(), fault.InvalidArgument},
		{batch(make([]record.VectorPut, record.MaxBatch+1)...), fault.PayloadTooLarge},
		{batch(pointOf("", "a", 1, 2), pointOf("", "", 1, 2)), fault.InvalidArgument},
		{batch(pointOf("", "a", 1, 2), pointOf("", "b", nan, 2)), fault.InvalidArgument},
		{deletes("docs"), fault.InvalidArgument},
		{deletes("", []byte("a")), fault.InvalidArgument},
		{deletes("docs", []byte("a"), nil), fault.InvalidArgument},
		{deletes("docs", make([][]byte, record.MaxBatch+1)...), fault.PayloadTooLarge},
		{func() error {
			_, err := n.Vectors.Delete(ctx, record.VectorDelete{Collection: []byte("docs")})
			return err
		}, fault.InvalidArgument},
		{func() error { _, err := n.Vectors.Delete(ctx, record.VectorDelete{ID: []byte("a")}); return err }, fault.InvalidArgument},
		{func() error { _, err := n.Vectors.Drop(ctx, record.VectorDrop{}); return err }, fault.InvalidArgument},
		{func() error { _, _, err := n.Vectors.Vacuum(ctx, "a/b"); return err }, fault.InvalidArgument},
		{func() error {
			_, _, err := n.Vectors.Search(ctx, "docs", &vector.Query{Vector: []float32{nan, 1}, K: 1}, Read{})
			return err
		}, fault.InvalidArgument},
		{func() error {
			_, _, err := n.Vectors.Search(ctx, "docs", &vector.Query{Vector: []float32{1}, K: 1}, Read{})
			return err
		}, fault.DimMismatch},
	} {
		if err := c.call(); !fault.Is(err, c.code) {
			t.Errorf("case %d: %v, want %v", i, err, c.code)
		}
	}
	if now := n.Progress().LastIndex; now != before {
		t.Errorf("%d entries were written", now-before)
	}
	// At the bounds all is well.
	name, id := []byte(strings.Repeat("x", MaxCollectionLen)), strings.Repeat("x", MaxIDLen)
	for _, call := range []func() error{
		create(record.VectorCreate{Collection: name, Dim: record.MaxDim, Metric: record.Cosine}),
		put(pointOf(string(name), id, wide[1:]...)),
		put(record.VectorPut{Collection: []byte("docs"), ID: []byte("null"), Vector: values(1, 2), Meta: []byte("null")}),
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-n.Fatal():
		t.Error(err)
	default:
	}
}

func TestVectorReadLevels(t *testing.T) {
	n := openVectors(t)
	ctx, cancel := context.WithCancel(context.Background())
	level := Read{MinOffset: 2, Wait: 1}
	_, _, listed := n.Vectors.List(ctx, level)
	_, _, described := n.Vectors.Describe(ctx, "docs", level)
	_, _, got := n.Vectors.Get(ctx, "docs", "a", level)
	_, _, found := n.Vectors.Search(ctx, "docs", &vector.Query{Vector: []float32{1, 1}, K: 1}, level)
	for i, err := range []error{listed, described, got, found} {
		if !fault.Is(err, fault.StaleRead) {
			t.Errorf("read %d: %v", i, err)
		}
	}
	// A search that has no time writes nothing, so nothing is unknown.
	cancel()
	if _, _, err := n.Vectors.Search(ctx, "docs", &vector.Query{Vector: []float32{1, 1}, K: 1}, Read{}); !fault.Is(err, fault.Overloaded) {
		t.Errorf("search without time: %v", err)
	}
}
