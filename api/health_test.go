package api

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/node"
)

func TestHealth(t *testing.T) {
	f := newFixture(t, nil)
	a := f.get("/v1/health")
	a.want(t, 200, "ok")
	if got := a.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		a := f.get(path)
		if a.status != 200 || !strings.HasPrefix(a.body, "[+]") || strings.Contains(a.body, "[-]") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestFailedChecks(t *testing.T) {
	w := httptest.NewRecorder()
	rw := &response{ResponseWriter: w}
	rw.sendChecks([]node.Check{{Name: "store"}, {Name: "leader", Err: errors.New("no leader is known")}})
	if w.Code != 503 || w.Body.String() != "[+]store ok\n[-]leader failed: no leader is known\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
