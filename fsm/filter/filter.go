// Package filter is the one filter language for documents and vectors, and an
// inverted index that answers it.
//
// A filter is a JSON object. Each of its members is a condition, and all of
// them must hold:
//
//	{"name": value}               the field is there and equals value
//	{"name": {"$op": value, ...}} all of the operators hold for the field
//	{"$and": [filter, ...]}       every filter matches; at least one is given
//	{"$or":  [filter, ...]}       one of the filters matches; at least one is given
//	{"$not": filter}              the filter does not match
//	{}                            the document is an object
//
// The operators of a field:
//
//	$eq $ne                       equal to the value, or not
//	$gt $gte $lt $lte             both are numbers, or both are strings, and in that order
//	$in $nin                      equal to an element of the array, or to none
//	$exists                       true: the field is there (it may be null); false: it is not
//	$contains                     the field is an array with an element equal to the value
//	$not                          {"$op": value, ...} does not hold
//	$and $or                      [{"$op": value, ...}, ...]: all of them hold, or one of them
//
// $ne, $nin and $not are complements: they match a document without the field,
// too, be it an object or not.
//
// Equality is that of JSON values: numbers are equal when they are the same
// decimal number (1, 1.0 and 10e-1), whatever their size, strings when they
// have the same bytes once escapes are undone, objects whatever the order of
// their members. Order is that of decimal numbers, and that of the bytes of
// strings. What equality compares with is always a plain value: $eq, $ne, $in,
// $nin and $contains take objects with names that start with $, too.
//
// An object value is taken for operators if one of its names starts with $;
// then all of them must.
//
// A name is a path: names of fields joined by dots, into objects. If an object
// has a field whose very name is what is left of the path, dots included, it
// is that field; else the first name of the path leads on. Paths do not lead
// into arrays. A field whose name starts with $ cannot be named first.
package filter

import "unsafe"

// Filter is a parsed filter. It is immutable: any number of goroutines may use
// it. A nil Filter matches every document, the zero Filter none.
type Filter struct {
	root  node
	wants []want // a value per path that root names
}

// op says what a node asks. The operators that are complements are an opNot
// around another node.
type op uint8

const (
	opNothing op = iota // matches no document: the node of a zero Filter

	// Of nodes below.
	opAnd
	opOr
	opNot // of one node

	// Of the document.
	opObject // it is an object

	// Of the value at a path. None holds where there is no value.
	opExists
	opEqual
	opIn
	opContains
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opRange // all of its kids hold, which compare this value
)

// node is one condition, or a combination of nodes.
type node struct {
	op   op
	kids []node // of opAnd, opOr, opNot and opRange

	path string // of conditions on a value
	slot int    // which of the filter's wants the path is

	values  []string            // canonical: one for opEqual and opContains, any number for opIn
	set     map[string]struct{} // the values of opIn
	operand operand             // of the operators that compare
}

// Match tells whether doc, which is valid JSON or empty for null, matches.
func (f *Filter) Match(doc []byte) bool {
	// Nothing that is read from the text outlives the call.
	return f.MatchString(unsafe.String(unsafe.SliceData(doc), len(doc)))
}

// MatchString is Match for a document in a string.
func (f *Filter) MatchString(doc string) bool {
	if f == nil {
		return true
	}
	const few = 4 // paths, whose values need no memory of their own
	var (
		values [few]string
		levels [few]int
		w      = walk{values: values[:], levels: levels[:], open: len(f.wants)}
	)
	if len(f.wants) > few {
		w.values, w.levels = make([]string, len(f.wants)), make([]int, len(f.wants))
	}
	s := scanner{text: doc}
	object := s.peek() == '{'
	if object && len(f.wants) > 0 {
		w.object(&s, f.wants, 0)
	}
	return f.root.match(w.values, object)
}

// match evaluates a node on a document: the value of each slot, empty where
// there is none, and whether the document is an object.
func (nd *node) match(values []string, object bool) bool {
	switch nd.op {
	case opNothing:
		return false
	case opObject:
		return object
	case opNot:
		return !nd.kids[0].match(values, object)
	case opAnd, opOr:
		for i := range nd.kids {
			if nd.kids[i].match(values, object) == (nd.op == opOr) {
				return nd.op == opOr
			}
		}
		return nd.op == opAnd
	}
	value := values[nd.slot]
	return value != "" && nd.holds(value)
}

// holds evaluates a condition on a value that is there. It is the one place
// that says what the operators mean: the index asks it, too.
func (nd *node) holds(value string) bool {
	switch nd.op {
	case opExists:
		return true
	case opEqual:
		return equals(value, nd.values[0])
	case opIn:
		_, ok := nd.set[canonical(value)]
		return ok
	case opContains:
		for element := range elements(value) {
			if equals(element, nd.values[0]) {
				return true
			}
		}
		return false
	case opRange:
		for i := range nd.kids {
			if !nd.kids[i].holds(value) {
				return false
			}
		}
		return true
	}
	order, ok := nd.operand.compare(value)
	return ok && nd.takes(order)
}

// takes tells whether a condition that compares holds for a value that stands
// so to its operand: negative for less.
func (nd *node) takes(order int) bool {
	switch nd.op {
	case opGreater:
		return order > 0
	case opGreaterEqual:
		return order >= 0
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	}
	return false
}
