package api

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	f := newFixture(t, nil)
	f.put("/v1/state/a", `{"value":1}`)
	f.batch(`{"operations":[{"key":"b","value":1},{"key":"c","value":1},{"key":"","value":1}]}`)
	f.do("DELETE", "/v1/state/a", "", nil)
	f.do("DELETE", "/v1/state/none", "", nil)
	f.get("/nope")
	a := f.get("/v1/metrics")
	for _, line := range []string{
		"state_put_total 3", "state_delete_total 1", "vector_ops_total 0", "events_total 4", "sse_clients 0",
		`kissvdb_http_requests_total{code="200",method="PUT",route="/v1/state/{key}"} 1`,
		`kissvdb_http_requests_total{code="404",method="",route=""} 1`,
		`kissvdb_http_request_duration_seconds_count{method="DELETE",route="/v1/state/{key}"} 2`,
		"kissvdb_applied_offset 4", "kissvdb_leader 1", "kissvdb_leader_known 1",
		`kissvdb_member_reachable{member="n1"} 1`, `kissvdb_member_lag_offsets{member="n1"} 0`, "kissvdb_stream_gaps_total 0",
	} {
		if !strings.Contains(a.body, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	for _, name := range []string{"state_put_total", "state_delete_total", "vector_ops_total", "events_total", "sse_clients", "go_goroutines", "process_resident_memory_bytes"} {
		if !regexp.MustCompile(`(?m)^# HELP ` + name + ` \S`).MatchString(a.body) {
			t.Errorf("%s has no help", name)
		}
	}
	lintMetrics(t, a.body)
}

func lintMetrics(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
