package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
)

// statusCommand prints what the node on this machine knows of all nodes.
type statusCommand struct {
	Endpoint
	JSON bool `name:"json" help:"Print the answer of GET /v1/cluster as it is."`
}

// clusterView is the answer of GET /v1/cluster.
type clusterView struct {
	Cluster string
	Node    string
	Leader  *string
	Term    uint64
	Members []memberView
}

type memberView struct {
	ID            string
	URL           string
	Address       string
	Voter         bool
	Role          string
	Reachable     bool
	AppliedOffset uint64 `json:"applied_offset"`
	Lag           uint64
	Version       string
}

// Run implements run. It fails when the node does not answer.
func (c *statusCommand) Run(ctx context.Context, p *Program) error {
	client, err := newClient(&c.Endpoint)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := client.get(ctx, http.MethodGet, client.home+"/v1/cluster", &answer); err != nil {
		return err
	}
	if c.JSON {
		_, err := fmt.Fprintf(p.Stdout, "%s\n", answer)
		return err
	}
	var view clusterView
	if err := json.Unmarshal(answer, &view); err != nil {
		return fmt.Errorf("GET /v1/cluster: %w", err)
	}
	return view.print(p.Stdout)
}

func (v *clusterView) print(w io.Writer) error {
	leader := "none"
	if v.Leader != nil {
		leader = *v.Leader
	}
	fmt.Fprintf(w, "cluster %s, leader %s, term %d, as seen by %s\n\n", v.Cluster, leader, v.Term, v.Node)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tROLE\tVOTER\tREACHABLE\tOFFSET\tLAG\tURL\tPEER ADDRESS\tVERSION")
	for _, m := range v.Members {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.Role, yes(m.Voter), yes(m.Reachable),
			m.known(m.AppliedOffset), m.known(m.Lag), m.URL, m.Address, m.Version)
	}
	return table.Flush()
}

// known prints a figure that only a member that answers can have.
func (m *memberView) known(figure uint64) string {
	if !m.Reachable {
		return "-"
	}
	return fmt.Sprint(figure)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}
