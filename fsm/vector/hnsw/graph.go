// Package hnsw finds near vectors by walking over a graph of neighbours.
package hnsw

// Graph is immutable.
type Graph struct{}
