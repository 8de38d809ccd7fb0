package replication

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

func TestPrefaceRoundTrip(t *testing.T) {
	tests := []preface{
		{node: "n1"},
		{kind: kindRaft, node: "n1", want: "n2", cluster: clusterID{1, 2, 3}, boot: 1 << 60, founding: [8]byte{7}},
		{kind: kindProbe, node: strings.Repeat("x", 255), want: strings.Repeat("y", 255)},
	}
	for _, want := range tests {
		b, err := appendPreface(nil, uint8(want.kind), want)
		if err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(append(b, "rest"...))
		code, got, err := readPreface(r)
		got.kind = connKind(code)
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if r.Len() != len("rest") {
			t.Errorf("%d bytes are left of what follows", r.Len())
		}
	}
	if _, err := appendPreface(nil, 0, preface{node: strings.Repeat("x", 256)}); !errors.Is(err, errPrefaceTooLong) {
		t.Errorf("too long a name: %v", err)
	}
}

func FuzzPreface(f *testing.F) {
	b, err := appendPreface(nil, uint8(kindRPC), preface{node: "n1", want: "n2", boot: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		code, p, err := readPreface(r)
		if err != nil {
			return
		}
		again, err := appendPreface(nil, code, p)
		if err != nil || !bytes.Equal(again, b[:len(b)-r.Len()]) {
			t.Errorf("%x is read as %+v, which is written as %x", b, p, again)
		}
	})
}

func FuzzFrame(f *testing.F) {
	var head [frameHeadLen]byte
	payload := []byte("payload")
	putFrameHead(&head, 7, 100, 3, payload)
	f.Add(append(head[:], payload...))
	f.Add(head[:])
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		src := bytes.NewReader(b)
		r := bufio.NewReader(src)
		h, err := readFrameHead(r)
		if err != nil {
			return
		}
		if h.length > maxFrameBytes {
			t.Fatalf("a payload of %d bytes is accepted", h.length)
		}
		payload, err := h.readPayload(r)
		if err != nil {
			return
		}
		var again [frameHeadLen]byte
		putFrameHead(&again, h.seq, h.budget, h.code, payload)
		if !bytes.Equal(append(again[:], payload...), b[:len(b)-src.Len()-r.Buffered()]) {
			t.Errorf("%x is read as %+v %x", b, h, payload)
		}
	})
}

func FuzzFault(f *testing.F) {
	f.Add(encodeFault(io.EOF))
	f.Fuzz(func(t *testing.T, b []byte) {
		if decodeFault(b) == nil {
			t.Error("no error")
		}
	})
}

func TestFrameLengthBound(t *testing.T) {
	for length, want := range map[uint32]error{maxFrameBytes: nil, maxFrameBytes + 1: errFrameTooBig} {
		var head [frameHeadLen]byte
		binary.BigEndian.PutUint32(head[4:], length)
		if _, err := readFrameHead(bufio.NewReader(bytes.NewReader(head[:]))); !errors.Is(err, want) {
			t.Errorf("length %d: %v", length, err)
		}
	}
}

// TestForgedLengthClaimsLittleMemory: a header alone does not reserve what it
// announces.
func TestForgedLengthClaimsLittleMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := (frame{length: maxFrameBytes}).readPayload(strings.NewReader("x")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4*payloadStep {
		t.Errorf("%d bytes were allocated", n)
	}
}
