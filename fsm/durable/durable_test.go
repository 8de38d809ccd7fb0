package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it")
	say := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, written := io.WriteString(w, text)
			return errors.Join(written, err)
		}
	}
	refused := errors.New("refused")
	for _, c := range []struct {
		name   string
		fill   func(io.Writer) error
		rename func(from, to string) error
		err    error
		want   string
	}{
		{"new", say("one", nil), os.Rename, nil, "one"},
		{"another", say("two", nil), os.Rename, nil, "two"},
		{"half of one", say("thr", refused), os.Rename, refused, "two"},
		{"not to be put there", say("four", nil), func(string, string) error { return refused }, refused, "two"},
	} {
		if err := WriteBy(c.rename, path, c.fill); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("%s: left %v, %v", c.name, entries, err)
		}
	}
}
