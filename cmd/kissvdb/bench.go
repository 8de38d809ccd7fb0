package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/kissvdb/kissvdb/cmd/kissvdb/bench"
)

// benchCommand loads a running cluster and prints how it did.
type benchCommand struct {
	Endpoints   string        `default:"http://127.0.0.1:9917" placeholder:"URL,..." help:"Nodes of the cluster."`
	APIKey      Secret        `env:"RUSTKISS_API_KEY,API_KEY" placeholder:"KEY" help:"Key of the API."`
	Op          string        `enum:"put,get,mixed,stream,ingest,search" default:"put" help:"What to do: put, get, mixed or stream; or ingest or search vectors."`
	To          string        `enum:"leader,all" default:"leader" help:"Which nodes take the requests or the streams: leader, or all endpoints in turn."`
	Consistency string        `enum:"local,linearizable" default:"local" help:"Of the gets: local or linearizable."`
	Clients     int64         `default:"64" max:"100000" help:"Connections, each with one request at a time or one stream."`
	Duration    time.Duration `default:"5s" help:"How long to measure, after a warm-up of a second."`
	ValueBytes  int64         `default:"256" max:"16777216" help:"Size of a value."`
	Keys        int64         `default:"100000" max:"99999999" help:"How many different keys or vectors. They are written first for get, mixed and search, and stay."`
	Rate        int64         `default:"200" min:"0" max:"100000" help:"Writes per second beside the streams; 0 leaves them idle."`
	PID         []int         `name:"pid" placeholder:"PID" help:"Server processes on this machine whose processor time is shown (Linux)."`

	Collection  string        `default:"bench" help:"Of the vectors; it is made when it is not there."`
	Data        string        `placeholder:"DIR/SET" help:"Vectors of SET.base.vf32, SET.query.vf32 and SET.truth.vgt instead of made-up ones; search shows the recall then."`
	Dim         int64         `default:"384" max:"65536" help:"Dimension of made-up vectors."`
	Batch       int64         `default:"128" max:"4096" help:"Vectors of a write. The nodes limit it, and the bytes of a request."`
	Base64      bool          `name:"base64" help:"Send vectors as base64 instead of numbers."`
	SkipLoad    bool          `help:"Search without writing the vectors first: they are there."`
	Settle      time.Duration `default:"5m" help:"How long graphs may take before searches are measured without."`
	K           int64         `name:"k" default:"10" max:"4096" help:"Hits of a search."`
	Ef          int64         `min:"0" max:"65536" default:"0" help:"Candidates of a search; 0 is the node's choice."`
	Selectivity float64       `default:"1" help:"Part of the vectors that the filter of a search matches, in thousandths; 1 is no filter."`
}

const benchWarmUp = time.Second

// Run implements run. It fails when something could not be measured, and when
// a stream lost or doubled an event.
func (c *benchCommand) Run(ctx context.Context, p *Program) error {
	switch {
	case c.Duration <= 0:
		return &usageError{"--duration", "must be above zero"}
	case c.Settle < 0:
		return &usageError{"--settle", "must not be negative"}
	case !(c.Selectivity > 0 && c.Selectivity <= 1):
		return &usageError{"--selectivity", "must be above 0 and at most 1"}
	}
	report, err := bench.Run(ctx, bench.Config{
		Endpoints:   strings.Split(c.Endpoints, ","),
		Key:         string(c.APIKey),
		Op:          c.Op,
		To:          c.To,
		Consistency: c.Consistency,
		Clients:     int(c.Clients),
		WarmUp:      benchWarmUp,
		Duration:    c.Duration,
		ValueBytes:  int(c.ValueBytes),
		Keys:        int(c.Keys),
		Rate:        int(c.Rate),
		PIDs:        c.PID,
		Vectors: bench.Vectors{
			Collection:  c.Collection,
			Data:        c.Data,
			Dim:         int(c.Dim),
			Batch:       int(c.Batch),
			Base64:      c.Base64,
			SkipLoad:    c.SkipLoad,
			Settle:      c.Settle,
			K:           int(c.K),
			Ef:          int(c.Ef),
			Selectivity: c.Selectivity,
		},
	})
	if err != nil {
		return err
	}
	if err := report.Print(p.Stdout); err != nil {
		return err
	}
	switch {
	case report.Done == 0 && c.Op != bench.OpStream:
		return errors.New("no request succeeded")
	case report.Missing+report.Doubled > 0:
		return errors.New("events were lost or doubled")
	}
	return nil
}
