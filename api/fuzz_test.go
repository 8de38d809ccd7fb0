package api

import (
	"bytes"
	stdjson "encoding/json"
	"net/http/httptest"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/kissvdb/kissvdb/fault"
)

// FuzzPutBody holds the two-step reading of JSON against encoding/json: what
// is taken must be valid there, mean the same, and be compact.
func FuzzPutBody(f *testing.F) {
	for _, seed := range []string{`{"value":1}`, `{"value": {"a" : [1, 2.50, "x\"\\\\"] } , "ttl_ms":5}`, `{"value":"\\"}`, `{"value":"\u00e9\ud83d\ude00","if_revision":0}`,
		`{"value":[[[]]],"x":{"y":null}}`, `{}`, ` `, `{"value":1}x`, `{"value":{"a":1,"a":2}}`, `{"value":"\\\""}`, "{\"value\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := bytes.Clone(body)
		parsed, err := parseJSON(body)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.InvalidArgument && code != fault.Unprocessable {
				t.Fatalf("%v", err)
			}
			return
		}
		if !stdjson.Valid(sent) || !utf8.Valid(sent) {
			t.Fatalf("%q was taken", sent)
		}
		put, err := decodePut(parsed)
		if err != nil {
			if fault.CodeOf(err) != fault.Unprocessable {
				t.Fatalf("%v", err)
			}
			return
		}
		var twin map[string]stdjson.RawMessage
		if err := stdjson.Unmarshal(sent, &twin); err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := stdjson.Compact(&want, twin["value"]); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(put.Value, want.Bytes()) {
			t.Fatalf("%q became %q, want %q", sent, put.Value, want.Bytes())
		}
	})
}

func FuzzBatchBody(f *testing.F) {
	for _, seed := range []string{`{"operations":[{"key":"a","value":1}]}`, `{"atomic":true,"operations":[{"key":"a\n","value":{},"ttl_ms":1},{"value":[],"key":""}]}`,
		`{"operations":[[],{}]}`, `{"operations":5}`, `[]`} {
		f.Add([]byte(seed))
	}
	s := &Server{cfg: testConfig()}
	f.Fuzz(func(t *testing.T, body []byte) {
		parsed, err := parseJSON(body)
		if err != nil {
			return
		}
		b, err := s.decodeBatch(parsed)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.InvalidArgument && code != fault.Unprocessable {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, op := range b.operations {
			if !stdjson.Valid(op.put.Value) || !utf8.Valid(op.put.Key) {
				t.Fatalf("%q made %q = %q", body, op.put.Key, op.put.Value)
			}
		}
	})
}

func FuzzStreamParameters(f *testing.F) {
	for _, seed := range []string{"since=1", "since=now&types=a,b", "since=oldest&progress=1", "types=", "key_prefix=%FF", "since=99999999999999999999", "a=1&a=2", "%zz", ";"} {
		f.Add(seed, "7")
	}
	f.Fuzz(func(t *testing.T, rawQuery, id string) {
		r := httptest.NewRequest("GET", "/v1/stream", nil)
		r.URL = &url.URL{Path: "/v1/stream", RawQuery: rawQuery}
		r.Header.Set("Last-Event-ID", id)
		q, err := parseQuery(r)
		if err == nil {
			_, err = parseStart(r, q)
		}
		if err == nil {
			_, err = parseProgress(q)
		}
		if err != nil && fault.CodeOf(err) != fault.InvalidArgument {
			t.Fatalf("%v", err)
		}
	})
}
