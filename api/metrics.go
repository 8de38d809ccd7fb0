package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kissvdb/kissvdb/node"
)

// metrics is everything /v1/metrics shows. The names without a prefix are
// those clients have dashboards for.
type metrics struct {
	handler http.Handler

	statePuts    prometheus.Counter
	stateDeletes prometheus.Counter
	vectorOps    prometheus.Counter
	sseClients   prometheus.Gauge
	gaps         prometheus.Counter

	searchSeconds prometheus.Histogram

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	unrouted *route // requests that no route matched
}

// route is what one line of the routing table counts, found once so that a
// request costs no search by labels.
type route struct {
	method, pattern string
	seconds         prometheus.Observer
	byCode          sync.Map // int -> prometheus.Counter
}

func newMetrics(n *node.Node) *metrics {
	m := &metrics{
		statePuts:    newCounter("state_put_total", "Keys written through this node."),
		stateDeletes: newCounter("state_delete_total", "Keys deleted through this node."),
		vectorOps:    newCounter("vector_ops_total", "Collections created, points written or deleted, and searches asked for, through this node."),
		sseClients: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sse_clients", Help: "Event streams open on this node."}),
		gaps: newCounter("kissvdb_stream_gaps_total", "Gaps told to stream clients: their events are no longer retained here."),
		searchSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kissvdb_vector_search_duration_seconds", Help: "Time of searches that were answered, waiting for their offset included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kissvdb_http_requests_total", Help: "Requests answered, by route and status."},
			[]string{"method", "route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kissvdb_http_request_duration_seconds", Help: "Time to answer a request, streams excepted.",
			Buckets: []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}},
			[]string{"method", "route"}),
	}
	m.unrouted = m.route("", "")
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		m.statePuts, m.stateDeletes, m.vectorOps, m.sseClients, m.gaps, m.requests, m.seconds, m.searchSeconds,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newNodeCollector(n), newVectorCollector(n),
	)
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return m
}

func newCounter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func (m *metrics) serve(rw *response, r *http.Request) error {
	m.handler.ServeHTTP(rw, r)
	return nil
}

// route returns the counters of a line of the routing table.
func (m *metrics) route(method, pattern string) *route {
	return &route{method: method, pattern: pattern, seconds: m.seconds.WithLabelValues(method, pattern)}
}

// observe counts one answer. How long a stream was open is not a duration
// anybody waits for.
func (m *metrics) observe(rw *response, took time.Duration) {
	to := rw.route
	if to == nil {
		to = m.unrouted
	}
	if !rw.streaming {
		to.seconds.Observe(took.Seconds())
	}
	if counter, ok := to.byCode.Load(rw.status); ok {
		counter.(prometheus.Counter).Inc()
		return
	}
	counter := m.requests.WithLabelValues(to.method, to.pattern, strconv.Itoa(rw.status))
	to.byCode.Store(rw.status, counter)
	counter.Inc()
}
