package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// healthCommand asks the node that the same settings would start.
type healthCommand struct {
	Endpoint
	Ready bool `help:"Ask whether it should be sent requests, not only whether it works."`
}

// Run implements run. It fails when the node does not answer or is not well.
func (c *healthCommand) Run(ctx context.Context, p *Program) error {
	client, err := newClient(&c.Endpoint)
	if err != nil {
		return err
	}
	path := "/livez"
	if c.Ready {
		path = "/readyz"
	}
	status, answer, err := client.call(ctx, http.MethodGet, client.home+path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return errors.New(failedChecks(string(answer)))
	}
	_, err = fmt.Fprint(p.Stdout, string(answer))
	return err
}

// failedChecks makes one line of the checks that did not pass.
func failedChecks(answer string) string {
	var failed []string
	for line := range strings.Lines(answer) {
		if check, found := strings.CutPrefix(strings.TrimSpace(line), "[-]"); found {
			failed = append(failed, check)
		}
	}
	if len(failed) == 0 {
		return "not well: " + strings.TrimSpace(answer)
	}
	return strings.Join(failed, "; ")
}
