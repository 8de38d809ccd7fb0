package api

import (
	"regexp"
	"strings"
	"testing"
)

// TestDocsNeedNoOtherHost fetches the page and everything it loads.
func TestDocsNeedNoOtherHost(t *testing.T) {
	f := newFixture(t, nil)
	page := f.get("/docs")
	if page.status != 200 || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, "/openapi.yaml") {
		t.Fatalf("%d %s", page.status, page.header.Get("Content-Type"))
	}
	loads := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(loads) < 3 {
		t.Fatalf("the page loads %v", loads)
	}
	for _, m := range loads {
		if !strings.HasPrefix(m[1], "/docs/") {
			t.Errorf("the page loads %s", m[1])
			continue
		}
		if a := f.get(m[1]); a.status != 200 || len(a.body) == 0 {
			t.Errorf("%s: %d, %d bytes", m[1], a.status, len(a.body))
		}
	}
	f.get("/docs/nope.js").want(t, 404, "not_found")
	for _, path := range []string{"/openapi.yaml", "/docs/openapi.yaml"} {
		a := f.get(path)
		if a.status != 200 || a.header.Get("Content-Type") != "text/yaml; charset=utf-8" || a.body != string(openapi) {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
}
