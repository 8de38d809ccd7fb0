package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
)

// set writes a value through m until it is accepted, and returns its offset.
// Only for values that may be written twice.
func (m *Member) set(key, value string) uint64 {
	m.cluster.t.Helper()
	var offset uint64
	m.cluster.wait("a write through "+m.ID, func() (err error) {
		_, offset, err = m.Set(m.cluster.ctx(), key, value)
		return err
	})
	return offset
}

// expect reads key on m no older than offset and compares its value.
func (m *Member) expect(key, value string, offset uint64) {
	m.cluster.t.Helper()
	item, at, err := m.Get(m.cluster.ctx(), key, fmt.Sprintf("min_offset=%d", offset))
	if err != nil {
		m.cluster.t.Fatalf("%s: get %s: %v", m.ID, key, err)
	}
	if got := string(item.Value); got != `"`+value+`"` || at < offset {
		m.cluster.t.Fatalf("%s: %s is %s at offset %d, want %q at %d or later", m.ID, key, got, at, value, offset)
	}
}

// expectThere reads key on m no older than offset, whatever its value.
func (m *Member) expectThere(key string, offset uint64) {
	m.cluster.t.Helper()
	if _, _, err := m.Get(m.cluster.ctx(), key, fmt.Sprintf("min_offset=%d", offset)); err != nil {
		m.cluster.t.Errorf("%s: get %s: %v", m.ID, key, err)
	}
}

func TestWriteOnFollowerReadOnAll(t *testing.T) {
	c := Start(t, 3)
	for i, m := range append(c.Followers(), c.Leader()) {
		key := fmt.Sprintf("key/%d/ñ", i)
		item, offset, err := m.Set(c.ctx(), key, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if offset != uint64(i+1) || item.Revision != 1 {
			t.Errorf("write %d through %s: offset %d, revision %d", i, m.ID, offset, item.Revision)
		}
		m.expect(key, m.ID, 0) // the node that answered has applied it
		for _, other := range c.Running() {
			other.expect(key, m.ID, offset)
			if _, _, err := other.Get(c.ctx(), key, "consistency=linearizable"); err != nil {
				t.Errorf("linearizable read on %s: %v", other.ID, err)
			}
		}
	}
	for _, m := range c.Running() {
		items, _, err := m.List(c.ctx(), url.Values{"prefix": {"key/"}, "after": {"key/0/ñ"}, "min_offset": {"3"}})
		if err != nil || len(items) != 2 || items[0].Key != "key/1/ñ" {
			t.Errorf("list on %s: %v, %v", m.ID, items, err)
		}
	}
}

// TestStaleReadIsRefused: a token nobody has reached yet is answered with
// what this node has, in bounded time.
func TestStaleReadIsRefused(t *testing.T) {
	c := Start(t, 1)
	m := c.Leader()
	offset := m.set("k", "v")
	_, at, err := m.Get(c.ctx(), "k", fmt.Sprintf("min_offset=%d&wait_ms=20", offset+1))
	var f *Failure
	if !errors.As(err, &f) || f.Status != http.StatusServiceUnavailable || f.Code != "stale_read" || at != offset {
		t.Errorf("read ahead: %v at offset %d", err, at)
	}
}

// TestRefusalsAreEqualEverywhere: what the store decides is the same through
// the leader and through a follower, and makes no event.
func TestRefusalsAreEqualEverywhere(t *testing.T) {
	c := Start(t, 3)
	offset := c.Leader().set("k", "v")
	seven := uint64(7)
	for _, m := range c.Running() {
		_, at, err := m.Put(c.ctx(), "k", Put{Value: []byte("1"), IfRevision: &seven})
		var f *Failure
		if !errors.As(err, &f) || f.Status != http.StatusConflict || f.Code != "revision_mismatch" {
			t.Errorf("%s: lost compare-and-set answers %v", m.ID, err)
		}
		if at != offset {
			t.Errorf("%s: refusal reflects offset %d, want %d", m.ID, at, offset)
		}
		if deleted, at, err := m.Delete(c.ctx(), "absent"); err != nil || deleted || at != offset {
			t.Errorf("%s: delete of an absent key: %v, offset %d, %v", m.ID, deleted, at, err)
		}
	}
}
