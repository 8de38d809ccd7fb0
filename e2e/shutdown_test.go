package e2e

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestSIGTERMWithStreams: a node ends within 5 s whatever is open, says
// nothing wrong, and hands leadership over first.
func TestSIGTERMWithStreams(t *testing.T) {
	c := StartProcesses(t, 3)
	leader := c.Leader()
	other := c.Followers()[0]
	ended := make(chan error, 20)
	for range cap(ended) {
		s, err := leader.Stream(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer s.Close()
			for {
				if _, err := s.Next(); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	if _, _, err := leader.Set(requestContext(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	leader.Signal(syscall.SIGTERM)
	if err := leader.Wait(5 * time.Second); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	t.Logf("ended after %s", time.Since(start))
	for range cap(ended) {
		<-ended
	}
	waitFor(t, "a write after the handover", func() error {
		_, _, err := other.Set(requestContext(t), "k", "w")
		return err
	})
	t.Logf("a write was accepted %s after SIGTERM", time.Since(start))
	leader.Start()
	c.WaitReady()
}

// TestKillAllAndRestart: a power cut of everything loses nothing that was acknowledged.
func TestKillAllAndRestart(t *testing.T) {
	c := StartProcesses(t, 3)
	var last uint64
	for i := range 100 {
		var err error
		if _, last, err = c.nodes[i%3].Set(requestContext(t), fmt.Sprintf("k%d", i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range c.nodes {
		p.Kill()
	}
	start := time.Now()
	for _, p := range c.nodes {
		p.Start()
	}
	c.WaitReady()
	t.Logf("all ready after %s", time.Since(start))
	for _, p := range c.nodes {
		item, _, err := p.Get(requestContext(t), "k99", fmt.Sprintf("min_offset=%d", last))
		if err != nil || string(item.Value) != `"99"` {
			t.Errorf("%s: %s, %v", p.ID, item.Value, err)
		}
	}
	_, next, err := c.nodes[1].Set(requestContext(t), "more", "1")
	if err != nil || next != last+1 {
		t.Errorf("the next offset is %d, want %d: %v", next, last+1, err)
	}
}
