package vector

import (
	"runtime"
	"sync"
	"time"
)

// crew is goroutines for work that nobody waits for. Each has a thread of its
// own and, where the process has as many more Ps than cores as there are
// members, leaves it to the operating system who gets a core; and it rests
// when it finds that somebody else wants one.
type crew struct {
	members []*member
	wg      sync.WaitGroup
}

// member is one goroutine of a crew.
type member struct {
	jobs   chan func()
	waited func() (time.Duration, bool) // how long the thread has waited for a core, since it began
	at     time.Time                    // of the last look at it
	wait   time.Duration                // then
}

const (
	// restEvery is how long a member works between two looks at whether
	// somebody else wants the core.
	restEvery = 2 * time.Millisecond
	// crowded is the share of that time spent waiting for a core from which on
	// somebody does: a tenth.
	crowded = 10
	// restFactor is how much longer than its work a rest is then, so that the
	// work goes on, at a ninth of a core, on a machine that is always busy.
	restFactor = 8
	maxRest    = 100 * time.Millisecond
)

func newCrew(n int) *crew {
	c := &crew{}
	var ready sync.WaitGroup
	ready.Add(n)
	for range n {
		m := &member{jobs: make(chan func())}
		c.members = append(c.members, m)
		c.wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var done func()
			m.waited, done = threadWait()
			defer done()
			ready.Done()
			for job := range m.jobs {
				job()
			}
		})
	}
	ready.Wait()
	return c
}

// run has count members do work at once, and returns when all are done.
func (c *crew) run(count int, work func(worker int)) {
	var wg sync.WaitGroup
	wg.Add(count)
	for i, m := range c.members[:count] {
		m.jobs <- func() {
			defer wg.Done()
			work(i)
		}
	}
	wg.Wait()
}

// rest is called by a member between two pieces of work.
func (c *crew) rest(worker int) { c.members[worker].rest() }

func (m *member) rest() {
	now := time.Now()
	worked := now.Sub(m.at)
	if worked < restEvery {
		return
	}
	wait, ok := m.waited()
	if ok && worked < maxRest && wait-m.wait > worked/crowded {
		time.Sleep(min(restFactor*worked, maxRest))
	}
	m.at, m.wait = time.Now(), wait
}

// dismiss ends the crew.
func (c *crew) dismiss() {
	for _, m := range c.members {
		close(m.jobs)
	}
	c.wg.Wait()
}
