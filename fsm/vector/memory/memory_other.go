//go:build !linux

package memory

// advise would ask for huge pages.
func advise([]byte) {}
