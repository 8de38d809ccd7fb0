package filter

import (
	"strconv"
	"strings"

	"github.com/kissvdb/kissvdb/fault"
)

// place is where $and, $or or $not stands: among the conditions of a filter,
// then it is about filters, or among the operators of a field, then it is
// about operators.
type place struct {
	path  string
	field bool
}

// String returns the place for a message: ` at "path"`, or nothing.
func (pl place) String() string {
	if !pl.field {
		return ""
	}
	return " at " + quote(pl.path)
}

// combination reads $and, $or and $not; any other name is an error.
func (p *parser) combination(pl place, name, value string, depth int) (node, error) {
	switch name {
	case "$not":
		return not(p.part(pl, name, value, depth+1))
	case "$and", "$or":
		return p.list(pl, name, value, depth+1)
	case "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains":
		return node{}, invalid("operator %s must be below the name of a field", name)
	}
	return node{}, invalid("unknown operator %s%s", bare(name), pl)
}

// list reads what $and and $or combine.
func (p *parser) list(pl place, name, value string, depth int) (node, error) {
	nd := node{op: opAnd}
	if name == "$or" {
		nd.op = opOr
	}
	if kindOf(value) != kindArray {
		return node{}, invalid("%s%s must be an array", name, pl)
	}
	for element := range elements(value) {
		kid, err := p.part(pl, name, element, depth)
		if err != nil {
			return node{}, err
		}
		nd.kids = append(nd.kids, kid)
	}
	if len(nd.kids) == 0 {
		return node{}, invalid("%s%s must not be empty", name, pl)
	}
	return nd, nil
}

// part reads one of the things that name combines.
func (p *parser) part(pl place, name, value string, depth int) (node, error) {
	if !pl.field {
		if kindOf(value) != kindObject {
			return node{}, invalid("%s takes filters, and filters are objects", name)
		}
		return p.filter(value, depth)
	}
	operators, err := hasOperators(pl.path, value)
	switch {
	case err != nil:
		return node{}, err
	case !operators:
		return node{}, invalid("%s%s takes objects of operators", name, pl)
	}
	return p.operators(pl.path, value, depth)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, format, args...)
}

// quote returns a name from outside for a message.
func quote(name string) string { return strconv.Quote(clip(name)) }

// bare is quote without the quotes, for what is meant to be an operator.
func bare(name string) string {
	quoted := quote(name)
	return quoted[1 : len(quoted)-1]
}

// clip bounds what a message repeats of a filter.
func clip(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
