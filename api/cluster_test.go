package api

import (
	"regexp"
	"strings"
	"testing"
)

func TestClusterView(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/a", `{"value":1}`)
	a := f.get("/v1/cluster")
	if a.status != 200 || !regexp.MustCompile(`^{"cluster":"[^"]+","node":"n1","leader":"n1","term":\d+,"members":\[{"id":"n1",.*"applied_offset":1,"lag":0,"version":"[^"]*"}\]}$`).MatchString(a.body) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestClusterBadInput(t *testing.T) {
	f := newFixture(t, nil)
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/v1/cluster/members", `{`, 400, "invalid_argument"},
		{"POST", "/v1/cluster/members", `[]`, 422, "unprocessable"},
		{"POST", "/v1/cluster/members", `{}`, 422, "unprocessable"},
		{"POST", "/v1/cluster/members", `{"id":"n2"}`, 422, "unprocessable"},
		{"POST", "/v1/cluster/members", `{"address":"x:1"}`, 422, "unprocessable"},
		{"POST", "/v1/cluster/members", `{"id":1,"address":"x:1"}`, 422, "unprocessable"},
		{"POST", "/v1/cluster/members", `{"id":"n2","address":"x:1","voter":"yes"}`, 422, "unprocessable"},
		{"POST", "/v1/cluster/members", `{"id":"","address":"x:1"}`, 400, "invalid_argument"},
		{"POST", "/v1/cluster/members", `{"id":"n2","address":""}`, 400, "invalid_argument"},
		{"POST", "/v1/cluster/members", `{"id":"` + long + `","address":"x:1"}`, 400, "invalid_argument"},
		{"POST", "/v1/cluster/leader", `{"id":1}`, 422, "unprocessable"},
		{"POST", "/v1/cluster/leader", `{"id":""}`, 400, "invalid_argument"},
		{"POST", "/v1/cluster/leader", `x`, 400, "invalid_argument"},
		{"DELETE", "/v1/cluster/members/" + long, "", 400, "invalid_argument"},
		{"DELETE", "/v1/cluster/members/%FF", "", 400, "invalid_argument"},
	} {
		f.do(c.method, c.path, c.body, nil).want(t, c.status, c.code)
	}
}

func TestChecksums(t *testing.T) {
	f := newFixture(t, nil)
	f.get("/v1/cluster/checksum").want(t, 200, `[]`)
	f.put("/v1/state/a", `{"value":1}`)
	made := f.do("POST", "/v1/cluster/checksum", "", nil)
	if made.status != 200 || !strings.Contains(made.body, `"offset":1,"hash":"`) || made.header.Get("Kiss-Offset") != "1" {
		t.Fatalf("%d %s", made.status, made.body)
	}
	f.get("/v1/cluster/checksum").want(t, 200, `[`+made.body+`]`)
	for range 20 {
		f.do("POST", "/v1/cluster/checksum", "", nil)
	}
	if a := f.get("/v1/cluster/checksum"); strings.Count(a.body, `"index"`) != 16 {
		t.Errorf("%s", a.body)
	}
}
