// Package filter is the one filter language for documents and vectors.
package filter

// Filter is a parsed filter. It is immutable.
type Filter struct{}

// Index answers filters over rows whose documents never change.
type Index struct{}
