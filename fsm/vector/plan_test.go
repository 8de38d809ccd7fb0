package vector

import (
	"fmt"
	"testing"

	"github.com/kissvdb/kissvdb/fsm/filter"
)

// TestPlan has the plan of some searches, so that a change of the costs shows
// what else it changes.
func TestPlan(t *testing.T) {
	cases := []struct {
		dim, rows, matches int // matches 0 = no filter
		q                  Query
		way                way
		walks              int
	}{
		{384, 100_000, 0, Query{K: 10}, byCodes, 1},
		{384, 100_000, 0, Query{K: 10, Exact: true}, inFloat32, 0},
		{384, 100_000, 0, Query{K: 10, Ef: 1000}, byCodes, 1},
		{384, 100_000, 0, Query{K: 5000}, byCodes, 0},
		{384, 100_000, 0, Query{K: 50_000}, inFloat64, 0},
		{384, 5000, 0, Query{K: 10}, byCodes, 1},
		{384, 5000, 0, Query{K: 200}, byCodes, 0},
		{384, 1000, 0, Query{K: 10}, inFloat32, 0},
		{384, 100, 0, Query{K: 10}, inFloat64, 0},
		{4, 100_000, 0, Query{K: 10}, inFloat32, 0},
		{16, 5000, 0, Query{K: 10}, inFloat32, 0},
		{1536, 1000, 0, Query{K: 10}, byCodes, 0},

		{384, 100_000, 100, Query{K: 10}, inFloat64, 0},
		{384, 100_000, 1000, Query{K: 10}, byCodes, 0},
		{384, 100_000, 1000, Query{K: 10, Exact: true}, inFloat32, 0},
		{384, 100_000, 5000, Query{K: 10}, byCodes, 0},
		{384, 100_000, 10_000, Query{K: 10}, byCodes, 1},
		{384, 100_000, 50_000, Query{K: 10}, byCodes, 1},
		{384, 100_000, 99_000, Query{K: 10}, byCodes, 2},
		{384, 1_000_000, 10_000, Query{K: 10}, byCodes, 0},
		{384, 1_000_000, 50_000, Query{K: 10}, byCodes, 1},
	}
	for _, c := range cases {
		r := &Reader{table: newTable(c.dim, 1)}
		r.rows, r.live = uint32(c.rows), uint64(c.rows)
		s := &search{reader: r, query: &c.q, count: c.rows}
		if c.matches > 0 {
			s.matches, s.count = filter.Bitmap{}, c.matches
		}
		way, walks := s.way(c.q.K), 0
		if way == byCodes {
			walks = len(s.plan(c.rows, c.q.K))
		}
		if way != c.way || walks != c.walks {
			name := fmt.Sprintf("%d dimensions, %d of %d rows, %+v", c.dim, c.matches, c.rows, c.q)
			t.Errorf("%s: way %d with %d walks, want %d with %d", name, way, walks, c.way, c.walks)
		}
	}
}
