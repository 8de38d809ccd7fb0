package event

import (
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

func TestFilterMatch(t *testing.T) {
	updated := func(key string) *Event {
		return &Event{Event: record.Event{Type: record.StateUpdated, Key: []byte(key)}}
	}
	deleted := func(key string) *Event {
		return &Event{Event: record.Event{Type: record.StateDeleted, Key: []byte(key)}}
	}
	vector := func(of record.EventType, collection string) *Event {
		return &Event{Event: record.Event{Type: of, Collection: []byte(collection), ID: []byte("ab")}}
	}
	all := []*Event{
		updated("a"), updated("ab"), deleted("ab"), updated("doc:c:1"), deleted("doc:cc:1"), updated("doc:c:"),
		vector(record.VectorUpserted, "c"), vector(record.VectorDeleted, "cc"), vector(record.VectorCollectionCreated, "c"),
	}
	tests := []struct {
		name                      string
		types, prefix, collection []string
		want                      string // a + per event that matches
	}{
		{"everything", nil, nil, nil, "+++++++++"},
		{"one type", []string{"state_deleted"}, nil, nil, "--+-+----"},
		{"two types with blanks", []string{" state_deleted , state_updated"}, nil, nil, "++++++---"},
		{"two values", []string{"state_deleted", "state_updated"}, nil, nil, "++++++---"},
		{"types of vectors", []string{"vector_collection_created,vector_deleted"}, nil, nil, "-------++"},
		{"unknown type", []string{"vector_moved"}, nil, nil, "---------"},
		{"case matters", []string{"State_Deleted"}, nil, nil, "---------"},
		{"prefix", nil, []string{"ab"}, nil, "-++------"},
		{"empty prefix", nil, []string{""}, nil, "++++++---"},
		{"collection", nil, nil, []string{"c"}, "---+--+-+"},
		{"all three", []string{"state_updated"}, []string{"doc:"}, []string{"cc"}, "---------"},
		{"a type in a collection", []string{"vector_deleted"}, nil, []string{"cc"}, "-------+-"},
		{"a prefix and a collection", nil, []string{""}, []string{"c"}, "---+-----"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFilter(tt.types, tt.prefix, tt.collection)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, e := range all {
				if f.Match(e) {
					got.WriteByte('+')
				} else {
					got.WriteByte('-')
				}
			}
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got.String(), tt.want)
			}
		})
	}
}

func TestFilterMatchAllocates(t *testing.T) {
	f, err := ParseFilter([]string{"vector_added,state_updated"}, nil, []string{"docs"})
	if err != nil {
		t.Fatal(err)
	}
	point := &Event{Event: record.Event{Type: record.VectorAdded, Collection: []byte("docs"), ID: []byte("1")}}
	document := &Event{Event: record.Event{Type: record.StateUpdated, Key: []byte("doc:docs:1")}}
	allocs := testing.AllocsPerRun(100, func() {
		if !f.Match(point) || !f.Match(document) {
			t.Error("no match")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestParseFilterRefuses(t *testing.T) {
	tests := []struct {
		name                      string
		types, prefix, collection []string
	}{
		{"empty types", []string{""}, nil, nil},
		{"blank types", []string{" , "}, nil, nil},
		{"two prefixes", nil, []string{"a", "b"}, nil},
		{"prefix that is no UTF-8", nil, []string{"\xff"}, nil},
		{"empty collection", nil, nil, []string{""}},
		{"collection with a slash", nil, nil, []string{"a/b"}},
		{"two collections", nil, nil, []string{"a", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseFilter(tt.types, tt.prefix, tt.collection); !fault.Is(err, fault.InvalidArgument) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// FuzzParseFilter checks that parameters are refused as the client's fault or
// give a filter that agrees with what events say of themselves.
func FuzzParseFilter(f *testing.F) {
	f.Add("state_updated", "job:", "books", "doc:books:1")
	f.Add("", "", "", "")
	f.Add(",,x", "\xff", ".", "doc:.:1")
	f.Add("vector_deleted", "", "books", "books")
	f.Fuzz(func(t *testing.T, types, prefix, collection, key string) {
		filter, err := ParseFilter([]string{types}, []string{prefix}, []string{collection})
		if err != nil {
			if !fault.Is(err, fault.InvalidArgument) {
				t.Fatal(err)
			}
			return
		}
		e := &Event{Event: record.Event{Type: record.StateUpdated, Key: []byte(key)}}
		of, _, document := e.Document()
		named := false
		for name := range strings.SplitSeq(types, ",") {
			named = named || strings.TrimSpace(name) == "state_updated"
		}
		want := named && strings.HasPrefix(key, prefix) && document && of == collection
		if got := filter.Match(e); got != want {
			t.Fatalf("Match = %v, want %v", got, want)
		}
		if filter, err = ParseFilter(nil, nil, []string{collection}); err != nil {
			t.Fatal(err)
		}
		point := &Event{Event: record.Event{Type: record.VectorDeleted, Collection: []byte(key)}}
		if got := filter.Match(point); got != (key == collection) {
			t.Fatalf("Match of a point in %q = %v", key, got)
		}
	})
}
