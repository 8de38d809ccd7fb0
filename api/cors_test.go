package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	for _, c := range []struct {
		name     string
		origins  []string
		given    string
		allowed  string
		vary     bool
		exposing bool
	}{
		{"unset, no origin", nil, "", "*", false, false},
		{"unset", nil, "https://a.example", "*", false, true},
		{"star", []string{"*"}, "https://a.example", "*", false, true},
		{"star in a list", []string{"https://b.example", "*"}, "https://a.example", "*", false, true},
		{"listed", []string{"https://b.example", "https://a.example"}, "https://a.example", "https://a.example", true, true},
		{"not listed", []string{"https://b.example"}, "https://a.example", "", true, true},
		{"list, no origin", []string{"https://b.example"}, "", "", true, false},
		{"a prefix is not enough", []string{"https://a.example"}, "https://a.example.evil", "", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(cfg *Config) { cfg.CORSOrigins, cfg.APIKey = c.origins, "secret" })
			check := func(a answer) {
				t.Helper()
				if got := a.header.Get("Access-Control-Allow-Origin"); got != c.allowed {
					t.Errorf("%d: allowed %q, want %q", a.status, got, c.allowed)
				}
				if got := strings.Contains(a.header.Get("Vary"), "Origin"); got != c.vary {
					t.Errorf("%d: Vary is %q", a.status, a.header.Get("Vary"))
				}
				if a.header.Get("Access-Control-Allow-Credentials") != "" {
					t.Error("credentials are allowed")
				}
			}
			for _, path := range []string{"/v1/state/k", "/v1/health", "/nope"} {
				a := f.do("GET", path, "", headers{"Origin": c.given})
				check(a)
				exposed := a.header.Get("Access-Control-Expose-Headers")
				for _, name := range []string{"Kiss-Offset", "Kiss-Node", "Idempotency-Replayed"} {
					if strings.Contains(exposed, name) != c.exposing {
						t.Errorf("%s: exposed are %q", path, exposed)
					}
				}
			}
			check(f.do("GET", "/v1/state/k", "", headers{"Origin": c.given, "Authorization": "Bearer secret"}))
			for _, path := range []string{"/v1/state/k", "/nope", "/v1/state/a%2Fb", "/v1/stream"} {
				a := f.do("OPTIONS", path, "", headers{"Origin": c.given, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"})
				if a.status != http.StatusOK || a.body != "" {
					t.Errorf("preflight of %s: %d %q", path, a.status, a.body)
				}
				check(a)
				for _, name := range []string{"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Kiss-Min-Offset"} {
					if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name) {
						t.Errorf("preflight does not allow %s", name)
					}
				}
				for _, name := range []string{"GET", "PUT", "POST", "DELETE"} {
					if !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), name) {
						t.Errorf("preflight does not allow %s", name)
					}
				}
			}
		})
	}
}
