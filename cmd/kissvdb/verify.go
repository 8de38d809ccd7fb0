package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	verifyTimeout = 30 * time.Second
	verifyPause   = 100 * time.Millisecond
)

// verifyCommand lets every node hash its data at the same place of the log and
// compares the hashes.
type verifyCommand struct {
	Endpoint
}

// checksumView is one checksum of a node.
type checksumView struct {
	Index  uint64
	Offset uint64
	Hash   string
}

// Run implements run. It fails when the data of two nodes differ, and when a
// node could not be asked.
func (c *verifyCommand) Run(ctx context.Context, p *Program) error {
	client, err := newClient(&c.Endpoint)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	var view clusterView
	if err := client.get(ctx, http.MethodGet, client.home+"/v1/cluster", &view); err != nil {
		return err
	}
	var want checksumView
	if err := client.get(ctx, http.MethodPost, client.home+"/v1/cluster/checksum", &want); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "offset %d, hash %s\n\n", want.Offset, want.Hash)
	table := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	var failed []string
	for _, member := range view.Members {
		verdict := "equal"
		if err := client.compare(ctx, member, want); err != nil {
			verdict = err.Error()
			failed = append(failed, member.ID)
		}
		fmt.Fprintf(table, "%s\t%s\n", member.ID, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("not equal, or not known: %s", strings.Join(failed, ", "))
	}
	return nil
}

// compare waits until the member has a checksum for the index of want.
func (c *client) compare(ctx context.Context, member memberView, want checksumView) error {
	if member.URL == "" {
		return errors.New("its URL is not known")
	}
	for {
		var sums []checksumView
		if err := c.get(ctx, http.MethodGet, member.URL+"/v1/cluster/checksum", &sums); err != nil {
			return err
		}
		for _, sum := range sums {
			if sum.Index != want.Index {
				continue
			}
			if sum != want {
				return fmt.Errorf("DIFFERENT: offset %d, hash %s", sum.Offset, sum.Hash)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("did not reach that place of the log in time")
		case <-time.After(verifyPause):
		}
	}
}
