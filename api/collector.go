package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kissvdb/kissvdb/node"
)

// scrapeTimeout bounds what one scrape waits for the other members.
const scrapeTimeout = 2 * time.Second

// nodeCollector reads the node's own numbers when they are asked for. Those
// of the members come from the same question that /v1/cluster asks.
type nodeCollector struct {
	node *node.Node

	events, applied, oldest        *prometheus.Desc
	segments, bytes, damaged       *prometheus.Desc
	delivered                      *prometheus.Desc
	term, leaderKnown, leads       *prometheus.Desc
	logApplied, logCommit, logLast *prometheus.Desc
	reachable, lag, memberApplied  *prometheus.Desc
}

func newNodeCollector(n *node.Node) *nodeCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &nodeCollector{
		node:          n,
		events:        desc("events_total", "Events of the store, as far as this node has applied them."),
		applied:       desc("kissvdb_applied_offset", "Offset this node has applied."),
		oldest:        desc("kissvdb_stream_oldest_offset", "Offset of the oldest event that is retained on this node."),
		segments:      desc("kissvdb_stream_segments", "Segment files of the event log."),
		bytes:         desc("kissvdb_stream_segment_bytes", "Size of the segment files of the event log."),
		damaged:       desc("kissvdb_stream_corrupt_total", "Damaged places found in segment files."),
		delivered:     desc("kissvdb_stream_events_read_total", "Events read by streams, by where they were found.", "source"),
		term:          desc("kissvdb_raft_term", "Term of the log, as this node knows it."),
		logApplied:    desc("kissvdb_raft_applied_index", "Index of the newest log entry this node has applied."),
		logCommit:     desc("kissvdb_raft_commit_index", "Index up to which the log is committed, as this node knows it."),
		logLast:       desc("kissvdb_raft_last_index", "Index of the newest log entry on this node."),
		leaderKnown:   desc("kissvdb_leader_known", "1 when this node knows a leader."),
		leads:         desc("kissvdb_leader", "1 when this node is the leader."),
		reachable:     desc("kissvdb_member_reachable", "1 when the member answers this node.", "member"),
		lag:           desc("kissvdb_member_lag_offsets", "Offsets that a reachable member is behind the leader.", "member"),
		memberApplied: desc("kissvdb_member_applied_offset", "Offset that a reachable member has applied.", "member"),
	}
}

// Describe implements prometheus.Collector.
func (c *nodeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.events, c.applied, c.oldest, c.segments, c.bytes, c.damaged, c.delivered,
		c.term, c.logApplied, c.logCommit, c.logLast, c.leaderKnown, c.leads, c.reachable, c.lag, c.memberApplied} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *nodeCollector) Collect(ch chan<- prometheus.Metric) {
	stats := c.node.Events().Stats()
	count(ch, c.events, stats.Head)
	gauge(ch, c.applied, c.node.Offset())
	gauge(ch, c.oldest, stats.Oldest)
	gauge(ch, c.segments, uint64(stats.Segments))
	gauge(ch, c.bytes, uint64(stats.Bytes))
	count(ch, c.damaged, stats.Corrupt)
	count(ch, c.delivered, stats.RingEvents, "memory")
	count(ch, c.delivered, stats.FileEvents, "files")
	progress := c.node.Progress()
	gauge(ch, c.term, progress.Term)
	gauge(ch, c.logApplied, progress.AppliedIndex)
	gauge(ch, c.logCommit, progress.CommitIndex)
	gauge(ch, c.logLast, progress.LastIndex)
	c.collectCluster(ch)
}

func (c *nodeCollector) collectCluster(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	view, err := c.node.Cluster(ctx)
	if err != nil {
		gauge(ch, c.leaderKnown, 0)
		return
	}
	gauge(ch, c.leaderKnown, flag(view.Leader != nil))
	gauge(ch, c.leads, flag(view.Leader != nil && *view.Leader == view.Node))
	for _, m := range view.Members {
		gauge(ch, c.reachable, flag(m.Reachable), m.ID)
		if m.Reachable {
			gauge(ch, c.lag, m.Lag, m.ID)
			gauge(ch, c.memberApplied, m.AppliedOffset, m.ID)
		}
	}
}

func count(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
}

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}
