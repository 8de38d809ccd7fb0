package fsm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// TestChecksumCovers: everything that is replicated changes the hash.
func TestChecksumCovers(t *testing.T) {
	ttl := put("a", "1")
	ttl.TTL = record.Some(1000)
	seen := map[string]string{}
	for name, entries := range map[string][][]byte{
		"empty":                {},
		"time":                 {entry(storeTime)},
		"item":                 {entry(storeTime, put("a", "1"))},
		"another key":          {entry(storeTime, put("b", "1"))},
		"another value":        {entry(storeTime, put("a", "2"))},
		"another revision":     {entry(storeTime, put("a", "2"), put("a", "1"))},
		"a deadline":           {entry(storeTime, ttl)},
		"a retired revision":   {entry(storeTime, put("a", "1"), put("b", "1"), del("b"))},
		"two retired":          {entry(storeTime, put("a", "1"), put("b", "1"), put("c", "1"), del("b"), del("c"))},
		"two in another order": {entry(storeTime, put("a", "1"), put("b", "1"), put("c", "1"), del("c"), del("b"))},
		"the events before":    {entry(storeTime-1, put("a", "1")), entry(storeTime)},
	} {
		f := opened(t, inMemory())
		for i, e := range entries {
			apply(t, f, uint64(i+1), e)
		}
		sum := checksum(t, f, 9)
		if other, dup := seen[sum.Hash]; dup {
			t.Errorf("%q and %q have the hash %s", name, other, sum.Hash)
		}
		seen[sum.Hash] = name
		if len(sum.Hash) != 16 || sum.Index != 9 || sum.Offset != f.Offset() {
			t.Errorf("%s: %+v", name, sum)
		}
	}
}

// TestChecksumIsOfTheWholeEntry, and of no later one.
func TestChecksumIsOfTheWholeEntry(t *testing.T) {
	a, b := opened(t, inMemory()), opened(t, inMemory())
	apply(t, a, 1, entry(storeTime, put("a", "1"), record.Checksum{}, put("b", "1")))
	apply(t, a, 2, entry(storeTime, put("c", "1")))
	apply(t, b, 1, entry(storeTime, put("a", "1"), put("b", "1"), record.Checksum{}))
	for _, f := range []*fsm.FSM{a, b} {
		if _, err := f.WaitChecksum(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if x, y := a.Checksums(), b.Checksums(); len(x) != 1 || len(y) != 1 || x[0] != y[0] || x[0].Offset != 2 {
		t.Fatalf("%+v, %+v", x, y)
	}
}

// TestChecksumsKept: the newest 16, also over a snapshot; who asks for an
// older one is told, who asks for one to come waits.
func TestChecksumsKept(t *testing.T) {
	f := opened(t, inMemory())
	for i := uint64(1); i <= 20; i++ {
		apply(t, f, 2*i, entry(storeTime, put("a", fmt.Sprint(i))))
		checksum(t, f, 2*i+1)
	}
	sums := f.Checksums()
	if len(sums) != 16 || sums[0].Index != 11 || sums[15].Index != 41 {
		t.Fatalf("%+v", sums)
	}
	if _, err := f.WaitChecksum(t.Context(), 9); !fault.Is(err, fault.NotFound) {
		t.Errorf("an old checksum: %v", err)
	}
	g := opened(t, inMemory())
	restore(t, g, snapshot(t, f))
	if got := g.Checksums(); len(got) != 16 || got[15] != sums[15] {
		t.Errorf("after a restore: %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := g.WaitChecksum(ctx, 99)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up: %v", err)
	}
}

// TestCloseEndsChecksums closes while hashes wait to be computed.
func TestCloseEndsChecksums(t *testing.T) {
	f := open(t, inMemory())
	for i := range uint64(100) {
		apply(t, f, i+1, entry(storeTime, put("a", "1"), record.Checksum{}))
	}
	done := make(chan error)
	go func() {
		_, err := f.WaitChecksum(t.Context(), 1000)
		done <- err
	}()
	closeFSM(t, f)
	if err := <-done; !errors.Is(err, fsm.ErrClosed) {
		t.Fatalf("err = %v", err)
	}
}
