package event

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kissvdb/kissvdb/fsm/record"
)

func TestSSE(t *testing.T) {
	tests := []struct {
		name  string
		event record.Event
		want  string
	}{
		{
			"updated",
			record.Event{Offset: 42, Time: 1767225600000, Type: record.StateUpdated, Key: []byte("job:1"), Value: []byte(`{"x":1}`), Revision: 1},
			"event: state_updated\nid: 42\ndata: {\"offset\":42,\"ts_ms\":1767225600000,\"type\":\"state_updated\",\"data\":{\"expires_at_ms\":null,\"key\":\"job:1\",\"revision\":1,\"value\":{\"x\":1}}}\n\n",
		},
		{
			"updated with expiry in a transaction",
			record.Event{Offset: 7, Time: 5, Type: record.StateUpdated, TxFirst: 6, TxLast: 8, Key: []byte("k"), Value: []byte(`null`), Revision: 3, ExpiresAt: 99},
			"event: state_updated\nid: 7\ndata: {\"offset\":7,\"tx\":[6,8],\"ts_ms\":5,\"type\":\"state_updated\",\"data\":{\"expires_at_ms\":99,\"key\":\"k\",\"revision\":3,\"value\":null}}\n\n",
		},
		{
			"document updated",
			record.Event{Offset: 1, Time: 5, Type: record.StateUpdated, Key: []byte("doc:books:a:b"), Value: []byte(`{}`), Revision: 1},
			"event: state_updated\nid: 1\ndata: {\"offset\":1,\"ts_ms\":5,\"type\":\"state_updated\",\"data\":{\"collection\":\"books\",\"expires_at_ms\":null,\"id\":\"a:b\",\"key\":\"doc:books:a:b\",\"revision\":1,\"value\":{}}}\n\n",
		},
		{
			"deleted",
			record.Event{Offset: 1, Time: 5, Type: record.StateDeleted, Key: []byte("k"), Reason: record.Explicit},
			"event: state_deleted\nid: 1\ndata: {\"offset\":1,\"ts_ms\":5,\"type\":\"state_deleted\",\"data\":{\"key\":\"k\",\"reason\":\"explicit\"}}\n\n",
		},
		{
			"document expired",
			record.Event{Offset: 1, Time: 5, Type: record.StateDeleted, Key: []byte("doc:c:i"), Reason: record.TTL},
			"event: state_deleted\nid: 1\ndata: {\"offset\":1,\"ts_ms\":5,\"type\":\"state_deleted\",\"data\":{\"collection\":\"c\",\"id\":\"i\",\"key\":\"doc:c:i\",\"reason\":\"ttl\"}}\n\n",
		},
		{
			"no document: its collection is no name",
			record.Event{Offset: 1, Time: 5, Type: record.StateDeleted, Key: []byte("doc:.c:i"), Reason: record.TTL},
			"event: state_deleted\nid: 1\ndata: {\"offset\":1,\"ts_ms\":5,\"type\":\"state_deleted\",\"data\":{\"key\":\"doc:.c:i\",\"reason\":\"ttl\"}}\n\n",
		},
		{
			"escapes",
			record.Event{Offset: 1, Time: 5, Type: record.StateDeleted, Key: []byte("<é\u2028\"\\\n\r\t\x01\x7f>"), Reason: record.Explicit},
			"event: state_deleted\nid: 1\ndata: {\"offset\":1,\"ts_ms\":5,\"type\":\"state_deleted\",\"data\":{\"key\":\"<é\u2028\\\"\\\\\\n\\r\\t\\u0001\x7f>\",\"reason\":\"explicit\"}}\n\n",
		},
		{
			"vector collection created",
			record.Event{Offset: 1, Time: 5, Type: record.VectorCollectionCreated, Collection: []byte("docs"), Dim: 384, Metric: record.Cosine},
			"event: vector_collection_created\nid: 1\ndata: {\"offset\":1,\"ts_ms\":5,\"type\":\"vector_collection_created\",\"data\":{\"collection\":\"docs\",\"dim\":384,\"metric\":\"cosine\"}}\n\n",
		},
		{
			"vector collection deleted",
			record.Event{Offset: 2, Time: 5, Type: record.VectorCollectionDeleted, Collection: []byte("docs")},
			"event: vector_collection_deleted\nid: 2\ndata: {\"offset\":2,\"ts_ms\":5,\"type\":\"vector_collection_deleted\",\"data\":{\"collection\":\"docs\"}}\n\n",
		},
		{
			"vector added",
			record.Event{Offset: 3, Time: 5, Type: record.VectorAdded, Collection: []byte("docs"), ID: []byte("a\n"), Meta: []byte(`{"x":1}`), Vector: record.AppendVector(nil, []float32{0.1, 0, -1})},
			"event: vector_added\nid: 3\ndata: {\"offset\":3,\"ts_ms\":5,\"type\":\"vector_added\",\"data\":{\"collection\":\"docs\",\"id\":\"a\\n\",\"meta\":{\"x\":1},\"vector\":[0.1,0,-1]}}\n\n",
		},
		{
			"vector upserted in a transaction",
			record.Event{Offset: 7, Time: 5, TxFirst: 6, TxLast: 8, Type: record.VectorUpserted, Collection: []byte("docs"), ID: []byte("1"), Vector: record.AppendVector(nil, []float32{1e20, 1e21})},
			"event: vector_upserted\nid: 7\ndata: {\"offset\":7,\"tx\":[6,8],\"ts_ms\":5,\"type\":\"vector_upserted\",\"data\":{\"collection\":\"docs\",\"id\":\"1\",\"meta\":null,\"vector\":[100000000000000000000,1e+21]}}\n\n",
		},
		{
			"vector updated",
			record.Event{Offset: 8, Time: 5, Type: record.VectorUpdated, Collection: []byte("docs"), ID: []byte("1"), Meta: []byte(`"m"`), Vector: record.AppendVector(nil, []float32{1e-7})},
			"event: vector_updated\nid: 8\ndata: {\"offset\":8,\"ts_ms\":5,\"type\":\"vector_updated\",\"data\":{\"collection\":\"docs\",\"id\":\"1\",\"meta\":\"m\",\"vector\":[1e-7]}}\n\n",
		},
		{
			"vector deleted",
			record.Event{Offset: 9, Time: 5, Type: record.VectorDeleted, Collection: []byte("docs"), ID: []byte("1")},
			"event: vector_deleted\nid: 9\ndata: {\"offset\":9,\"ts_ms\":5,\"type\":\"vector_deleted\",\"data\":{\"collection\":\"docs\",\"id\":\"1\"}}\n\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &Event{Event: tt.event}
			if got := string(e.SSE()); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if first, second := e.SSE(), e.SSE(); &first[0] != &second[0] {
				t.Error("rendered twice")
			}
		})
	}
}

func TestGapSSE(t *testing.T) {
	want := "event: gap\nid: 9\ndata: {\"from_offset\":3,\"to_offset\":9,\"dropped\":7,\"reason\":\"history_gone\"}\n\n"
	if got := string((&Gap{From: 3, To: 9}).SSE()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFrameSize: the room that is made for a frame is enough for vectors as
// they come, and little more.
func TestFrameSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, dim := range []int{1, 384, 4096} {
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(rng.NormFloat64() / math.Sqrt(float64(dim)))
		}
		e := &Event{Event: record.Event{
			Offset: 1 << 30, Time: 1767225600000, Type: record.VectorUpserted,
			Collection: []byte("docs"), ID: []byte("1"), Meta: []byte(`{"x":1}`), Vector: record.AppendVector(nil, v),
		}}
		if size, got := e.frameSize(), len(e.SSE()); got > size || size > got*11/10+renderOverhead {
			t.Errorf("%d dimensions: %d bytes, expected %d", dim, got, size)
		}
	}
}

// FuzzVectorSSE checks that any event of vectors that decodes is one line of
// JSON that gives the same point.
func FuzzVectorSSE(f *testing.F) {
	f.Add("docs", "1", `{"x":1}`, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x80})
	f.Add("a-b", "\r\n\u2028", "", []byte{1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f})
	f.Fuzz(func(t *testing.T, collection, id, meta string, vector []byte) {
		if !json.Valid([]byte(meta)) || strings.ContainsAny(meta, "\r\n") { // compact JSON holds none
			meta = ""
		}
		made := record.Event{
			Offset: 1, Type: record.VectorAdded, Collection: []byte(collection),
			ID: []byte(id), Meta: []byte(meta), Vector: vector,
		}
		decoded, err := record.DecodeEvent(made.Append(nil))
		if err != nil {
			return
		}
		lines := strings.Split(string((&Event{Event: decoded}).SSE()), "\n")
		if len(lines) != 5 || strings.ContainsRune(lines[2], '\r') {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		var got struct {
			Data struct {
				Collection, ID string
				Meta           json.RawMessage
				Vector         []float32
			}
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &got); err != nil {
			t.Fatal(err)
		}
		if got.Data.Collection != collection || utf8.ValidString(id) && got.Data.ID != id {
			t.Fatalf("%+v", got)
		}
		if again := record.AppendVector(nil, got.Data.Vector); !bytes.Equal(again, vector) {
			t.Fatalf("vector % x became % x", vector, again)
		}
	})
}

// FuzzSSE checks that no key breaks the frame or its JSON.
func FuzzSSE(f *testing.F) {
	f.Add("job:1", uint64(1))
	f.Add("doc:c:\n\r\"\\", uint64(2))
	f.Add("\xff\xfe\u2028", uint64(3))
	f.Fuzz(func(t *testing.T, key string, offset uint64) {
		e := &Event{Event: record.Event{Offset: offset, Type: record.StateUpdated, Key: []byte(key), Value: []byte("1")}}
		lines := strings.Split(string(e.SSE()), "\n")
		if len(lines) != 5 || strings.ContainsRune(lines[2], '\r') {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		var got struct{ Data struct{ Key string } }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(key, "\ufffd"); strings.ToValidUTF8(key, "") == key && got.Data.Key != want {
			t.Fatalf("key %q became %q", key, got.Data.Key)
		}
	})
}
