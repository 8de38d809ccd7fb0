package record_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// fuzzDecoder holds a decoder to three promises on any input: no panic, no
// more memory than a multiple of the input (the fuzzer itself allocates a
// little beside it), and that what decodes
// encodes to the same bytes again.
func fuzzDecoder(f *testing.F, seeds []sample, decode func([]byte) (any, []byte, error)) {
	for _, s := range seeds {
		f.Add(s.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, again, err := decode(b)
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(256*len(b)+1<<20); got > most {
			t.Fatalf("%d bytes of input made the decoder allocate %d", len(b), got)
		}
		if err == nil && !bytes.Equal(again, b) {
			t.Fatalf("decoded\n%x, encoded again\n%x", b, again)
		}
	})
}

func FuzzEntry(f *testing.F) { fuzzDecoder(f, entrySamples(), decodeEntry) }
func FuzzResult(f *testing.F) {
	fuzzDecoder(f, append(resultSamples(), vectorResultSamples()...), decoder(record.DecodeResult))
}
func FuzzEvent(f *testing.F) {
	fuzzDecoder(f, append(eventSamples(), vectorEventSamples()...), decoder(record.DecodeEvent))
}

// FuzzRecord picks the decoder by the kind, as applying a record does.
func FuzzRecord(f *testing.F) {
	fuzzDecoder(f, append(recordSamples(), vectorSamples()...), func(b []byte) (any, []byte, error) {
		switch record.KindOf(b) {
		case record.KindStatePut:
			return decoder(record.DecodeStatePut)(b)
		case record.KindStateDelete:
			return decoder(record.DecodeStateDelete)(b)
		case record.KindStateExpire:
			return decoder(record.DecodeStateExpire)(b)
		case record.KindStateBatch:
			return decoder(record.DecodeStateBatch)(b)
		case record.KindChecksum:
			return decoder(record.DecodeChecksum)(b)
		case record.KindVectorCreate:
			return decoder(record.DecodeVectorCreate)(b)
		case record.KindVectorDrop:
			return decoder(record.DecodeVectorDrop)(b)
		case record.KindVectorPut:
			return decoder(record.DecodeVectorPut)(b)
		case record.KindVectorUpdate:
			return decoder(record.DecodeVectorUpdate)(b)
		case record.KindVectorDelete:
			return decoder(record.DecodeVectorDelete)(b)
		case record.KindVectorPutBatch:
			return decoder(record.DecodeVectorPutBatch)(b)
		case record.KindVectorDeleteBatch:
			return decoder(record.DecodeVectorDeleteBatch)(b)
		case record.KindVectorVacuum:
			return decoder(record.DecodeVectorVacuum)(b)
		}
		return nil, nil, record.ErrCorrupt
	})
}
