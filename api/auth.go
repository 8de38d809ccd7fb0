package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"path"
	"strings"

	"github.com/kissvdb/kissvdb/fault"
)

// authorizer compares the Bearer key of a request with the configured one.
type authorizer struct {
	enabled bool
	sum     [sha256.Size]byte // of the key
}

func newAuthorizer(key string) authorizer {
	return authorizer{enabled: key != "", sum: sha256.Sum256([]byte(key))}
}

// check refuses a request without the right key, unless its path is open.
// Hashes are compared, so that neither the time nor an early exit tells
// anything about the key or its length.
func (a *authorizer) check(r *http.Request) error {
	if !a.enabled || openPath(path.Clean(r.URL.EscapedPath())) {
		return nil
	}
	given := r.Header.Get("Authorization")
	if given == "" {
		return fault.New(fault.Unauthorized, "missing authorization header")
	}
	scheme, key, ok := strings.Cut(given, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return fault.New(fault.Unauthorized, "invalid authorization header: Bearer KEY is expected")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	if subtle.ConstantTimeCompare(sum[:], a.sum[:]) != 1 {
		return fault.New(fault.Unauthorized, "invalid api key")
	}
	return nil
}

// openPath reports whether a path needs no key. It takes the cleaned escaped
// path: an encoded slash or dot is not a separator to the router either, so
// the two can never disagree about what a path names. Whole segments count.
func openPath(cleaned string) bool {
	switch cleaned {
	case "/", "/v1/health", "/livez", "/readyz", "/openapi.yaml", "/docs":
		return true
	}
	return strings.HasPrefix(cleaned, "/docs/")
}

// cleanPath reports whether an escaped path has neither dot segments nor
// empty ones (but for the last). The router sees no other, so that a path is
// always routed as what it was authorized as.
func cleanPath(escaped string) bool {
	if !strings.Contains(escaped, "//") && !strings.Contains(escaped, "/.") {
		return strings.HasPrefix(escaped, "/")
	}
	trimmed := escaped
	if len(trimmed) > 1 {
		trimmed = strings.TrimSuffix(trimmed, "/")
	}
	return path.Clean(escaped) == trimmed
}
