package vector

import (
	"runtime"
	"sync"
)

// crew is goroutines on threads of low priority, for work that nobody waits
// for: with as many more Ps than cores as it has members, the operating
// system runs a request rather than them as soon as there is one.
type crew struct {
	jobs []chan func(worker int)
	wg   sync.WaitGroup
}

func newCrew(n int) *crew {
	c := &crew{}
	for i := range n {
		jobs := make(chan func(worker int))
		c.jobs = append(c.jobs, jobs)
		c.wg.Go(func() {
			// Never unlocked: the thread, which cannot get its priority back,
			// ends with the goroutine.
			runtime.LockOSThread()
			lowerPriority()
			for job := range jobs {
				job(i)
			}
		})
	}
	return c
}

// run has count members do work at once, and returns when all are done.
func (c *crew) run(count int, work func(worker int)) {
	var wg sync.WaitGroup
	wg.Add(count)
	for _, jobs := range c.jobs[:count] {
		jobs <- func(worker int) {
			defer wg.Done()
			work(worker)
		}
	}
	wg.Wait()
}

// dismiss ends the crew.
func (c *crew) dismiss() {
	for _, jobs := range c.jobs {
		close(jobs)
	}
	c.wg.Wait()
}
