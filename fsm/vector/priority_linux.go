package vector

import "golang.org/x/sys/unix"

// lowNice is what the calling thread's nice value becomes: about a tenth of
// the share of a thread that serves requests, where both want the same core.
const lowNice = 10

// lowerPriority lowers the priority of the calling thread. It is a wish: where
// it is not granted the work is done all the same.
func lowerPriority() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), lowNice)
}
