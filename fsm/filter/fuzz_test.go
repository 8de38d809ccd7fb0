package filter

import (
	"bytes"
	"io"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kissvdb/kissvdb/fault"
)

// checked tells whether text is what Parse and Match may expect: one value of
// valid JSON in valid UTF-8, without a name twice in an object.
func checked(text []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if _, err := d.ReadValue(); err != nil {
		return false
	}
	_, err := d.ReadToken()
	return err == io.EOF
}

// FuzzParse reads any bytes as filter and documents: nothing panics. If they
// are valid, Match, the index and the naive evaluator agree.
func FuzzParse(f *testing.F) {
	for _, c := range matchCases {
		for _, doc := range append(c.yes[:len(c.yes):len(c.yes)], c.no...) {
			f.Add([]byte(c.filter), []byte(doc), []byte("{}"))
		}
	}
	m := newMaker(1)
	for range 100 {
		f.Add([]byte(m.filter(3)), []byte(m.doc()), []byte(m.doc()))
	}
	f.Fuzz(func(t *testing.T, raw, doc, other []byte) {
		parsed, err := Parse(raw)
		if err != nil {
			if parsed != nil || !fault.Is(err, fault.InvalidArgument) || len(err.Error()) > 600 {
				t.Fatalf("%v, %v", parsed, err)
			}
			return
		}
		docs := []string{string(doc), string(other), string(doc)}
		rows := NewIndex().Rows(nil, parsed, 3, func(row uint32) string { return docs[row] })
		got := []bool{parsed.Match(doc), parsed.Match(other), parsed.MatchString(docs[2])}
		if !checked(raw) {
			return
		}
		for i, text := range docs {
			if text != "" && !checked([]byte(text)) {
				continue
			}
			want := naiveFilter(decode(t, string(raw)), decode(t, text))
			if got[i] != want || rows.Contains(uint32(i)) != want {
				t.Fatalf("%s on %s: naive says %v, Match %v, Rows %v", raw, text, want, got[i], rows.Contains(uint32(i)))
			}
		}
	})
}
