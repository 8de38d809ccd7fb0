package event

import (
	"encoding/json"
	"strings"
	"testing"

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
