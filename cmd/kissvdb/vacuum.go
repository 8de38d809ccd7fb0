package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"syscall"
	"time"

	"github.com/kissvdb/kissvdb/node"
)

// vacuumTime is how long the answer may take: the node has its own
// REQUEST_TIMEOUT_SECS.
const vacuumTime = 24 * time.Hour

// vacuumCommand has every node give back the room of a collection's dead rows,
// or does it to the data of a node that is not running.
type vacuumCommand struct {
	Endpoint
	Storage
	Collection Collection `required:"" placeholder:"NAME" help:"The collection."`
}

// Help is the longer text of --help.
func (*vacuumCommand) Help() string {
	return "Asks the node on this machine, and all nodes do it. When none listens here and a data folder is given, the data in it is vacuumed as it lies there; the other settings of storage must be those of the node."
}

// Run implements run. It prints how much shorter the file of this node got.
func (c *vacuumCommand) Run(ctx context.Context, p *Program) error {
	client, err := newClient(&c.Endpoint)
	if err != nil {
		return err
	}
	client.http.Timeout = vacuumTime
	var answer struct {
		Reclaimed int64 `json:"reclaimed_bytes"`
	}
	err = client.get(ctx, http.MethodPost, client.home+"/v1/vector/"+string(c.Collection)+"/vacuum", &answer)
	if errors.Is(err, syscall.ECONNREFUSED) {
		if c.DataDir == "" {
			return fmt.Errorf("no node listens at %s, and no --data-dir is given to do without one", client.home)
		}
		answer.Reclaimed, err = c.offline(ctx, p)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "%s: %d bytes reclaimed\n", c.Collection, answer.Reclaimed)
	return err
}

// offline vacuums the data of a node that is not running.
func (c *vacuumCommand) offline(ctx context.Context, p *Program) (reclaimed int64, err error) {
	return node.VacuumOffline(ctx, node.Config{
		ID:     "vacuum",
		Dir:    string(c.DataDir),
		Events: c.eventConfig(),
		Logger: newLogger(p.Stderr, LogLevel(slog.LevelWarn)),
	}, string(c.Collection))
}
