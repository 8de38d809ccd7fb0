package filter

import (
	"slices"
	"strings"
)

// What a filter may hold. The work of matching is in proportion to it.
const (
	maxDepth      = 32   // filters and operators inside one another
	maxConditions = 1024 // conditions, and values of $in and $nin
	maxPaths      = 64   // different ones
)

// Parse reads a filter from a JSON value that was checked: valid syntax and
// UTF-8, no name twice in an object. One that is no object makes a Filter that
// matches nothing. The error is a *fault.Error with code InvalidArgument.
func Parse(raw []byte) (*Filter, error) {
	s := scanner{text: string(raw)}
	if s.peek() != '{' {
		return &Filter{}, nil
	}
	p := parser{}
	root, err := p.filter(s.value(), 1)
	if err != nil {
		return nil, err
	}
	return &Filter{root: root, wants: p.wants}, nil
}

type parser struct {
	wants      []want // a slot per path
	conditions int
}

// filter reads an object whose names are paths, $and, $or and $not.
func (p *parser) filter(object string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, invalid("filter nests more than %d deep", maxDepth)
	}
	var all []node
	for s := (scanner{text: object}); s.next(); {
		var (
			name  = s.name()
			value = s.value()
			nd    node
			err   error
		)
		if isOperator(name) {
			nd, err = p.combination(place{}, name, value, depth)
		} else {
			nd, err = p.field(name, value, depth)
		}
		if err != nil {
			return node{}, err
		}
		all = append(all, nd)
	}
	if len(all) == 0 {
		all = append(all, node{op: opObject})
		if err := p.count(); err != nil {
			return node{}, err
		}
	}
	return and(all), nil
}

// field reads what a path must be: an object of operators, or a value.
func (p *parser) field(path, value string, depth int) (node, error) {
	operators, err := hasOperators(path, value)
	switch {
	case err != nil:
		return node{}, err
	case operators:
		return p.operators(path, value, depth)
	}
	return p.equal(path, value)
}

// hasOperators tells whether a value is an object of operators. One that mixes
// them with other names is an error.
func hasOperators(path, value string) (bool, error) {
	if kindOf(value) != kindObject {
		return false, nil
	}
	var operator, other string
	plain := false // other is set, perhaps to the empty name
	for s := (scanner{text: value}); s.next(); s.value() {
		if name := s.name(); isOperator(name) {
			operator = name
		} else {
			other, plain = name, true
		}
	}
	if operator != "" && plain {
		return false, invalid("filter mixes operator %s and name %s at %s", bare(operator), quote(other), quote(path))
	}
	return operator != "", nil
}

func isOperator(name string) bool { return strings.HasPrefix(name, "$") }

// operators reads an object of operators, all of which must hold at path.
func (p *parser) operators(path, object string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, invalid("filter nests more than %d deep at %s", maxDepth, quote(path))
	}
	var all []node
	for s := (scanner{text: object}); s.next(); {
		name := s.name()
		nd, err := p.operator(path, name, s.value(), depth)
		if err != nil {
			return node{}, err
		}
		all = append(all, nd)
	}
	if len(all) > 1 && !slices.ContainsFunc(all, func(nd node) bool { return !nd.compares() }) {
		return node{op: opRange, kids: all, path: path, slot: all[0].slot}, nil
	}
	return and(all), nil
}

// compares tells whether a node is an operator that compares.
func (nd *node) compares() bool { return nd.op >= opGreater && nd.op <= opLessEqual }

func (p *parser) operator(path, name, value string, depth int) (node, error) {
	switch name {
	case "$eq":
		return p.equal(path, value)
	case "$ne":
		return not(p.equal(path, value))
	case "$gt":
		return p.order(opGreater, path, value)
	case "$gte":
		return p.order(opGreaterEqual, path, value)
	case "$lt":
		return p.order(opLess, path, value)
	case "$lte":
		return p.order(opLessEqual, path, value)
	case "$in":
		return p.in(path, name, value)
	case "$nin":
		return not(p.in(path, name, value))
	case "$exists":
		return p.exists(path, value)
	case "$contains":
		nd, err := p.condition(opContains, path)
		nd.values = []string{canonical(value)}
		return nd, err
	}
	return p.combination(place{path: path, field: true}, name, value, depth)
}

// condition makes a node of one condition on the value at path.
func (p *parser) condition(op op, path string) (node, error) {
	if err := p.count(); err != nil {
		return node{}, err
	}
	slot := 0
	for slot < len(p.wants) && p.wants[slot].path != path {
		slot++
	}
	if slot == maxPaths {
		return node{}, invalid("filter names more than %d fields, such as %s", maxPaths, quote(path))
	}
	if slot == len(p.wants) {
		p.wants = append(p.wants, want{path: path, slot: slot})
	}
	return node{op: op, path: path, slot: slot}, nil
}

// count counts one more condition or value.
func (p *parser) count() error {
	if p.conditions++; p.conditions > maxConditions {
		return invalid("filter has more than %d conditions and values", maxConditions)
	}
	return nil
}

func (p *parser) equal(path, value string) (node, error) {
	nd, err := p.condition(opEqual, path)
	nd.values = []string{canonical(value)}
	return nd, err
}

func (p *parser) order(op op, path, value string) (node, error) {
	nd, err := p.condition(op, path)
	nd.operand = newOperand(value)
	return nd, err
}

func (p *parser) exists(path, value string) (node, error) {
	if kindOf(value) != kindBool {
		return node{}, invalid("$exists at %s must be true or false", quote(path))
	}
	nd, err := p.condition(opExists, path)
	if value == "false" {
		return not(nd, err)
	}
	return nd, err
}

func (p *parser) in(path, name, value string) (node, error) {
	if kindOf(value) != kindArray {
		return node{}, invalid("%s at %s must be an array", name, quote(path))
	}
	nd, err := p.condition(opIn, path)
	if err != nil {
		return node{}, err
	}
	nd.set = make(map[string]struct{})
	for element := range elements(value) {
		if err := p.count(); err != nil {
			return node{}, err
		}
		form := canonical(element)
		if _, twice := nd.set[form]; !twice {
			nd.set[form] = struct{}{}
			nd.values = append(nd.values, form)
		}
	}
	return nd, nil
}

func and(all []node) node {
	if len(all) == 1 {
		return all[0]
	}
	return node{op: opAnd, kids: all}
}

func not(nd node, err error) (node, error) {
	return node{op: opNot, kids: []node{nd}}, err
}
