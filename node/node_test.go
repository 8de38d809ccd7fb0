package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/event"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// open starts a node alone and waits until it leads.
func open(t testing.TB, change func(*Config)) *Node {
	t.Helper()
	cfg := Config{
		ID: "n1", URL: "http://n1", Version: "test", Dir: t.TempDir(), PeerAddress: freeAddress(t),
		Events: event.Config{SegmentBytes: 1 << 20, Retention: 4, Ring: 64, BufferSize: 64},
	}
	if change != nil {
		change(&cfg)
	}
	n, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(timeout(t)); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, func() error { return firstError(n.Ready(timeout(t))) })
	return n
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t testing.TB, check func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

func firstError(checks []Check) error {
	for _, c := range checks {
		if c.Err != nil {
			return fmt.Errorf("%s: %w", c.Name, c.Err)
		}
	}
	return nil
}

func put(key, value string) record.StatePut {
	return record.StatePut{Key: []byte(key), Value: []byte(value)}
}

func TestState(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	res, err := n.State.Put(ctx, put("a", `{"x":1}`))
	if err != nil || res.Revision != 1 || res.Offset != 1 {
		t.Fatalf("put: %+v, %v", res, err)
	}
	item, offset, err := n.State.Get(ctx, "a", Read{})
	if err != nil || item.Value() != `{"x":1}` || offset != 1 {
		t.Fatalf("get: %+v at %d, %v", item, offset, err)
	}
	batch := record.StateBatch{Puts: []record.StatePut{put("b", "2"), put("c", "3")}}
	if res, err = n.State.Batch(ctx, batch); err != nil || len(res.Batch) != 2 || res.Offset != 3 {
		t.Fatalf("batch: %+v, %v", res, err)
	}
	items, offset, err := n.State.List(ctx, "", "a", 10, Read{Linearizable: true})
	if err != nil || len(items) != 2 || items[0].Key() != "b" || offset != 3 {
		t.Fatalf("list: %v at %d, %v", items, offset, err)
	}
	if res, err = n.State.Delete(ctx, record.StateDelete{Key: []byte("a")}); err != nil || !res.Deleted || res.Offset != 4 {
		t.Fatalf("delete: %+v, %v", res, err)
	}
	_, offset, err = n.State.Get(ctx, "a", Read{})
	if !fault.Is(err, fault.NotFound) || offset != 4 || offsetOf(err) != 4 {
		t.Fatalf("get of a deleted key: %v at %d", err, offset)
	}
	lost := put("b", "9")
	lost.IfRevision = record.Some(7)
	if _, err = n.State.Put(ctx, lost); !fault.Is(err, fault.RevisionMismatch) || offsetOf(err) != 4 {
		t.Fatalf("lost compare-and-set: %v", err)
	}
	if head, err := n.LeaderHead(ctx); err != nil || head != 4 || n.Events().Head() != 4 {
		t.Fatalf("head: %d, %v", head, err)
	}
}

func offsetOf(err error) uint64 {
	var f *fault.Error
	if errors.As(err, &f) && f.HasOffset {
		return f.Offset
	}
	return 0
}

// TestRefusedBeforeLog: what can be refused without the state never reaches
// the log.
func TestRefusedBeforeLog(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	before := n.replica.Status().LastIndex
	long := make([]byte, MaxKeyLen+1)
	many := make([]record.StatePut, record.MaxBatch+1)
	for i := range many {
		many[i] = put("k", "1")
	}
	for name, tt := range map[string]struct {
		call func() error
		want fault.Code
	}{
		"empty key":     {func() error { _, err := n.State.Put(ctx, put("", "1")); return err }, fault.InvalidArgument},
		"long key":      {func() error { _, err := n.State.Put(ctx, put(string(long), "1")); return err }, fault.InvalidArgument},
		"key not UTF-8": {func() error { _, err := n.State.Put(ctx, put("\xff", "1")); return err }, fault.InvalidArgument},
		"no value":      {func() error { _, err := n.State.Put(ctx, put("k", "")); return err }, fault.InvalidArgument},
		"huge value":    {func() error { _, err := n.State.Put(ctx, put("k", string(make([]byte, 33<<20)))); return err }, fault.PayloadTooLarge},
		"delete no key": {func() error { _, err := n.State.Delete(ctx, record.StateDelete{}); return err }, fault.InvalidArgument},
		"empty batch":   {func() error { _, err := n.State.Batch(ctx, record.StateBatch{}); return err }, fault.InvalidArgument},
		"big batch":     {func() error { _, err := n.State.Batch(ctx, record.StateBatch{Puts: many}); return err }, fault.PayloadTooLarge},
		"bad key inside": {func() error {
			_, err := n.State.Batch(ctx, record.StateBatch{Puts: []record.StatePut{put("k", "1"), put("", "1")}})
			var f *fault.Error
			if errors.As(err, &f) && (!f.HasOperation || f.Operation != 1) {
				t.Errorf("a bad operation is called number %d", f.Operation)
			}
			return err
		}, fault.InvalidArgument},
	} {
		if err := tt.call(); !fault.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if after := n.replica.Status().LastIndex; after != before {
		t.Errorf("the log went from %d to %d", before, after)
	}
}

func TestReadLevels(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	if _, err := n.State.Put(ctx, put("k", "1")); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, _, err := n.State.Get(ctx, "k", Read{MinOffset: 2, Wait: 30 * time.Millisecond})
	if !fault.Is(err, fault.StaleRead) || offsetOf(err) != 1 || time.Since(start) < 30*time.Millisecond {
		t.Errorf("read ahead: %v after %s", err, time.Since(start))
	}
	got := make(chan error, 1)
	go func() {
		item, offset, err := n.State.Get(ctx, "k", Read{MinOffset: 2})
		if err == nil && (item.Value() != "2" || offset != 2) {
			err = fmt.Errorf("%s at %d", item.Value(), offset)
		}
		got <- err
	}()
	if _, err := n.State.Put(ctx, put("k", "2")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("read that waited: %v", err)
	}
}

func TestExpire(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	for i, ttl := range []uint64{0, 60, 30, 3_600_000} {
		p := put(fmt.Sprintf("k%d", i), "1")
		p.TTL = record.Some(ttl)
		if _, err := n.State.Put(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := n.fsm.WaitOffset(ctx, 7); err != nil { // four puts, three of them gone
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("expiry took %s", took)
	}
	items, offset, err := n.State.List(ctx, "", "", 10, Read{})
	if err != nil || len(items) != 1 || items[0].Key() != "k3" || offset != 7 {
		t.Errorf("left: %v at %d, %v", items, offset, err)
	}
}

// TestExpireMany: more keys of one deadline than one record takes.
func TestExpireMany(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	const keys = 2*expireBatch + 7
	var b record.StateBatch
	for i := range keys {
		p := put(fmt.Sprintf("k%d", i), "1")
		p.TTL = record.Some(20)
		b.Puts = append(b.Puts, p)
	}
	if _, err := n.State.Batch(ctx, b); err != nil {
		t.Fatal(err)
	}
	if err := n.fsm.WaitOffset(ctx, 2*keys); err != nil {
		t.Fatal(err)
	}
	if n.Offset() != 2*keys {
		t.Errorf("offset %d, want %d", n.Offset(), 2*keys)
	}
}

func TestLowDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	n := open(t, func(c *Config) {
		c.FreeSpace = func(string) (uint64, error) {
			if f := free.Load(); f > 0 {
				return f, nil
			}
			return 0, errors.New("disk is gone")
		}
	})
	ctx := timeout(t)
	if _, err := n.State.Put(ctx, put("k", "1")); err != nil {
		t.Fatal(err)
	}
	for _, left := range []uint64{diskReserve - 1, 0} {
		free.Store(left)
		waitFor(t, func() error {
			if _, err := n.State.Put(ctx, put("k", "1")); !fault.Is(err, fault.InsufficientStorage) {
				return fmt.Errorf("with %d bytes left a write answers %v", left, err)
			}
			return nil
		})
		if _, _, err := n.State.Get(ctx, "k", Read{Linearizable: true}); err != nil {
			t.Errorf("read on a full disk: %v", err)
		}
		if firstError(n.Ready(ctx)) == nil {
			t.Error("ready on a full disk")
		}
		if err := firstError(n.Live()); err != nil {
			t.Errorf("not alive on a full disk: %v", err)
		}
		free.Store(1 << 30)
		waitFor(t, func() error { _, err := n.State.Put(ctx, put("k", "1")); return err })
	}
}

func TestChecksum(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	first, err := n.Checksum(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.State.Put(ctx, put("k", "1")); err != nil {
		t.Fatal(err)
	}
	second, err := n.Checksum(ctx)
	if err != nil || first.Hash == second.Hash || second.Offset != 1 || second.Index <= first.Index {
		t.Fatalf("%+v then %+v, %v", first, second, err)
	}
	if all := n.Checksums(); len(all) != 2 || all[1] != second {
		t.Errorf("kept: %+v", all)
	}
}

func TestAfterClose(t *testing.T) {
	n := open(t, nil)
	ctx := timeout(t)
	if err := n.Close(ctx); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := n.State.Put(short, put("k", "1")); !fault.Is(err, fault.NoLeader) {
		t.Errorf("put on a closed node: %v", err)
	}
	if _, _, err := n.State.Get(short, "k", Read{Linearizable: true}); !fault.Is(err, fault.NoLeader) {
		t.Errorf("linearizable read on a closed node: %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	n := open(b, nil)
	value := make([]byte, 256)
	for i := range value {
		value[i] = '1'
	}
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := n.State.Put(context.Background(), put(fmt.Sprint(i), string(value))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	n := open(b, nil)
	if _, err := n.State.Put(context.Background(), put("k", "1")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := n.State.Get(context.Background(), "k", Read{}); err != nil {
			b.Fatal(err)
		}
	}
}
