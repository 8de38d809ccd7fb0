package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// usageError is a command line or an environment that can not be run. Its text
// is one line that names the flag or the variable.
type usageError struct {
	setting string // empty when the reason names it
	reason  string
}

// Error implements error.
func (e *usageError) Error() string {
	if e.setting == "" {
		return e.reason
	}
	return e.setting + ": " + e.reason
}

// fromEnvironment is the text of an environment variable on its way to its
// setting, so that a refusal can name the variable.
type fromEnvironment struct {
	variable string
	text     string
}

// environment answers kong's question for a value that no flag gave. A variable
// that is empty counts as unset, so the next one of the list is asked.
type environment map[string]string

// newEnvironment takes "NAME=value" pairs; the last of a name wins.
func newEnvironment(pairs []string) environment {
	env := make(environment, len(pairs))
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// Validate implements kong.Resolver.
func (environment) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (e environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if text := e[name]; text != "" {
			return fromEnvironment{variable: name, text: text}, nil
		}
	}
	return nil, nil
}

// leaveEnvironmentAlone stops kong from reading the process's environment on
// its own: environment does it, from values that tests can give, and names the
// variable when it refuses. The names stay in flag.Envs for the help.
func leaveEnvironmentAlone(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			flag.Tag.Envs = nil
		}
		return next(nil)
	})
}

// decoder turns text into a T by one parse function, wherever the text is from.
type decoder[T any] func(text string, tag *kong.Tag) (T, error)

// option makes d the one way to read every T of the command line.
func (d decoder[T]) option() kong.Option {
	return kong.TypeMapper(reflect.TypeFor[T](), d)
}

// Decode implements kong.Mapper.
func (d decoder[T]) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	setting := ctx.Value.ShortSummary()
	text := "true"
	if !d.IsBool() || ctx.Scan.Peek().Type == kong.FlagValueToken {
		token := ctx.Scan.Pop()
		if token.IsEOL() || token.Type != kong.FlagValueToken && strings.HasPrefix(token.String(), "--") {
			return &usageError{setting: setting, reason: "needs a value"}
		}
		switch value := token.Value.(type) {
		case fromEnvironment:
			setting, text = value.variable, value.text
		default:
			text = fmt.Sprint(value)
		}
	}
	value, err := d(text, ctx.Value.Tag)
	if err != nil {
		return &usageError{setting: setting, reason: err.Error()}
	}
	target.Set(reflect.ValueOf(value))
	return nil
}

// IsBool implements kong.BoolMapper: a switch needs no value.
func (d decoder[T]) IsBool() bool { return reflect.TypeFor[T]().Kind() == reflect.Bool }

// decoders lists how each kind of value is read.
func decoders() []kong.Option {
	return []kong.Option{
		decoder[int64](parseWhole).option(),
		decoder[bool](parseSwitch).option(),
		decoder[Text](parseText).option(),
		decoder[Secret](parseSecret).option(),
		decoder[Host](parseHost).option(),
		decoder[HostPort](parseHostPort).option(),
		decoder[NodeID](parseNodeID).option(),
		decoder[Collection](parseCollection).option(),
		decoder[AdvertisedURL](parseURL).option(),
		decoder[Origins](parseOrigins).option(),
		decoder[Members](parseMembers).option(),
		decoder[Peers](parsePeers).option(),
		decoder[LogLevel](parseLogLevel).option(),
	}
}
