package replication

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ledger is a state machine that keeps its records, a line each, in an
// append-only file, of which a snapshot is a link. The record "vacuum" puts a
// new file with the last line in its place.
type ledger struct {
	path string
	f    *os.File
	size int64
}

func openLedger(t *testing.T, dir string) *ledger {
	t.Helper()
	l := &ledger{path: filepath.Join(dir, "ledger.bin")}
	if err := l.replace(strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.f.Close() })
	return l
}

// replace puts a new file in the place of the old one.
func (l *ledger) replace(r io.Reader) error {
	f, err := os.Create(l.path + ".new")
	if err != nil {
		return err
	}
	if l.size, err = io.Copy(f, r); err != nil {
		return err
	}
	if l.f != nil {
		_ = l.f.Close()
	}
	l.f = f
	return os.Rename(f.Name(), l.path)
}

func (l *ledger) Frame(dst []byte, _ uint64, records [][]byte) []byte {
	return encodeList(dst, records)
}

func (l *ledger) Apply(_, _ uint64, entry []byte) ([][]byte, error) {
	records, err := decodeList(entry)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		if string(rec) == "vacuum" {
			err = l.vacuum()
		} else {
			err = l.append(string(rec) + "\n")
		}
		if err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (l *ledger) append(line string) error {
	n, err := l.f.WriteAt([]byte(line), l.size)
	l.size += int64(n)
	return err
}

func (l *ledger) vacuum() error {
	lines := l.lines()
	return l.replace(strings.NewReader(lines[len(lines)-1] + "\n"))
}

func (l *ledger) lines() []string {
	b, err := os.ReadFile(l.path)
	if err != nil {
		return []string{err.Error()}
	}
	return strings.Split(strings.TrimSuffix(string(b[:l.size]), "\n"), "\n")
}

func (l *ledger) Snapshot() (func(io.Writer, func(*os.File, int64) error) error, func(), error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, nil, err
	}
	size := l.size
	persist := func(w io.Writer, attach func(*os.File, int64) error) error {
		if _, err := w.Write(binary.BigEndian.AppendUint64(nil, uint64(size))); err != nil {
			return err
		}
		return attach(f, size)
	}
	return persist, func() { _ = f.Close() }, nil
}

func (l *ledger) Restore(r io.Reader) error {
	size := make([]byte, 8)
	if _, err := io.ReadFull(r, size); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if uint64(len(b)) != binary.BigEndian.Uint64(size) {
		return io.ErrUnexpectedEOF
	}
	return l.replace(bytes.NewReader(b))
}
