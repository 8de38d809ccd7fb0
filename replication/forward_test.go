package replication

import (
	"bytes"
	"reflect"
	"testing"
)

func TestForwardedRoundTrip(t *testing.T) {
	o := outcome{results: [][]byte{{1, 2}, {}, {3}}, at: position{index: 77, term: 3}, leading: 4}
	got, err := decodeForwarded(encodeForwarded(o), 3)
	if err != nil {
		t.Fatal(err)
	}
	if got.at != o.at || got.leading != o.leading || !reflect.DeepEqual(lengths(got.results), lengths(o.results)) {
		t.Fatalf("got %+v, want %+v", got, o)
	}
	if _, err := decodeForwarded(encodeForwarded(o), 2); err == nil {
		t.Fatal("three results were taken for two records")
	}
}

func lengths(items [][]byte) (n []int) {
	for _, it := range items {
		n = append(n, len(it))
	}
	return n
}

func FuzzDecodeList(f *testing.F) {
	f.Add(encodeList(nil, [][]byte{{1}, nil, {2, 3}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := decodeList(b)
		if err != nil {
			return
		}
		again, err := decodeList(encodeList(nil, items))
		if err != nil || len(again) != len(items) {
			t.Fatalf("re-encoding changed the list: %v", err)
		}
		for i := range items {
			if !bytes.Equal(items[i], again[i]) {
				t.Fatalf("item %d changed", i)
			}
		}
	})
}

func FuzzDecodeForwarded(f *testing.F) {
	f.Add(encodeForwarded(outcome{results: [][]byte{{1}}, at: position{1, 1}, leading: 1}), 1)
	f.Fuzz(func(t *testing.T, b []byte, want int) {
		if o, err := decodeForwarded(b, want); err == nil && len(o.results) != want {
			t.Fatalf("%d results, want %d", len(o.results), want)
		}
	})
}
