package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector of a node. Its default, to collect when the heap has
// doubled, is wrong at both ends here: a small store would be collected many
// times a second for the garbage of its requests, and a large one would take
// twice its size.
const (
	quietHeap    = 256 << 20 // a smaller heap may grow to this before it is collected
	tightPercent = 50        // a larger one by so much
	loosePercent = 2000
	gcTunePeriod = 2 * time.Second
)

// tuneGC adapts GOGC to the live heap until ctx ends. A GOGC that the user
// has set stands.
func tuneGC(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(gcTunePeriod)
	defer tick.Stop()
	for set := 0; ; {
		metrics.Read(live)
		// Setting it stops the world for a moment: only when it matters.
		if want := gcPercent(live[0].Value.Uint64()); want < set*9/10 || want > set*11/10 {
			debug.SetGCPercent(want)
			set = want
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gcPercent is GOGC for a heap of which live bytes are in use.
func gcPercent(live uint64) int {
	if live >= quietHeap {
		return tightPercent
	}
	return int(min(max((quietHeap-live)*100/max(live, 1), tightPercent), loosePercent))
}
