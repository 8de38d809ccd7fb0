package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

// TestEveryRouteNeedsTheKey walks the routing table: what is not on the list
// of the open ones must answer 401 without the key, and with a wrong one.
func TestEveryRouteNeedsTheKey(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.APIKey = "secret" })
	open := map[string]bool{"/v1/health": true, "/livez": true, "/readyz": true, "/docs": true, "/docs/*": true,
		"/openapi.yaml": true, "/docs/openapi.yaml": true}
	routes := 0
	err := chi.Walk(f.server.mux, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes++
		path := strings.NewReplacer("{key}", "openapi.yaml", "{id}", "docs", "{collection}", "docs", "*", "favicon-32x32.png").Replace(pattern)
		for _, given := range []string{"", "Bearer wrong", "Bearer ", "Bearer secret2", "Basic secret", "secret", "Bearer secretsecret"} {
			a := f.do(method, path, "", headers{"Authorization": given})
			if open[pattern] {
				if a.status == http.StatusUnauthorized {
					t.Errorf("%s %s is closed", method, path)
				}
				continue
			}
			if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s %s answered %d %v with %q", method, path, a.status, a.header, given)
			}
		}
		return nil
	})
	if err != nil || routes < 30 {
		t.Fatalf("%d routes, %v", routes, err)
	}
}

func TestKeyOpens(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.APIKey = "s3cr et" })
	for _, given := range []string{"Bearer s3cr et", "bearer s3cr et", "BEARER  s3cr et "} {
		if a := f.do("PUT", "/v1/state/k", `{"value":1}`, headers{"Authorization": given}); a.status != 200 {
			t.Errorf("%q: %d %s", given, a.status, a.body)
		}
	}
}

// TestOpenListIsWholeSegments tries to get at closed routes by paths that look
// like open ones.
func TestOpenListIsWholeSegments(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.APIKey = "secret" })
	for _, path := range []string{
		"/v1/state/x.openapi.yaml", "/v1/state/openapi.yaml", "/v1/state/docs", "/v1/healthz", "/v1/health2", "/docsx", "/livezz", "/v1/state",
		"/docs/../v1/state/k", "/v1/health/../state/k", "/openapi.yaml/../v1/state/k", "//v1/state/k", "/v1/state/..%2F..%2Fdocs",
		"/v1/state/%2Fdocs", "/v1/state/..%2f..%2f..%2fv1%2fhealth", "/DOCS", "/v1/metrics", "/v1/stream", "/v1/events", "/unknown", "/v1/state/..;/docs",
		"/v1/doc/docs/openapi.yaml", "/v1/cluster",
	} {
		f.get(path).want(t, 401, "unauthorized")
	}
	for _, path := range []string{"/v1/state/../../docs", "/v1/state/k/../../../livez", "/docs/./x/..", "/docs//", "/docs/%2e%2e/../v1/state/k"} {
		f.get(path).want(t, 404, "not_found") // cleaned, these are open; no such route exists
	}
	for _, path := range []string{"/docs", "/docs/", "/docs/swagger-ui.css", "/openapi.yaml", "/v1/health", "/livez", "/readyz"} {
		if a := f.get(path); a.status != 200 {
			t.Errorf("%s answered %d", path, a.status)
		}
	}
	f.get("/").want(t, 404, "not_found")
}
