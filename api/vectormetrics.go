package api

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kissvdb/kissvdb/node"
)

// vectorCollector reads what the collections are on this node when it is
// asked for.
type vectorCollector struct {
	vectors *node.Vectors

	live, deleted, unindexed, segments *prometheus.Desc
	fileBytes, indexBytes              *prometheus.Desc
	builds, buildSeconds               *prometheus.Desc
}

func newVectorCollector(n *node.Node) *vectorCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"collection"}, nil)
	}
	return &vectorCollector{
		vectors:      n.Vectors,
		live:         desc("kissvdb_vector_live", "Points of the collection."),
		deleted:      desc("kissvdb_vector_deleted", "Points replaced or deleted since the collection's last vacuum here."),
		unindexed:    desc("kissvdb_vector_unindexed", "Points of the collection that are in no graph here yet."),
		segments:     desc("kissvdb_vector_segments", "Graphs of the collection, and one for the points that are in none."),
		fileBytes:    desc("kissvdb_vector_file_bytes", "Size of the collection's file."),
		indexBytes:   desc("kissvdb_vector_index_bytes", "Size of the collection's graphs."),
		builds:       desc("kissvdb_vector_builds_total", "Graphs of the collection that were built since the start."),
		buildSeconds: desc("kissvdb_vector_build_seconds_total", "Time that building them took."),
	}
}

// Describe implements prometheus.Collector.
func (c *vectorCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.live, c.deleted, c.unindexed, c.segments, c.fileBytes, c.indexBytes, c.builds, c.buildSeconds} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *vectorCollector) Collect(ch chan<- prometheus.Metric) {
	infos, _, err := c.vectors.List(context.Background(), node.Read{})
	if err != nil {
		return // cannot be: a local read does not wait
	}
	for i := range infos {
		info := &infos[i]
		gauge(ch, c.live, info.Live, info.Name)
		gauge(ch, c.deleted, info.Deleted, info.Name)
		gauge(ch, c.unindexed, info.Unindexed, info.Name)
		gauge(ch, c.segments, uint64(info.Segments), info.Name)
		gauge(ch, c.fileBytes, uint64(info.FileBytes), info.Name)
		gauge(ch, c.indexBytes, uint64(info.IndexBytes), info.Name)
		count(ch, c.builds, info.Builds, info.Name)
		ch <- prometheus.MustNewConstMetric(c.buildSeconds, prometheus.CounterValue, info.BuildSeconds, info.Name)
	}
}
