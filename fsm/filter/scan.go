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
// end. Between values no valid text has other bytes up to the space.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		if c := s.text[s.at]; c > ' ' {
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
	name, ok := s.plainName()
	if !ok {
		name = textOf(s.value())
	}
	s.peek()
	s.at = min(s.at+1, len(s.text)) // the colon
	return name
}

// plainName takes a name if it has no escapes.
func (s *scanner) plainName() (name string, ok bool) {
	if s.peek() != '"' {
		return "", false
	}
	start := s.at + 1
	for i := start; i < len(s.text); i++ {
		switch s.text[i] {
		case '"':
			s.at = i + 1
			return s.text[start:i], true
		case '\\':
			return "", false
		}
	}
	return "", false
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

func endsScalar(c byte) bool { return c <= ' ' || c == ',' || c == ']' || c == '}' }

// stringEnd returns the index after the string that starts at text[at].
func stringEnd(text string, at int) int {
	const short = 16 // bytes that are faster looked at one by one
	i := at + 1
	for end := min(i+short, len(text)); i < end; i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	for i < len(text) {
		quote := strings.IndexByte(text[i:], '"')
		if quote < 0 {
			break
		}
		quote += i
		back := quote
		for back > i && text[back-1] == '\\' {
			back--
		}
		i = quote + 1
		if (quote-back)%2 == 0 {
			return i
		}
	}
	return len(text)
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
