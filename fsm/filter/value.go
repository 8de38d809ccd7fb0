package filter

import (
	"bytes"
	"slices"
	"strings"
)

// kind is what a JSON value is.
type kind uint8

const (
	kindNone kind = iota
	kindNull
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

func kindOf(value string) kind {
	if value == "" {
		return kindNone
	}
	switch value[0] {
	case 'n':
		return kindNull
	case 't', 'f':
		return kindBool
	case '"':
		return kindString
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// canonical returns the one form that all values equal to this one share:
// without white space, members sorted by name, strings with no escapes but the
// necessary ones, numbers as appendNumber writes them. It is part of value
// where value is canonical already, as most numbers and strings are.
func canonical(value string) string {
	switch kindOf(value) {
	case kindNumber:
		if isPlainNumber(value) {
			return value
		}
	case kindString:
		if strings.IndexByte(value, '\\') < 0 {
			return value
		}
	case kindNone, kindNull, kindBool:
		return value
	}
	s := scanner{text: value}
	return string(appendCanonical(make([]byte, 0, len(value)), &s))
}

// equals tells whether a value equals one of which the canonical form is given.
func equals(value, form string) bool {
	return value == form || kindOf(value) == kindOf(form) && canonical(value) == form
}

// appendCanonical takes the next value and appends its canonical form.
func appendCanonical(dst []byte, s *scanner) []byte {
	switch s.peek() {
	case '[':
		return appendArray(dst, s)
	case '{':
		return appendObject(dst, s)
	}
	value := s.value()
	switch {
	case kindOf(value) == kindString && strings.IndexByte(value, '\\') >= 0:
		return appendQuoted(dst, textOf(value))
	case kindOf(value) == kindNumber && !isPlainNumber(value):
		return appendNumber(dst, parseDecimal(value))
	}
	return append(dst, value...)
}

func appendArray(dst []byte, s *scanner) []byte {
	dst = append(dst, '[')
	for first := true; s.next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		dst = appendCanonical(dst, s)
	}
	return append(dst, ']')
}

// member is where a member lies in a buffer, from its quoted name on.
type member struct{ start, colon, end int }

func appendObject(dst []byte, s *scanner) []byte {
	var few [8]member
	members, sorted := few[:0], true
	dst = append(dst, '{')
	body := len(dst)
	for s.next() {
		if len(members) > 0 {
			dst = append(dst, ',')
		}
		m := member{start: len(dst)}
		dst = appendQuoted(dst, s.name())
		m.colon = len(dst)
		dst = append(dst, ':')
		dst = appendCanonical(dst, s)
		m.end = len(dst)
		if last := len(members) - 1; sorted && last >= 0 {
			sorted = compareNames(dst, members[last], dst, m) < 0
		}
		members = append(members, m)
	}
	if !sorted {
		sortMembers(dst[body:], body, members)
	}
	return append(dst, '}')
}

// sortMembers sorts, by name, the members that make up body. Their places
// count from base bytes before it.
func sortMembers(body []byte, base int, members []member) {
	old := bytes.Clone(body)
	for i := range members {
		members[i].start -= base
		members[i].colon -= base
		members[i].end -= base
	}
	slices.SortFunc(members, func(a, b member) int { return compareNames(old, a, old, b) })
	out := body[:0]
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, old[m.start:m.end]...)
	}
}

func compareNames(a []byte, m member, b []byte, n member) int {
	return bytes.Compare(a[m.start:m.colon], b[n.start:n.colon])
}
