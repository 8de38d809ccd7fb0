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
	Op          string        `enum:"put,get,mixed,stream" default:"put" help:"What to do: put, get, mixed or stream."`
	To          string        `enum:"leader,all" default:"leader" help:"Which nodes take the requests or the streams: leader, or all endpoints in turn."`
	Consistency string        `enum:"local,linearizable" default:"local" help:"Of the gets: local or linearizable."`
	Clients     int64         `default:"64" max:"100000" help:"Connections, each with one request at a time or one stream."`
	Duration    time.Duration `default:"5s" help:"How long to measure, after a warm-up of a second."`
	ValueBytes  int64         `default:"256" max:"16777216" help:"Size of a value."`
	Keys        int64         `default:"100000" max:"99999999" help:"How many different keys. They are written first for get and mixed, and stay."`
	Rate        int64         `default:"200" min:"0" max:"100000" help:"Writes per second beside the streams; 0 leaves them idle."`
}

const benchWarmUp = time.Second

// Run implements run. It fails when something could not be measured, and when
// a stream lost or doubled an event.
func (c *benchCommand) Run(ctx context.Context, p *Program) error {
	if c.Duration <= 0 {
		return &usageError{"--duration", "must be above zero"}
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
