package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kissvdb/kissvdb/node"
)

// nodeCollector reads the node's own numbers when they are asked for.
type nodeCollector struct {
	node    *node.Node
	metrics []nodeMetric
}

// nodeMetric is one number of the node.
type nodeMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() float64
}

func newNodeCollector(n *node.Node) *nodeCollector {
	c := &nodeCollector{node: n}
	log := n.Events()
	c.add(prometheus.CounterValue, "events_total", "Events of the store, as far as this node has applied them.",
		func() float64 { return float64(log.Head()) })
	c.add(prometheus.GaugeValue, "kissvdb_stream_head_offset", "Offset of the newest event on this node.",
		func() float64 { return float64(log.Head()) })
	c.add(prometheus.GaugeValue, "kissvdb_stream_oldest_offset", "Offset of the oldest event that is retained on this node.",
		func() float64 { return float64(log.Oldest()) })
	c.add(prometheus.GaugeValue, "kissvdb_applied_offset", "Offset this node has applied.",
		func() float64 { return float64(n.Offset()) })
	return c
}

func (c *nodeCollector) add(kind prometheus.ValueType, name, help string, read func() float64) {
	c.metrics = append(c.metrics, nodeMetric{prometheus.NewDesc(name, help, nil, nil), kind, read})
}

// Describe implements prometheus.Collector.
func (c *nodeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *nodeCollector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read())
	}
}
