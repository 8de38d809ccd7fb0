package filter

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// The naive evaluator says the same as Match with other means: it decodes
// filter and document, walks over maps and slices, and compares fractions.

// decode decodes a valid JSON text; empty is null.
func decode(t testing.TB, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// naiveFilter evaluates a filter that Parse takes.
func naiveFilter(filter, doc any) bool {
	conditions, ok := filter.(map[string]any)
	if !ok {
		return false
	}
	if len(conditions) == 0 {
		_, object := doc.(map[string]any)
		return object
	}
	all := true
	for name, condition := range conditions {
		switch name {
		case "$and", "$or":
			all = all && naiveList(name, condition, func(part any) bool { return naiveFilter(part, doc) })
		case "$not":
			all = all && !naiveFilter(condition, doc)
		default:
			value, found := naiveLookup(doc, name)
			all = all && naiveField(condition, value, found)
		}
	}
	return all
}

func naiveList(name string, parts any, holds func(part any) bool) bool {
	for _, part := range parts.([]any) {
		if holds(part) == (name == "$or") {
			return name == "$or"
		}
	}
	return name == "$and"
}

func naiveLookup(doc any, path string) (any, bool) {
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, false
	}
	if value, found := object[path]; found {
		return value, true
	}
	head, rest, dotted := strings.Cut(path, ".")
	if !dotted {
		return nil, false
	}
	return naiveLookup(object[head], rest)
}

func naiveField(condition, value any, found bool) bool {
	operators, ok := condition.(map[string]any)
	for name := range operators {
		ok = ok && name != "" && name[0] == '$'
	}
	if !ok || len(operators) == 0 {
		return found && naiveEqual(condition, value)
	}
	all := true
	for name, operand := range operators {
		all = all && naiveOperator(name, operand, value, found)
	}
	return all
}

func naiveOperator(name string, operand, value any, found bool) bool {
	switch name {
	case "$not":
		return !naiveField(operand, value, found)
	case "$and", "$or":
		return naiveList(name, operand, func(part any) bool { return naiveField(part, value, found) })
	case "$exists":
		return found == operand
	case "$ne":
		return !naiveOperator("$eq", operand, value, found)
	case "$nin":
		return !naiveOperator("$in", operand, value, found)
	}
	if !found {
		return false
	}
	switch name {
	case "$eq":
		return naiveEqual(operand, value)
	case "$in":
		return naiveHas(operand, value)
	case "$contains":
		return naiveHas(value, operand)
	}
	order, ok := naiveOrder(value, operand)
	switch name {
	case "$gt":
		return ok && order > 0
	case "$gte":
		return ok && order >= 0
	case "$lt":
		return ok && order < 0
	case "$lte":
		return ok && order <= 0
	}
	panic("no operator " + name)
}

func naiveHas(array, value any) bool {
	elements, _ := array.([]any)
	for _, element := range elements {
		if naiveEqual(element, value) {
			return true
		}
	}
	return false
}

func naiveOrder(a, b any) (int, bool) {
	switch a := a.(type) {
	case json.Number:
		if b, ok := b.(json.Number); ok {
			return naiveNumbers(string(a), string(b)), true
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b), true
		}
	}
	return 0, false
}

func naiveEqual(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			value, found := b[name]
			if !found || !naiveEqual(a[name], value) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !naiveEqual(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		order, ok := naiveOrder(a, b)
		return ok && order == 0
	}
	return a == b // null, booleans and strings
}

// naiveNumbers compares two numbers, each a whole number times a power of ten,
// as fractions, once the powers are made small.
func naiveNumbers(a, b string) int {
	m, e := naiveParts(a)
	n, f := naiveParts(b)
	if m.Sign() != n.Sign() || m.Sign() == 0 {
		return compareInts(m.Sign(), n.Sign())
	}
	e.Sub(e, f)
	enough := big.NewInt(int64(len(a) + len(b)))
	if e.CmpAbs(enough) > 0 { // more than the digits can make up for
		return e.Sign() * m.Sign()
	}
	power := new(big.Int).Exp(big.NewInt(10), new(big.Int).Abs(e), nil)
	x, y := new(big.Rat).SetInt(m), new(big.Rat).SetInt(n)
	if e.Sign() >= 0 {
		x.Mul(x, new(big.Rat).SetInt(power))
	} else {
		y.Mul(y, new(big.Rat).SetInt(power))
	}
	return x.Cmp(y)
}

func naiveParts(text string) (mantissa, exponent *big.Int) {
	digits, power, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(digits, ".")
	mantissa, _ = new(big.Int).SetString(whole+fraction, 10)
	exponent = new(big.Int)
	if power != "" {
		exponent.SetString(power, 10)
	}
	return mantissa, exponent.Sub(exponent, big.NewInt(int64(len(fraction))))
}
