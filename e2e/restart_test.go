package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/node"
)

func TestFullRestart(t *testing.T) {
	c := Start(t, 3)
	var offset uint64
	for i := range 50 {
		offset = c.members[i%3].set(fmt.Sprintf("k%d", i%20), fmt.Sprint(i))
	}
	cluster, err := c.members[0].Cluster(c.ctx())
	c.must(err)
	for round := range 2 {
		for _, m := range c.members {
			if round == 0 {
				m.Stop()
			} else {
				m.Crash()
			}
		}
		for _, m := range c.members {
			m.Restart()
		}
		c.WaitApplied(offset)
		for _, m := range c.members {
			m.expect("k9", "49", offset)
		}
		next := c.Leader().set("after", fmt.Sprint(round))
		if next != offset+1 {
			t.Fatalf("first offset after restart %d is %d, want %d", round, next, offset+1)
		}
		offset = next
	}
	after, err := c.members[0].Cluster(c.ctx())
	c.must(err)
	if after.Cluster == "" || after.Cluster != cluster.Cluster {
		t.Errorf("cluster id was %q and is %q", cluster.Cluster, after.Cluster)
	}
}

// TestOneNode is the smallest cluster: the same code, a majority of one.
func TestOneNode(t *testing.T) {
	c := Start(t, 1)
	m := c.Leader()
	offset := m.set("k", "v")
	m.Crash()
	m.Restart()
	c.Leader()
	c.WaitApplied(offset)
	m.expect("k", "v", offset)
	if next := m.set("k", "w"); next != offset+1 {
		t.Errorf("offset after restart is %d, want %d", next, offset+1)
	}
}

// TestMemoryOnly has no directory, and no peer port to speak of.
func TestMemoryOnly(t *testing.T) {
	c := Start(t, 1, Options{Node: func(cfg *node.Config) { cfg.Dir, cfg.Peers, cfg.Events.Dir = "", nil, "" }})
	m := c.Leader()
	m.expect("k", "v", m.set("k", "v"))
}

// TestStartIsRefused: a data directory that cannot be this node's stops the
// start with the reason.
func TestStartIsRefused(t *testing.T) {
	c := Start(t, 1)
	m := c.Leader()
	refused := func(name, want string, change func(*node.Config)) {
		t.Helper()
		cfg := m.config
		change(&cfg)
		n, err := node.Open(cfg)
		if err == nil {
			n.Close(context.Background())
			t.Errorf("%s: the node started", name)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: refused with %q, which does not say %q", name, err, want)
		}
	}
	refused("locked directory", "in use", func(*node.Config) {})
	m.Stop()
	refused("directory of another node", `"n1"`, func(cfg *node.Config) {
		cfg.ID, cfg.Peers = "n9", []node.Peer{{ID: "n9", Address: cfg.PeerAddress}}
	})
	refused("no room", "256 MiB", func(cfg *node.Config) {
		cfg.FreeSpace = func(string) (uint64, error) { return 255 << 20, nil }
	})
	refused("directory is a file", "directory", func(cfg *node.Config) {
		cfg.Dir = t.TempDir() + "/file"
		c.must(os.WriteFile(cfg.Dir, nil, 0o600))
	})
	m.Restart() // and none of that has harmed it
	c.Leader()
}
