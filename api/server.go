// Package api is the HTTP face of a node: routes, decoding, statuses, limits,
// the event stream and the pages about itself. It decides what a request
// means and how an answer looks; everything between is the node's.
//
// A request passes through one combined middleware (Server.ServeHTTP), then
// the router, then a handler, which answers through its response or returns
// an error. Errors leave through response.fail alone, and the statuses of
// all codes stand in one table, in error.go.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/kissvdb/kissvdb/node"
)

// Config is what a Server is made with. Lengths and sizes are bytes, counted
// after decoding; a length equal to its limit is allowed.
type Config struct {
	APIKey         string        // empty = every route is open
	CORSOrigins    []string      // empty, or holding "*" = any origin
	RequestTimeout time.Duration // for a body to arrive, and for an answer; streams excepted

	MaxBodyBytes     int // of a request body
	MaxJSONBytes     int // of one stored value, as compact JSON
	MaxKeyLen        int
	MaxCollectionLen int
	MaxIDLen         int
	MaxVectorDim     int
	MaxK             int
	MaxStateBatch    int // operations of one batch
	MaxVectorBatch   int
	MaxDocFind       int

	Version string
	Logger  *slog.Logger

	// Keepalive is the silence on a stream after which it says that it is
	// still there; 0 = 15 s.
	Keepalive time.Duration
	// StreamWriteTimeout is how long one write to a stream may take before
	// its client counts as dead; 0 = 2 min.
	StreamWriteTimeout time.Duration
}

// Defaults of what a Config may leave open.
const (
	defaultKeepalive          = 15 * time.Second
	defaultStreamWriteTimeout = 2 * time.Minute
)

// Server answers the HTTP requests of one node.
type Server struct {
	cfg     Config
	node    *node.Node
	log     *slog.Logger
	mux     *chi.Mux
	auth    authorizer
	cors    cors
	metrics *metrics
	ids     requestIDs
	nodeID  []string           // the Kiss-Node header
	cluster headerCache        // the Kiss-Cluster header
	pool    sync.Pool          // of *response
	frames  sync.Pool          // of *[]byte, for streams
	streams context.Context    // ends when the streams must
	drain   context.CancelFunc // ends streams
	httpd   *http.Server
}

// New returns a Server in front of n. Drain or Shutdown ends it; n is closed
// after that.
func New(cfg Config, n *node.Node) *Server {
	if cfg.Keepalive == 0 {
		cfg.Keepalive = defaultKeepalive
	}
	if cfg.StreamWriteTimeout == 0 {
		cfg.StreamWriteTimeout = defaultStreamWriteTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg:    cfg,
		node:   n,
		log:    cfg.Logger,
		auth:   newAuthorizer(cfg.APIKey),
		cors:   newCORS(cfg.CORSOrigins),
		ids:    newRequestIDs(),
		nodeID: []string{n.ID()},
	}
	s.streams, s.drain = context.WithCancel(context.Background())
	s.metrics = newMetrics(n)
	s.pool.New = func() any { return &response{server: s} }
	s.frames.New = func() any {
		buf := make([]byte, 0, frameBuffer)
		return &buf
	}
	s.mux = s.newRouter()
	s.httpd = s.newHTTPServer()
	return s
}

// Handler returns the whole stack as one handler.
func (s *Server) Handler() http.Handler { return s }

// Drain ends the open streams and refuses new ones, so that a shutdown does
// not wait for clients that never leave. It returns at once; it is Shutdown
// that waits.
func (s *Server) Drain() { s.drain() }
