package record_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

var update = flag.Bool("update", false, "write the golden files; only for a layout that was never released")

// A sample is a value, its encoding, and what decoding that encoding gives
// (and encodes to again).
type sample struct {
	name   string
	value  any
	bytes  []byte
	decode func([]byte) (value any, again []byte, err error)
}

type appender interface{ Append(dst []byte) []byte }

// sampleOf pairs a value with its decoder. A Result's decoder stamps the
// offset on its fault, so want may differ from what was encoded.
func sampleOf[T any, P interface {
	*T
	appender
}](name string, value T, decode func([]byte) (T, error)) sample {
	return sample{name: name, value: value, bytes: P(&value).Append(nil), decode: decoder[T, P](decode)}
}

func decoder[T any, P interface {
	*T
	appender
}](decode func([]byte) (T, error)) func([]byte) (any, []byte, error) {
	return func(b []byte) (any, []byte, error) {
		v, err := decode(b)
		if err != nil {
			return nil, nil, err
		}
		return v, P(&v).Append(nil), nil
	}
}

func decodeEntry(b []byte) (any, []byte, error) {
	e, err := record.DecodeEntry(b)
	if err != nil {
		return nil, nil, err
	}
	return e, record.AppendEntry(nil, e.Time, e.Records), nil
}

func entrySample(name string, e record.Entry) sample {
	return sample{name: name, value: e, bytes: record.AppendEntry(nil, e.Time, e.Records), decode: decodeEntry}
}

const sampleTime = 1767225600000

func entrySamples() []sample {
	return []sample{
		entrySample("empty", record.Entry{Time: sampleTime}),
		entrySample("two records", record.Entry{Time: sampleTime, Records: [][]byte{{5}, {3, 128, 8}}}),
		entrySample("last time", record.Entry{Time: record.MaxTime, Records: [][]byte{{}}}),
	}
}

func recordSamples() []sample {
	put := record.StatePut{Key: []byte("job:1"), Value: []byte(`{"x":1}`)}
	full := record.StatePut{Key: []byte("ñ"), Value: []byte("null"), TTL: record.Some(60000), IfRevision: record.Some(7)}
	return []sample{
		sampleOf("put", put, record.DecodeStatePut),
		sampleOf("put with ttl", record.StatePut{Key: []byte("k"), Value: []byte("1"), TTL: record.Some(0)}, record.DecodeStatePut),
		sampleOf("put with ttl and if_revision", full, record.DecodeStatePut),
		sampleOf("delete", record.StateDelete{Key: []byte("job:1")}, record.DecodeStateDelete),
		sampleOf("delete with if_revision", record.StateDelete{Key: []byte("job:1"), IfRevision: record.Some(300)}, record.DecodeStateDelete),
		sampleOf("expire", record.StateExpire{Max: 1024}, record.DecodeStateExpire),
		sampleOf("batch", record.StateBatch{Puts: []record.StatePut{put, full}}, record.DecodeStateBatch),
		sampleOf("atomic batch", record.StateBatch{Atomic: true, Puts: []record.StatePut{put}}, record.DecodeStateBatch),
		sampleOf("empty batch", record.StateBatch{Puts: []record.StatePut{}}, record.DecodeStateBatch),
		sampleOf("checksum", record.Checksum{}, record.DecodeChecksum),
	}
}

func resultSamples() []sample {
	mismatch := func(offset uint64) *fault.Error {
		return fault.New(fault.RevisionMismatch, "if_revision is 3, the key is at revision 5").At(offset)
	}
	atomic := mismatch(41)
	atomic.Operation, atomic.HasOperation = 2, true
	put := record.Result{Kind: record.KindStatePut, Offset: 42, Revision: 5, ExpiresAt: sampleTime}
	refused := record.Result{Kind: record.KindStatePut, Offset: 41, Fault: mismatch(41)}
	return []sample{
		sampleOf("put", put, record.DecodeResult),
		sampleOf("put refused", refused, record.DecodeResult),
		sampleOf("deleted", record.Result{Kind: record.KindStateDelete, Offset: 43, Deleted: true}, record.DecodeResult),
		sampleOf("nothing deleted", record.Result{Kind: record.KindStateDelete, Offset: 43}, record.DecodeResult),
		sampleOf("expired", record.Result{Kind: record.KindStateExpire, Offset: 50, Count: 7}, record.DecodeResult),
		sampleOf("checksum", record.Result{Kind: record.KindChecksum, Offset: 50, Index: 1 << 40}, record.DecodeResult),
		sampleOf("batch", record.Result{Kind: record.KindStateBatch, Offset: 42, Batch: []record.Result{put, refused}}, record.DecodeResult),
		sampleOf("atomic batch refused", record.Result{Kind: record.KindStateBatch, Offset: 41, Fault: atomic}, record.DecodeResult),
	}
}

func eventSamples() []sample {
	return []sample{
		sampleOf("updated", record.Event{
			Offset: 42, Time: sampleTime, Type: record.StateUpdated,
			Key: []byte("job:1"), Value: []byte(`{"x":1}`), Revision: 1,
		}, record.DecodeEvent),
		sampleOf("updated in a transaction with expiry", record.Event{
			Offset: 300, Time: sampleTime, Type: record.StateUpdated, TxFirst: 299, TxLast: 301,
			Key: []byte("doc:notes:a:b"), Value: []byte(`"ñ"`), Revision: 1 << 33, ExpiresAt: sampleTime + 60000,
		}, record.DecodeEvent),
		sampleOf("deleted", record.Event{
			Offset: 43, Time: sampleTime, Type: record.StateDeleted, Key: []byte("job:1"), Reason: record.Explicit,
		}, record.DecodeEvent),
		sampleOf("expired", record.Event{
			Offset: 44, Time: sampleTime, Type: record.StateDeleted, Key: []byte("job:2"), Reason: record.TTL,
		}, record.DecodeEvent),
	}
}

// TestGolden holds every layout to the bytes that were once written down:
// a program of any later version must read them, and write the same.
func TestGolden(t *testing.T) {
	for file, samples := range map[string][]sample{
		"entry-v1.golden":         entrySamples(),
		"record-v1.golden":        recordSamples(),
		"result-v1.golden":        resultSamples(),
		"event-v1.golden":         eventSamples(),
		"vector-record-v1.golden": vectorSamples(),
		"vector-result-v1.golden": vectorResultSamples(),
		"vector-event-v1.golden":  vectorEventSamples(),
	} {
		path := filepath.Join("testdata", file)
		if *update {
			writeGolden(t, path, samples)
		}
		golden := readGolden(t, path)
		if len(golden) != len(samples) {
			t.Errorf("%s has %d layouts, the test %d", file, len(golden), len(samples))
		}
		for _, s := range samples {
			t.Run(file+"/"+s.name, func(t *testing.T) { checkGolden(t, s, golden[s.name]) })
		}
	}
}

func checkGolden(t *testing.T, s sample, golden []byte) {
	if !bytes.Equal(s.bytes, golden) {
		t.Errorf("encoded\n%x, golden\n%x", s.bytes, golden)
	}
	got, again, err := s.decode(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, golden) {
		t.Errorf("encoded again\n%x, golden\n%x", again, golden)
	}
	if !reflect.DeepEqual(got, s.value) {
		t.Errorf("decoded\n%+v, want\n%+v", got, s.value)
	}
}

func writeGolden(t *testing.T, path string, samples []sample) {
	var b bytes.Buffer
	for _, s := range samples {
		fmt.Fprintf(&b, "%s: %x\n", s.name, s.bytes)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readGolden(t *testing.T, path string) map[string][]byte {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if golden[name], err = hex.DecodeString(digits); err != nil {
			t.Fatalf("%s: %s: %v", path, name, err)
		}
	}
	return golden
}
