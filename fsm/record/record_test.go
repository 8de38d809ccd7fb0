package record_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// TestDecodeRefusesEveryCut cuts every sample at every place, and adds a byte:
// none of it decodes, all of it says ErrCorrupt.
func TestDecodeRefusesEveryCut(t *testing.T) {
	for _, samples := range [][]sample{
		entrySamples(), recordSamples(), resultSamples(), eventSamples(),
		vectorSamples(), vectorResultSamples(), vectorEventSamples(),
	} {
		for _, s := range samples {
			for n := range s.bytes {
				if _, _, err := s.decode(s.bytes[:n:n]); !errors.Is(err, record.ErrCorrupt) {
					t.Errorf("%s cut at %d of %d: %v", s.name, n, len(s.bytes), err)
				}
			}
			longer := append(bytes.Clone(s.bytes), 0)
			if _, _, err := s.decode(longer); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("%s and a byte: %v", s.name, err)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	put := decoder(record.DecodeStatePut)
	for _, tc := range []struct {
		name   string
		bytes  []byte
		decode func([]byte) (any, []byte, error)
	}{
		{"entry of another version", []byte{2, 0, 0}, decodeEntry},
		{"entry with a forged count", []byte{1, 0, 0xff, 0xff, 0xff, 0x7f}, decodeEntry},
		{"entry after the last time", []byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0}, decodeEntry},
		{"entry with a longer varint", []byte{1, 0x80, 0x00, 0}, decodeEntry},
		{"varint over 64 bits", []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0}, decodeEntry},
		{"put with an unknown flag", []byte{1, 4, 1, 'k', 1, '1'}, put},
		{"put of another kind", []byte{2, 0, 1, 'k', 1, '1'}, put},
		{"put with a forged length", []byte{1, 0, 0xff, 0xff, 0x03, 'k'}, put},
		{"batch with a forged count", []byte{4, 0, 0x81, 0x80, 0x04}, decoder(record.DecodeStateBatch)},
		{"batch that holds a delete", []byte{4, 0, 1, 4, 2, 0, 1, 'k'}, decoder(record.DecodeStateBatch)},
		{"result of another version", []byte{0, 1, 0, 0, 0, 0}, decoder(record.DecodeResult)},
		{"result with an operation but no fault", []byte{1, 1, 2, 0, 0, 0}, decoder(record.DecodeResult)},
		{"batch result in a batch result", []byte{1, 4, 0, 0, 1, 4, 0, 0, 0}, decoder(record.DecodeResult)},
		{"put result in a vector batch result", []byte{1, 11, 0, 0, 1, 1, 0, 0, 1, 0}, decoder(record.DecodeResult)},
		{"delete result in a vector put batch result", []byte{1, 11, 0, 0, 1, 10, 0, 0}, decoder(record.DecodeResult)},
		{"vector batch result in itself", []byte{1, 11, 0, 0, 1, 11, 0, 0, 0}, decoder(record.DecodeResult)},
		{"event of another version", []byte{2, 2, 1, 0, 0, 0, 0, 1}, decoder(record.DecodeEvent)},
		{"event of an unknown type", []byte{1, 99, 1, 0, 0, 0, 0}, decoder(record.DecodeEvent)},
		{"event with an unknown reason", []byte{1, 2, 1, 0, 0, 0, 0, 3}, decoder(record.DecodeEvent)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if v, _, err := tc.decode(tc.bytes); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}

func TestDocument(t *testing.T) {
	for key, want := range map[string][2]string{
		"doc:notes:a":    {"notes", "a"},
		"doc:notes:a:b/": {"notes", "a:b/"},
		"doc:notes:":     {},
		"doc:.x:a":       {},
		"doc::a":         {},
		"doc:a b:c":      {},
		"doc:notes":      {},
		"docs:notes:a":   {},
		"":               {},
	} {
		e := record.Event{Key: []byte(key)}
		collection, id, ok := e.Document()
		if got := [2]string{collection, id}; got != want || ok != (want != [2]string{}) {
			t.Errorf("Document(%q) = %q, %v", key, got, ok)
		}
	}
}

func TestChange(t *testing.T) {
	var c record.Change
	c.Reset(1000, 7)
	c.Emit(record.StateUpdated).Key = []byte("a")
	mark := len(c.Events)
	c.Emit(record.StateDeleted).Key = []byte("b")
	c.Emit(record.StateDeleted).Key = []byte("c")
	c.Undo(mark)
	c.Emit(record.StateDeleted).Key = []byte("d")
	if c.Offset != 9 || len(c.Events) != 2 {
		t.Fatalf("%+v", c)
	}
	if e := c.Events[1]; e.Offset != 9 || e.Time != 1000 || string(e.Key) != "d" || e.Type != record.StateDeleted {
		t.Fatalf("%+v", e)
	}
	if c.Reset(2000, 9); c.Time != 2000 || c.Offset != 9 || len(c.Events) != 0 {
		t.Fatalf("%+v", c)
	}
}
