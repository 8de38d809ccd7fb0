package api

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
)

// discard is a writer that costs next to nothing, so that what is measured is
// the way through the handlers.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header             { return d.header }
func (d *discard) Write(b []byte) (int, error)     { return len(b), nil }
func (d *discard) WriteHeader(int)                 {}
func (d *discard) SetReadDeadline(time.Time) error { return nil }

var benchBody = `{"value":{"d":"` + strings.Repeat("x", 256) + `"}}`

// BenchmarkBareGet is what chi alone costs, with an answer of the same size:
// the yardstick for BenchmarkGet.
func BenchmarkBareGet(b *testing.B) {
	mux := chi.NewRouter()
	answer := []byte(`{"key":"key-00000001",` + benchBody[1:])
	mux.Get("/v1/state/{key}", func(w http.ResponseWriter, r *http.Request) {
		if chi.URLParam(r, "key") == "" {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(answer); err != nil {
			b.Error(err)
		}
	})
	benchGet(b, mux)
}

func BenchmarkGet(b *testing.B) {
	f := newFixture(b, nil)
	f.put("/v1/state/key-00000001", benchBody)
	benchGet(b, f.server)
}

func benchGet(b *testing.B, h http.Handler) {
	r, err := http.NewRequest("GET", "/v1/state/key-00000001", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(&discard{http.Header{}}, r)
	}
}

// BenchmarkPut includes the log of a node alone in memory.
func BenchmarkPut(b *testing.B) {
	benchSend(b, newFixture(b, nil).server, "PUT", "/v1/state/key-00000001", benchBody)
}

// BenchmarkUpsertPoint too.
func BenchmarkUpsertPoint(b *testing.B) {
	f := newFixture(b, nil)
	f.post("/v1/vector/docs", `{"dim":384,"metric":"cosine"}`)
	benchSend(b, f.server, "POST", "/v1/vector/docs/upsert", string(vectorBody(384, 1, shortest)))
}

// BenchmarkSearch is what the way to a search costs: there is one point to
// find.
func BenchmarkSearch(b *testing.B) {
	f := newFixture(b, nil)
	f.post("/v1/vector/docs", `{"dim":384,"metric":"cosine"}`)
	point := string(vectorBody(384, 1, shortest))
	f.post("/v1/vector/docs/add", point)
	benchSend(b, f.server, "POST", "/v1/vector/docs/search", strings.Replace(point, `"id":`, `"k":10,"id":`, 1))
}

func benchSend(b *testing.B, h http.Handler, method, path, text string) {
	body := strings.NewReader(text)
	r, err := http.NewRequest(method, path, io.NopCloser(body))
	if err != nil {
		b.Fatal(err)
	}
	r.ContentLength = body.Size()
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(text)
		h.ServeHTTP(&discard{http.Header{}}, r)
	}
}

func BenchmarkDecodePut(b *testing.B) {
	body := []byte(`{"value":"` + strings.Repeat("x", 256) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		parsed, err := parseJSON(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := decodePut(parsed); err != nil {
			b.Fatal(err)
		}
	}
}
