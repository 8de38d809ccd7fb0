package filter

import (
	"iter"
	"strings"
)

// scanner walks over a valid JSON text. On any other text what it finds means
// nothing, but it comes to an end and stays inside.
type scanner struct {
	text string
	at   int
}

// peek moves to the next byte that is not white space and returns it; 0 at the
// end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// next moves into the array or object that starts here, or past the comma
// before its next element; it returns false, after the end, when there is none.
func (s *scanner) next() bool {
	switch s.peek() {
	case '{', '[', ',':
		s.at++
	}
	switch s.peek() {
	case '}', ']':
		s.at++
		return false
	case 0:
		return false
	}
	return true
}

// name takes the name of a member and moves to its value.
func (s *scanner) name() string {
	name := textOf(s.value())
	s.peek()
	s.at = min(s.at+1, len(s.text)) // the colon
	return name
}

// value takes the next value, from its first to its last byte.
func (s *scanner) value() string {
	c := s.peek()
	start := s.at
	switch c {
	case '"':
		s.at = stringEnd(s.text, s.at)
	case '{', '[':
		s.at = compositeEnd(s.text, s.at)
	default:
		for s.at < len(s.text) && !endsScalar(s.text[s.at]) {
			s.at++
		}
	}
	return s.text[start:s.at]
}

func endsScalar(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// stringEnd returns the index after the string that starts at text[at].
func stringEnd(text string, at int) int {
	for i := at + 1; ; i++ {
		quote := strings.IndexByte(text[i:], '"')
		if quote < 0 {
			return len(text)
		}
		i += quote
		back := i
		for back-1 > at && text[back-1] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			return i + 1
		}
	}
}

// compositeEnd returns the index after the array or object that starts at
// text[at].
func compositeEnd(text string, at int) int {
	for depth := 0; at < len(text); {
		switch text[at] {
		case '"':
			at = stringEnd(text, at)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return at
}

// elements yields the elements of an array, and nothing of any other value.
func elements(value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if kindOf(value) != kindArray {
			return
		}
		for s := (scanner{text: value}); s.next(); {
			if !yield(s.value()) {
				return
			}
		}
	}
}
