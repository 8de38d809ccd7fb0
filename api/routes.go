package api

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/kissvdb/kissvdb/fault"
)

// handler answers one request, or returns an error for response.fail.
type handler func(rw *response, r *http.Request) error

// newRouter is the routing table. chi routes on the escaped path where that
// differs from the decoded one, so an encoded slash stays inside a segment;
// a parameter is never empty, and a slash at the end is a segment of its own.
//
// POST on /v1/state/batch_put is the batch; the other methods there mean the
// key of that name.
func (s *Server) newRouter() *chi.Mux {
	mux := chi.NewRouter()
	miss := s.serve(nil, s.notFound)
	mux.NotFound(miss)
	mux.MethodNotAllowed(miss)

	s.get(mux, "/v1/state", s.listState)
	s.get(mux, "/v1/state/{key}", s.getState)
	s.on(mux, http.MethodPut, "/v1/state/{key}", s.putState)
	s.on(mux, http.MethodDelete, "/v1/state/{key}", s.deleteState)
	s.on(mux, http.MethodPost, "/v1/state/batch_put", s.batchState)

	const collection = "/v1/vector/{collection}"
	s.get(mux, "/v1/vector", s.listCollections)
	s.get(mux, collection, s.getCollection)
	s.on(mux, http.MethodPost, collection, s.createCollection)
	s.on(mux, http.MethodDelete, collection, s.dropCollection)
	s.on(mux, http.MethodPost, collection+"/add", s.addPoint)
	s.on(mux, http.MethodPost, collection+"/upsert", s.upsertPoint)
	s.on(mux, http.MethodPost, collection+"/update", s.updatePoint)
	s.on(mux, http.MethodPost, collection+"/delete", s.deletePoint)
	s.on(mux, http.MethodPost, collection+"/upsert_batch", s.upsertPoints)
	s.on(mux, http.MethodPost, collection+"/delete_batch", s.deletePoints)
	s.get(mux, collection+"/get", s.getPoint)
	s.on(mux, http.MethodPost, collection+"/search", s.search)
	s.on(mux, http.MethodPost, collection+"/vacuum", s.vacuumCollection)

	s.get(mux, "/v1/stream", s.stream)
	s.get(mux, "/v1/events", s.stream)

	s.on(mux, http.MethodPost, "/v1/sql/query", notEnabled)
	s.on(mux, http.MethodPost, "/v1/sql/exec", notEnabled)

	s.get(mux, "/v1/cluster", s.getCluster)
	s.on(mux, http.MethodPost, "/v1/cluster/members", s.addMember)
	s.on(mux, http.MethodDelete, "/v1/cluster/members/{id}", s.removeMember)
	s.on(mux, http.MethodPost, "/v1/cluster/leader", s.transferLeadership)
	s.get(mux, "/v1/cluster/checksum", s.listChecksums)
	s.on(mux, http.MethodPost, "/v1/cluster/checksum", s.addChecksum)

	s.get(mux, "/v1/health", s.health)
	s.get(mux, "/livez", s.livez)
	s.get(mux, "/readyz", s.readyz)
	s.get(mux, "/v1/metrics", s.metrics.serve)

	pages := newDocs()
	s.get(mux, "/docs", pages.page)
	s.get(mux, "/docs/*", pages.asset)
	s.get(mux, "/openapi.yaml", pages.spec)
	s.get(mux, "/docs/openapi.yaml", pages.spec)
	return mux
}

// get adds a route for GET, and for HEAD: net/http drops the body.
func (s *Server) get(mux *chi.Mux, pattern string, h handler) {
	s.on(mux, http.MethodGet, pattern, h)
	s.on(mux, http.MethodHead, pattern, h)
}

func (s *Server) on(mux *chi.Mux, method, pattern string, h handler) {
	mux.Method(method, pattern, s.serve(s.metrics.route(method, pattern), h))
}

// serve makes an http.Handler of h. The router is only ever called from
// ServeHTTP, so the writer is always a response.
func (s *Server) serve(to *route, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rw := w.(*response)
		rw.route = to
		if err := h(rw, r); err != nil {
			rw.fail(r, err)
		}
	}
}

// allowedMethods lists the methods that a path has a route for.
func (s *Server) allowedMethods(r *http.Request) string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if s.mux.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return ""
	}
	return strings.Join(append(allowed, http.MethodOptions), ", ")
}

// notEnabled answers the routes of a model that is switched off.
func notEnabled(*response, *http.Request) error {
	return fault.New(fault.NotEnabled, "sqlite module is disabled")
}
