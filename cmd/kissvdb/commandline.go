package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

const description = "A replicated store of keys and vectors with a resumable stream of every change, in one binary."

// commandLine is the grammar: the verbs with their flags.
type commandLine struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Run one node (also without any verb)."`
	Dev     devCommand     `cmd:"" help:"Run a whole cluster on this machine."`
	Health  healthCommand  `cmd:"" help:"Ask the node on this machine whether it is well."`
	Status  statusCommand  `cmd:"" help:"Show every node of the cluster."`
	Verify  verifyCommand  `cmd:"" help:"Compare the data of all nodes by checksum."`
	Vacuum  vacuumCommand  `cmd:"" help:"Give back the room of points that are gone."`
	Bench   benchCommand   `cmd:"" help:"Measure a running cluster."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// run is what every verb implements.
type run interface {
	Run(ctx context.Context, p *Program) error
}

// parse reads the command line and the environment. It returns the chosen
// verb, or nil when it printed the help instead. Errors are usage errors of
// one line.
func parse(args []string, env environment, stdout io.Writer) (verb run, err error) {
	var grammar commandLine
	helped := false
	parser, err := newParser(&grammar, env, stdout, func(int) { helped = true })
	if err != nil {
		return nil, err
	}
	chosen, err := parser.Parse(args)
	if helped {
		return nil, nil
	}
	if err == nil {
		err = refuseTwoBinds(chosen)
	}
	if err != nil {
		return nil, oneLine(err)
	}
	return chosen.Selected().Target.Addr().Interface().(run), nil
}

func newParser(grammar *commandLine, env environment, stdout io.Writer, exit func(int)) (*kong.Kong, error) {
	options := append(decoders(),
		kong.Name("kissvdb"),
		kong.Description(description),
		kong.Writers(stdout, stdout),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 120}),
		kong.ValueFormatter(withVariables),
		kong.Help(printHelp),
		kong.Resolvers(env),
	)
	parser, err := kong.New(grammar, options...)
	if err != nil {
		return nil, err
	}
	return parser, leaveEnvironmentAlone(parser)
}

// withVariables is the help of a flag with the variables that set it too.
func withVariables(value *kong.Value) string {
	if value.Flag == nil || len(value.Flag.Envs) == 0 {
		return value.Help
	}
	return value.Help + " ($" + strings.Join(value.Flag.Envs, ", then $") + ")"
}

// printHelp prints the help of one verb, or of the program: the verbs, and
// below them the settings of serve, which is the verb when none is given.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serve, err := kong.Trace(ctx.Kong, []string{"serve"})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(ctx.Stdout); err != nil {
		return err
	}
	return kong.DefaultHelpPrinter(options, serve)
}

// refuseTwoBinds refuses both flags that say where to listen. Beside a
// variable the flag wins, as always.
func refuseTwoBinds(ctx *kong.Context) error {
	given := 0
	for _, element := range ctx.Path {
		if element.Flag != nil && !element.Resolved && (element.Flag.Name == "bind" || element.Flag.Name == "unsafe-bind") {
			given++
		}
	}
	if given > 1 {
		return &usageError{"--bind, --unsafe-bind", "give one of them, once"}
	}
	return nil
}

// oneLine makes any refusal of the parser a usageError of one line.
func oneLine(err error) error {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage
	}
	return &usageError{reason: strings.Join(strings.Fields(err.Error()), " ")}
}
