package replication

import (
	"path/filepath"
	"testing"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

func openBolt(t *testing.T, path string) *raftboltdb.BoltStore {
	t.Helper()
	b, err := raftboltdb.NewBoltStore(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIdentitySurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stable.db")
	cluster := newClusterID()
	for boot := uint64(1); boot <= 3; boot++ {
		store := openBolt(t, path)
		id, err := openIdentity(store, "n1")
		if err != nil {
			t.Fatal(err)
		}
		if got := id.start().Boot; got != boot {
			t.Fatalf("boot number %d, want %d", got, boot)
		}
		if boot == 1 {
			if err := id.setCluster(cluster); err != nil {
				t.Fatal(err)
			}
			if _, err := id.meet("n2", start{Boot: 7, Nonce: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if id.cluster() != cluster || id.remembered("n2") != 7 {
			t.Fatalf("cluster %s, n2 at boot %d", id.cluster(), id.remembered("n2"))
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdentityRefusesAnotherNodeAndCluster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stable.db")
	store := openBolt(t, path)
	defer store.Close()
	id, err := openIdentity(store, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := id.setCluster(newClusterID()); err != nil {
		t.Fatal(err)
	}
	if err := id.setCluster(newClusterID()); err == nil {
		t.Fatal("the directory changed clusters")
	}
	if _, err := openIdentity(store, "n2"); err == nil {
		t.Fatal("n2 opened the directory of n1")
	}
}

// TestIdentityMeet walks the ways a peer may come back.
func TestIdentityMeet(t *testing.T) {
	store := openBolt(t, filepath.Join(t.TempDir(), "stable.db"))
	defer store.Close()
	id, err := openIdentity(store, "n1")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		s    start
		ok   bool
	}{
		{"first start", start{1, 10}, true},
		{"the same start again", start{1, 10}, true},
		{"wiped: the same number, another start", start{1, 11}, false},
		{"restart", start{2, 12}, true},
		{"another restart", start{3, 13}, true},
		{"an older copy that comes to the same number", start{3, 14}, false},
		{"an older copy", start{2, 15}, false},
		{"raised above what was seen", start{4, 15}, true},
	} {
		ok, err := id.meet("n2", step.s)
		if err != nil || ok != step.ok {
			t.Fatalf("%s: ok = %v, err = %v, want %v", step.name, ok, err, step.ok)
		}
	}
	if err := id.raiseBoot(9); err != nil || id.start().Boot != 10 {
		t.Fatalf("boot %d after raising above 9 (%v)", id.start().Boot, err)
	}
}

func TestFoundingHashIgnoresOrder(t *testing.T) {
	a := []Member{{"n1", "h1:1"}, {"n2", "h2:1"}}
	b := []Member{{"n2", "h2:1"}, {"n1", "h1:1"}}
	c := []Member{{"n1", "h1:1"}, {"n2", "h2:2"}}
	if foundingHash(a) != foundingHash(b) || foundingHash(a) == foundingHash(c) {
		t.Fatal("the founding hash must depend on the members only")
	}
	if foundingHash(nil) != ([8]byte{}) {
		t.Fatal("no list, no hash")
	}
}
