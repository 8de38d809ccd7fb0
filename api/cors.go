package api

import (
	"net/http"
	"slices"
)

// Header values are shared by all responses and never written to.
var (
	corsAnyOrigin     = []string{"*"}
	corsVary          = []string{"Origin"}
	corsVaryPreflight = []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	corsMethods       = []string{"GET, HEAD, PUT, POST, DELETE, OPTIONS"}
	corsAllowed       = []string{"Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Kiss-Min-Offset, X-Request-Id"}
	corsExposed       = []string{"Kiss-Offset, Kiss-Node, Kiss-Cluster, Idempotency-Replayed, Retry-After, X-Request-Id"}
	corsMaxAge        = []string{"600"}
)

// cors says which pages of other origins may read the answers. Names are
// listed one by one because the wildcard does not cover Authorization.
type cors struct {
	origins []string // nil = any
}

func newCORS(origins []string) cors {
	if len(origins) == 0 || slices.Contains(origins, "*") {
		return cors{}
	}
	return cors{origins: origins}
}

// apply sets the headers of an answer to r, whatever the answer is.
func (c *cors) apply(header http.Header, r *http.Request) {
	origin := r.Header["Origin"]
	switch {
	case c.origins == nil:
		header["Access-Control-Allow-Origin"] = corsAnyOrigin
	default:
		header["Vary"] = corsVary
		if len(origin) == 1 && slices.Contains(c.origins, origin[0]) {
			header["Access-Control-Allow-Origin"] = []string{origin[0]}
		}
	}
	if len(origin) != 0 {
		header["Access-Control-Expose-Headers"] = corsExposed
	}
}

// preflight answers OPTIONS on any path, without a key: browsers send none.
func (c *cors) preflight(rw *response) {
	header := rw.Header()
	header["Access-Control-Allow-Methods"] = corsMethods
	header["Access-Control-Allow-Headers"] = corsAllowed
	header["Access-Control-Max-Age"] = corsMaxAge
	if c.origins != nil {
		header["Vary"] = corsVaryPreflight
	}
	rw.WriteHeader(http.StatusOK)
}
