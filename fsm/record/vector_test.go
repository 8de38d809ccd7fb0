package record_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

func floats(v ...float32) []byte { return record.AppendVector(nil, v) }

func vectorSamples() []sample {
	docs, id := []byte("docs"), []byte("ñ:1")
	vector, meta := floats(0.1, -1.5, float32(math.Copysign(0, -1))), []byte(`{"x":1}`)
	put := record.VectorPut{Collection: docs, ID: id, Vector: vector, Meta: meta}
	add := put
	add.Add, add.Meta = true, nil
	update := record.VectorUpdate{Collection: docs, ID: id}
	moved, relabelled, both := update, update, update
	moved.Vector = vector
	relabelled.SetMeta = true
	both.Vector, both.Meta, both.SetMeta = vector, meta, true
	items := []record.VectorPut{{ID: id, Vector: vector, Meta: meta}, {ID: []byte("2"), Vector: floats(math.MaxFloat32)}}
	return []sample{
		sampleOf("vector create", record.VectorCreate{Collection: docs, Dim: 384, Metric: record.Cosine}, record.DecodeVectorCreate),
		sampleOf("vector create of the most dimensions", record.VectorCreate{Collection: docs, Dim: record.MaxDim, Metric: record.Dot}, record.DecodeVectorCreate),
		sampleOf("vector drop", record.VectorDrop{Collection: docs}, record.DecodeVectorDrop),
		sampleOf("vector put", put, record.DecodeVectorPut),
		sampleOf("vector add without meta", add, record.DecodeVectorPut),
		sampleOf("vector update of nothing", update, record.DecodeVectorUpdate),
		sampleOf("vector update of the vector", moved, record.DecodeVectorUpdate),
		sampleOf("vector update of meta to null", relabelled, record.DecodeVectorUpdate),
		sampleOf("vector update of both", both, record.DecodeVectorUpdate),
		sampleOf("vector delete", record.VectorDelete{Collection: docs, ID: id}, record.DecodeVectorDelete),
		sampleOf("vector put batch", record.VectorPutBatch{Collection: docs, Items: items}, record.DecodeVectorPutBatch),
		sampleOf("empty vector put batch", record.VectorPutBatch{Collection: docs, Items: []record.VectorPut{}}, record.DecodeVectorPutBatch),
		sampleOf("vector delete batch", record.VectorDeleteBatch{Collection: docs, IDs: [][]byte{id, []byte("2")}}, record.DecodeVectorDeleteBatch),
		sampleOf("empty vector delete batch", record.VectorDeleteBatch{Collection: docs, IDs: [][]byte{}}, record.DecodeVectorDeleteBatch),
		sampleOf("vector vacuum", record.VectorVacuum{Collection: docs}, record.DecodeVectorVacuum),
	}
}

func vectorResultSamples() []sample {
	result := func(name string, r record.Result) sample { return sampleOf(name, r, record.DecodeResult) }
	missing := func(offset uint64) *fault.Error {
		return fault.New(fault.NotFound, "collection docs has no vector 2").At(offset)
	}
	written := record.Result{Kind: record.KindVectorPut, Offset: 42}
	deleted := record.Result{Kind: record.KindVectorDelete, Offset: 43, Deleted: true}
	refused := record.Result{Kind: record.KindVectorDelete, Offset: 43, Fault: missing(43)}
	return []sample{
		result("vector created", record.Result{Kind: record.KindVectorCreate, Offset: 41}),
		result("vector dropped", record.Result{Kind: record.KindVectorDrop, Offset: 99}),
		result("vector put", written),
		result("vector updated", record.Result{Kind: record.KindVectorUpdate, Offset: 300}),
		result("vector update refused", record.Result{Kind: record.KindVectorUpdate, Offset: 7, Fault: missing(7)}),
		result("vector deleted", deleted),
		result("vector batch put", record.Result{Kind: record.KindVectorPutBatch, Offset: 42, Batch: []record.Result{written, {
			Kind: record.KindVectorPut, Offset: 42, Fault: fault.New(fault.DimMismatch, "vector has 3 values, collection docs needs 384").At(42),
		}}}),
		result("vector batch deleted", record.Result{Kind: record.KindVectorDeleteBatch, Offset: 43, Batch: []record.Result{deleted, refused}}),
		result("vector batch refused", record.Result{Kind: record.KindVectorPutBatch, Offset: 43, Fault: missing(43)}),
		result("vector vacuumed", record.Result{Kind: record.KindVectorVacuum, Offset: 50}),
	}
}

func vectorEventSamples() []sample {
	event := func(name string, e record.Event) sample {
		e.Time = sampleTime
		return sampleOf(name, e, record.DecodeEvent)
	}
	docs, id := []byte("docs"), []byte("ñ:1")
	vector, meta := floats(0.1, -1.5, float32(math.Copysign(0, -1))), []byte(`{"x":1}`)
	return []sample{
		event("vector collection created", record.Event{Offset: 42, Type: record.VectorCollectionCreated, Collection: docs, Dim: 384, Metric: record.Dot}),
		event("vector collection deleted", record.Event{Offset: 43, Type: record.VectorCollectionDeleted, Collection: docs}),
		event("vector added", record.Event{Offset: 44, Type: record.VectorAdded, Collection: docs, ID: id, Meta: meta, Vector: vector}),
		event("vector upserted in a transaction", record.Event{
			Offset: 300, TxFirst: 299, TxLast: 301, Type: record.VectorUpserted, Collection: docs, ID: id, Vector: vector,
		}),
		event("vector updated", record.Event{Offset: 45, Type: record.VectorUpdated, Collection: docs, ID: id, Meta: meta, Vector: floats(1)}),
		event("vector deleted", record.Event{Offset: 46, Type: record.VectorDeleted, Collection: docs, ID: id}),
	}
}

// TestDecodeVectorRefuses encodes what no caller may propose.
func TestDecodeVectorRefuses(t *testing.T) {
	docs, id, one := []byte("docs"), []byte("1"), floats(1)
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, s := range []sample{
		sampleOf("create without a name", record.VectorCreate{Dim: 1, Metric: record.Dot}, record.DecodeVectorCreate),
		sampleOf("create above its folder", record.VectorCreate{Collection: []byte(".."), Dim: 1, Metric: record.Dot}, record.DecodeVectorCreate),
		sampleOf("create in a folder", record.VectorCreate{Collection: []byte("a/b"), Dim: 1, Metric: record.Dot}, record.DecodeVectorCreate),
		sampleOf("create without dimensions", record.VectorCreate{Collection: docs, Metric: record.Dot}, record.DecodeVectorCreate),
		sampleOf("create of too many dimensions", record.VectorCreate{Collection: docs, Dim: record.MaxDim + 1, Metric: record.Dot}, record.DecodeVectorCreate),
		sampleOf("create without a metric", record.VectorCreate{Collection: docs, Dim: 1}, record.DecodeVectorCreate),
		sampleOf("create of an unknown metric", record.VectorCreate{Collection: docs, Dim: 1, Metric: 3}, record.DecodeVectorCreate),
		sampleOf("drop without a name", record.VectorDrop{}, record.DecodeVectorDrop),
		sampleOf("put without a collection", record.VectorPut{ID: id, Vector: one}, record.DecodeVectorPut),
		sampleOf("put without a vector", record.VectorPut{Collection: docs, ID: id}, record.DecodeVectorPut),
		sampleOf("put of half a float", record.VectorPut{Collection: docs, ID: id, Vector: one[:3]}, record.DecodeVectorPut),
		sampleOf("put of too many dimensions", record.VectorPut{Collection: docs, ID: id, Vector: make([]byte, 4*record.MaxDim+4)}, record.DecodeVectorPut),
		sampleOf("put of a NaN", record.VectorPut{Collection: docs, ID: id, Vector: floats(0, 0, nan)}, record.DecodeVectorPut),
		sampleOf("update to an infinity", record.VectorUpdate{Collection: docs, ID: id, Vector: floats(0, inf)}, record.DecodeVectorUpdate),
		sampleOf("update without a collection", record.VectorUpdate{ID: id}, record.DecodeVectorUpdate),
		sampleOf("delete without a collection", record.VectorDelete{ID: id}, record.DecodeVectorDelete),
		sampleOf("batch without a collection", record.VectorPutBatch{Items: []record.VectorPut{{ID: id, Vector: one}}}, record.DecodeVectorPutBatch),
		sampleOf("batch with a point of no vector", record.VectorPutBatch{Collection: docs, Items: []record.VectorPut{{ID: id}}}, record.DecodeVectorPutBatch),
		sampleOf("batch with a NaN", record.VectorPutBatch{Collection: docs, Items: []record.VectorPut{{ID: id, Vector: floats(nan)}}}, record.DecodeVectorPutBatch),
		sampleOf("batch of too many points", record.VectorDeleteBatch{Collection: docs, IDs: make([][]byte, record.MaxBatch+1)}, record.DecodeVectorDeleteBatch),
		sampleOf("delete batch without a collection", record.VectorDeleteBatch{IDs: [][]byte{id}}, record.DecodeVectorDeleteBatch),
		sampleOf("vacuum without a name", record.VectorVacuum{}, record.DecodeVectorVacuum),
		sampleOf("event with a key", record.Event{Type: record.VectorDeleted, Key: id, Collection: docs, ID: id}, record.DecodeEvent),
		sampleOf("event without a collection", record.Event{Type: record.VectorCollectionDeleted}, record.DecodeEvent),
		sampleOf("event without a metric", record.Event{Type: record.VectorCollectionCreated, Collection: docs, Dim: 1}, record.DecodeEvent),
		sampleOf("event without dimensions", record.Event{Type: record.VectorCollectionCreated, Collection: docs, Metric: record.Dot}, record.DecodeEvent),
		sampleOf("event without a vector", record.Event{Type: record.VectorUpdated, Collection: docs, ID: id}, record.DecodeEvent),
		sampleOf("event with a NaN", record.Event{Type: record.VectorAdded, Collection: docs, ID: id, Vector: floats(nan)}, record.DecodeEvent),
	} {
		if v, _, err := s.decode(s.bytes); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: got %+v, %v", s.name, v, err)
		}
	}
}

// TestDecodeVectorBytes refuses encodings that Append never writes.
func TestDecodeVectorBytes(t *testing.T) {
	put, update := decoder(record.DecodeVectorPut), decoder(record.DecodeVectorUpdate)
	for _, tc := range []struct {
		name   string
		bytes  []byte
		decode func([]byte) (any, []byte, error)
	}{
		{"put with an unknown flag", []byte{8, 2, 1, 'c', 1, 'i', 4, 0, 0, 0, 0, 0}, put},
		{"put of another kind", []byte{9, 0, 1, 'c', 1, 'i', 4, 0, 0, 0, 0, 0}, put},
		{"put with meta in the longer form of null", []byte{8, 0, 1, 'c', 1, 'i', 4, 0, 0, 0, 0, 4, 'n', 'u', 'l', 'l'}, put},
		{"update with an unknown flag", []byte{9, 4, 1, 'c', 1, 'i'}, update},
		{"update to an empty vector", []byte{9, 1, 1, 'c', 1, 'i', 0}, update},
		{"put batch with a forged count", []byte{11, 1, 'c', 0xff, 0x7f, 1, 'i', 4, 0, 0, 0, 0, 0}, decoder(record.DecodeVectorPutBatch)},
		{"delete batch with a forged count", []byte{12, 1, 'c', 0xff, 0x7f, 1, 'i'}, decoder(record.DecodeVectorDeleteBatch)},
	} {
		if v, _, err := tc.decode(tc.bytes); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: got %+v, %v", tc.name, v, err)
		}
	}
}

// TestMetaNull: meta data has one encoding, whichever way a caller says null.
func TestMetaNull(t *testing.T) {
	put := record.VectorPut{Collection: []byte("docs"), ID: []byte("1"), Vector: floats(1)}
	short := put.Append(nil)
	put.Meta = []byte("null")
	if long := put.Append(nil); !bytes.Equal(short, long) {
		t.Errorf("%x and %x", short, long)
	}
}
