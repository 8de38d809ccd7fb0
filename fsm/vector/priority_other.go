//go:build !linux

package vector

// lowerPriority would lower the priority of the calling thread.
func lowerPriority() {}
