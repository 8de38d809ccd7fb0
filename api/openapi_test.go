package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
)

func newTestLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// TestDescriptionIsComplete compares openapi.yaml with the routing table, in
// both directions.
func TestDescriptionIsComplete(t *testing.T) {
	f := newFixture(t, nil)
	if err := f.spec.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	routed := map[string]bool{}
	err := chi.Walk(f.server.mux, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		path := described(pattern)
		routed[method+" "+path] = true
		if item := f.spec.Paths.Value(path); item == nil || item.GetOperation(method) == nil {
			t.Errorf("%s %s is not described", method, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range f.spec.Paths.Map() {
		for method, op := range item.Operations() {
			if !routed[method+" "+path] {
				t.Errorf("%s %s is described, but there is no such route", method, path)
			}
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s lacks an id, a summary or a tag", method, path)
			}
		}
	}
}
