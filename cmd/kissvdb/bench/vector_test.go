package bench

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// node is a server with one collection that compares every vector.
type node struct {
	t *testing.T

	mu      sync.Mutex
	dim     int
	points  map[string]point
	refused int  // batches to refuse before one is taken
	blind   bool // finds the farthest instead of the nearest
}

type point struct {
	ID        string
	Vector    []float32
	VectorB64 string `json:"vector_b64"`
	Meta      struct{ Slot int }
}

func (p *point) decode() error {
	if p.VectorB64 == "" {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(p.VectorB64)
	for ; len(raw) >= 4; raw = raw[4:] {
		p.Vector = append(p.Vector, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return err
}

func startNode(t *testing.T) (*node, Config) {
	n := &node{t: t, points: make(map[string]point)}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /v1/cluster", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"leader":"n1","members":[{"id":"n1","url":%q}]}`, server.URL)
	})
	mux.HandleFunc("POST /v1/vector/c.1", n.create)
	mux.HandleFunc("GET /v1/vector/c.1", n.show)
	mux.HandleFunc("POST /v1/vector/c.1/upsert_batch", n.upsert)
	mux.HandleFunc("POST /v1/vector/c.1/search", n.search)
	return n, Config{
		Endpoints: []string{server.URL}, To: ToAll, Clients: 3, Keys: 90,
		WarmUp: time.Millisecond, Duration: 50 * time.Millisecond,
		Vectors: Vectors{Collection: "c.1", Dim: 8, Batch: 40, K: 10, Selectivity: 1, Settle: time.Minute},
	}
}

func (n *node) read(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(r.Body).Decode(into)
	if err != nil {
		n.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		w.WriteHeader(http.StatusBadRequest)
	}
	return err == nil
}

func (n *node) create(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var body struct {
		Dim    int
		Metric string
	}
	switch {
	case n.dim > 0:
		w.WriteHeader(http.StatusConflict)
	case n.read(w, r, &body):
		n.dim = body.Dim
	}
}

func (n *node) show(w http.ResponseWriter, _ *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(w, `{"dim":%d,"metric":"cosine","count":%d,"unindexed":%d}`, n.dim, len(n.points), len(n.points))
}

func (n *node) upsert(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var body struct{ Items []point }
	if !n.read(w, r, &body) {
		return
	}
	if n.refused > 0 {
		n.refused--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for _, p := range body.Items {
		if err := p.decode(); err != nil || len(p.Vector) != n.dim {
			fmt.Fprintf(w, `{"results":[{"status":"error","id":%q}]}`, p.ID)
			return
		}
		n.points[p.ID] = p
	}
	fmt.Fprint(w, `{"results":[]}`)
}

func (n *node) search(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	body := struct {
		point
		K       int
		Ef      int
		Filters struct {
			Slot struct {
				LT int `json:"$lt"`
			}
		}
	}{}
	body.Filters.Slot.LT = slots
	if !n.read(w, r, &body) || body.decode() != nil {
		return
	}
	type hit struct {
		ID    string  `json:"id"`
		Score float64 `json:"score"`
	}
	hits := []hit{}
	for id, p := range n.points {
		if p.Meta.Slot < body.Filters.Slot.LT {
			hits = append(hits, hit{id, dot(body.Vector, p.Vector)})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID)) })
	if n.blind {
		slices.Reverse(hits)
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"hits": hits[:min(body.K, len(hits))]}); err != nil {
		n.t.Error(err)
	}
}

// writeSet writes a set of made-up vectors with its truth, and returns its name.
func writeSet(t *testing.T, rows, dim, depth int) string {
	t.Helper()
	d := makeDataset(rows, dim)
	d.queries.rows = 20
	d.queries.values = d.queries.values[:d.queries.rows*dim]
	name := filepath.Join(t.TempDir(), "set")
	write := func(suffix, magic string, rows, columns int, values ...any) {
		file := append([]byte(magic), 1, 0, 0, 0)
		file = binary.LittleEndian.AppendUint32(file, uint32(rows))
		file = binary.LittleEndian.AppendUint32(file, uint32(columns))
		for _, v := range values {
			var err error
			if file, err = binary.Append(file, binary.LittleEndian, v); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name+suffix, file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var truth []uint32
	d.truth = matrix[uint32]{rows: d.queries.rows} // of depth 0, so that nearest compares all
	for query := range d.queries.rows {
		truth = append(truth, d.nearest(query, depth, slots)...)
	}
	write(".base.vf32", "VF32", rows, dim, d.base.values)
	write(".query.vf32", "VF32", d.queries.rows, dim, d.queries.values)
	write(".truth.vgt", "VGT1", d.queries.rows, depth, truth, make([]float32, len(truth)))
	return name
}

func TestIngest(t *testing.T) {
	for _, inBase64 := range []bool{false, true} {
		n, cfg := startNode(t)
		cfg.Op, cfg.Vectors.Base64 = OpIngest, inBase64
		report, err := Run(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Failed > 0 || report.Vectors < report.Done*10 || report.Vectors > report.Done*40 || report.Done == 0 {
			t.Errorf("%d requests, %d vectors, %d failed: %s", report.Done, report.Vectors, report.Failed, report.Failure)
		}
		want := makeDataset(cfg.Keys, cfg.Vectors.Dim)
		for id, p := range n.points {
			row, err := strconv.Atoi(id)
			if err != nil || !slices.Equal(p.Vector, want.base.row(row)) || p.Meta.Slot != slotOf(row) {
				t.Errorf("point %s: %v", id, p)
			}
		}
		var out strings.Builder
		if err := report.Print(&out); err != nil || !strings.Contains(out.String(), "vectors/s") || strings.Contains(out.String(), "CPU") {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
}

func TestSearch(t *testing.T) {
	const rows = 300
	data := writeSet(t, rows, 8, 30)
	for _, test := range []struct {
		name   string
		set    func(n *node, cfg *Config)
		recall float64
	}{
		{"numbers", func(*node, *Config) {}, 1},
		{"base64", func(_ *node, cfg *Config) { cfg.Vectors.Base64, cfg.Vectors.Ef = true, 50 }, 1},
		{"filter within the truth", func(_ *node, cfg *Config) { cfg.Vectors.Selectivity = .7 }, 1},
		{"filter beyond the truth", func(_ *node, cfg *Config) { cfg.Vectors.Selectivity = .1 }, 1},
		{"fewer matches than k", func(_ *node, cfg *Config) { cfg.Vectors.Selectivity = .01 }, 1},
		{"overloaded at first", func(n *node, _ *Config) { n.refused = 3 }, 1},
		{"wrong hits", func(n *node, _ *Config) { n.blind = true }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, cfg := startNode(t)
			cfg.Op, cfg.Vectors.Data = OpSearch, data
			test.set(n, &cfg)
			report, err := Run(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			s := report.Search
			if report.Done == 0 || report.Failed > 0 || s.Recall != test.recall || s.Queries != 20 || s.Load.Vectors != rows || s.Count != rows {
				t.Errorf("got %+v, search %+v, load %+v", report, s, s.Load)
			}
			cfg.Vectors.SkipLoad = true
			if report, err = Run(context.Background(), cfg); err != nil || report.Search.Load != nil || report.Search.Recall != test.recall {
				t.Errorf("again: %+v, %v", report, err)
			}
			var out strings.Builder
			if err := report.Print(&out); err != nil || !strings.Contains(out.String(), "recall@10") {
				t.Errorf("%q, %v", out.String(), err)
			}
		})
	}
}

func TestSearchWithoutTruth(t *testing.T) {
	n, cfg := startNode(t)
	cfg.Op = OpSearch
	report, err := Run(context.Background(), cfg)
	if err != nil || report.Search.Queries != 0 || report.Search.Load.Vectors != 90 {
		t.Fatalf("%+v, %v", report, err)
	}
	n.mu.Lock()
	n.points["other"] = point{Vector: make([]float32, 8)}
	n.mu.Unlock()
	if _, err = Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "has 91 vectors") {
		t.Errorf("a vector of somebody else: %v", err)
	}
	cfg.Vectors.Dim = 9
	if _, err = Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "dimension 8") {
		t.Errorf("another dimension: %v", err)
	}
	cfg.Vectors.Collection = "none"
	if _, err = Run(context.Background(), cfg); err == nil {
		t.Error("a collection that can not be made gave no error")
	}
}

// TestLoadFails checks that a refusal ends the run.
func TestLoadFails(t *testing.T) {
	n, cfg := startNode(t)
	n.dim = 8
	d := makeDataset(90, 7)
	to, err := findTargets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(context.Background(), cfg, to, newBatches(cfg.Vectors, &d.base)); err == nil || !strings.Contains(err.Error(), "upsert_batch: 200") {
		t.Errorf("vectors of a wrong dimension: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := load(ctx, cfg, to, newBatches(cfg.Vectors, &d.base)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestBadSets(t *testing.T) {
	content := func(magic string, version, rows, columns uint32, bytes int) []byte {
		b := []byte(magic)
		for _, n := range []uint32{version, rows, columns} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return append(b, make([]byte, bytes)...)
	}
	for _, bad := range [][]byte{
		nil, []byte("VF32"), content("VF31", 1, 1, 1, 4), content("VF32", 2, 1, 1, 4), content("VF32", 1, 0, 1, 4),
		content("VF32", 1, 1, 0, 4), content("VF32", 1, 2, 3, 23), content("VF32", 1, math.MaxUint32, math.MaxUint32, 100),
	} {
		if _, err := parseMatrix(bad, "VF32", math.Float32frombits); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := readDataset(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no files: %v", err)
	}
	name := writeSet(t, 30, 4, 10)
	if err := os.Rename(name+".query.vf32", name+".base.vf32"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".query.vf32", content("VF32", 1, 1, 4, 16), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readDataset(name); err == nil {
		t.Error("files of different sets were taken")
	}
}

// TestSlots checks that a filter matches about the part that it should.
func TestSlots(t *testing.T) {
	counts := make([]int, slots)
	for row := range 100_000 {
		counts[slotOf(row)]++
	}
	if least, most := slices.Min(counts), slices.Max(counts); least < 90 || most > 110 {
		t.Errorf("a slot has from %d to %d of 100,000 rows", least, most)
	}
	for selectivity, want := range map[float64]int{1: slots, .5: 500, .001: 1, 1e-9: 1, .9999: slots} {
		if got := slotsOf(selectivity); got != want {
			t.Errorf("%v of the slots: got %d, want %d", selectivity, got, want)
		}
	}
}

func TestUsage(t *testing.T) {
	if used, err := parseStat([]byte("7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20")); err != nil || used != 3*time.Second {
		t.Errorf("got %v, %v, want 3s", used, err)
	}
	for _, bad := range []string{"", "7 (a) S 1 2 3", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 50", "7 (a) S 1 2 3 4 5 6 7 8 9 10 50 x"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if u, err := startUsage(nil); err != nil || u.server+u.client != 0 {
		t.Errorf("without processes: %+v, %v", u, err)
	}
	r := Report{Op: OpSearch, Elapsed: 2 * time.Second, Done: 900, Server: 3 * time.Second, Client: time.Second}
	var out strings.Builder
	if err := r.Print(&out); err != nil || !strings.Contains(out.String(), "server 3.00 CPU seconds, 1.50 cores, 300 requests per CPU second; client 0.50 cores") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// FuzzMatrix looks for a file that takes the reader down, or makes it allocate
// more than the file has.
func FuzzMatrix(f *testing.F) {
	f.Add([]byte("VF32\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x80\x3f"))
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := parseMatrix(content, "VF32", math.Float32frombits)
		if err == nil && (len(m.values) != m.rows*m.columns || 4*len(m.values) > len(content)) {
			t.Errorf("%d x %d in %d values of %d bytes", m.rows, m.columns, len(m.values), len(content))
		}
	})
}
