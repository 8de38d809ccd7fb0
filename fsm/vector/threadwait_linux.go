package vector

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// threadWait returns a function that tells how long the calling thread was
// ready to run but had no core, as the kernel counts it, and one that ends
// its use. Where the kernel does not count it, the first returns false.
func threadWait() (waited func() (time.Duration, bool), done func()) {
	f, err := os.Open("/proc/thread-self/schedstat")
	if err != nil {
		return func() (time.Duration, bool) { return 0, false }, func() {}
	}
	var buf [64]byte
	return func() (time.Duration, bool) {
		n, _ := f.ReadAt(buf[:], 0) // an error leaves too few fields
		fields := bytes.Fields(buf[:n])
		if len(fields) < 2 {
			return 0, false
		}
		ns, err := strconv.ParseInt(string(fields[1]), 10, 64)
		return time.Duration(ns), err == nil
	}, func() { _ = f.Close() }
}
