package main

import (
	"log/slog"
	"time"

	"github.com/kissvdb/kissvdb/api"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/vector"
	"github.com/kissvdb/kissvdb/node"
)

// nodeConfig is what of the settings the node needs. So many goroutines may
// build graphs of vectors.
func (c *serveCommand) nodeConfig(log *slog.Logger, builders int) node.Config {
	cfg := node.Config{
		ID:               string(c.NodeID),
		Dir:              string(c.DataDir),
		URL:              c.advertised(),
		Version:          version,
		PeerAddress:      string(c.ClusterAddr),
		PeerBind:         string(c.ClusterBind),
		NonVoter:         c.NonVoter,
		RequestTimeout:   c.requestTimeout(),
		SnapshotInterval: time.Duration(c.SnapshotIntervalSecs) * time.Second,
		Events:           c.eventConfig(),
		Vectors:          vector.Config{Workers: builders},
		Logger:           log,
	}
	for _, peer := range c.Peers {
		cfg.Peers = append(cfg.Peers, node.Peer{ID: string(peer.ID), Address: string(peer.Address)})
	}
	for _, address := range c.Join {
		cfg.Join = append(cfg.Join, string(address))
	}
	if c.DataDir == "" && c.ClusterAddr == defaultClusterAddr {
		// Nobody can join a node that forgets: any free port will do, so that
		// several of them can run on one machine.
		cfg.PeerAddress, cfg.PeerBind = "", "127.0.0.1:0"
	}
	return cfg
}

// eventConfig is what of the settings the event log needs.
func (s *Storage) eventConfig() event.Config {
	return event.Config{
		SegmentBytes: s.WALSegmentMaxBytes,
		Retention:    int(s.WALRetentionSegments),
		Ring:         int(s.LiveBroadcastCap),
		BufferSize:   int(s.EventBufferSize),
	}
}

// apiConfig is what of the settings the API needs.
func (c *serveCommand) apiConfig(log *slog.Logger) api.Config {
	return api.Config{
		APIKey:           string(c.APIKey),
		CORSOrigins:      c.CORSAllowedOrigins,
		RequestTimeout:   c.requestTimeout(),
		MaxBodyBytes:     int(c.MaxBodyBytes),
		MaxJSONBytes:     int(c.MaxJSONBytes),
		MaxKeyLen:        int(c.MaxKeyLen),
		MaxCollectionLen: int(c.MaxCollectionLen),
		MaxIDLen:         int(c.MaxIDLen),
		MaxVectorDim:     int(c.MaxVectorDim),
		MaxK:             int(c.MaxK),
		MaxStateBatch:    int(c.MaxStateBatch),
		MaxVectorBatch:   int(c.MaxVectorBatch),
		MaxDocFind:       int(c.MaxDocFind),
		Version:          version,
		Logger:           log,
	}
}

func (c *serveCommand) requestTimeout() time.Duration {
	return time.Duration(c.RequestTimeoutSecs) * time.Second
}
