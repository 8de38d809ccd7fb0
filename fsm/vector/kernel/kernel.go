// Package kernel has the inner loops of vector search.
package kernel
