//go:build !linux

package vector

import "time"

// threadWait would tell how long the calling thread has waited for a core.
func threadWait() (waited func() (time.Duration, bool), done func()) {
	return func() (time.Duration, bool) { return 0, false }, func() {}
}
