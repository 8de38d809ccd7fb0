package api

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// Reading JSON takes two steps. parseJSON has jsontext check the whole body
// once: grammar, UTF-8, names. What it lets through is valid, so the scanner
// after it, which finds members and measures values, has no errors to make.

// maxDepth is how deep the arrays and objects of a stored value may nest.
const maxDepth = 128

// parser is a reusable jsontext decoder that reads from memory.
type parser struct {
	src bytes.Buffer
	dec *jsontext.Decoder
}

var parsers = sync.Pool{New: func() any { return &parser{dec: jsontext.NewDecoder(new(bytes.Buffer))} }}

// parseJSON returns the one JSON value that body holds, without the white
// space around it. Broken syntax, invalid UTF-8 and bytes after the value
// are fault.InvalidArgument; a name twice in one object, in a body that is
// otherwise well-formed, is fault.Unprocessable.
func parseJSON(body []byte) ([]byte, error) {
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	value, err := p.read(body)
	if err == nil {
		return value, nil
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		if _, syntax := p.read(body, jsontext.AllowDuplicateNames(true)); syntax == nil {
			return nil, fault.New(fault.Unprocessable, "a name appears twice in one object: %s", describe(err))
		}
	}
	return nil, fault.New(fault.InvalidArgument, "body is not valid JSON: %s", describe(err))
}

func (p *parser) read(body []byte, opts ...jsontext.Options) ([]byte, error) {
	p.src = *bytes.NewBuffer(body)
	p.dec.Reset(&p.src, opts...)
	value, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	rest := body[p.dec.InputOffset():]
	if len(bytes.TrimLeft(rest, " \t\r\n")) != 0 {
		return nil, errors.New("bytes follow the value")
	}
	return value, nil
}

// describe says what jsontext found, in a line of bounded length.
func describe(err error) string {
	if errors.Is(err, io.EOF) {
		return "it is empty"
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName) {
		return clip([]byte(strconv.Quote(syntax.JSONPointer.LastToken())))
	}
	return clip([]byte(strings.TrimPrefix(err.Error(), "jsontext: ")))
}

// clip bounds what a message repeats of a request.
func clip(b []byte) string {
	const most = 120
	if len(b) <= most {
		return string(b)
	}
	return strings.ToValidUTF8(string(b[:most]), "") + "..."
}

// value is one value inside a valid JSON text.
type value struct {
	raw    []byte // from its first to its last byte
	depth  int    // how deep arrays and objects nest; 0 for a scalar
	spaced bool   // there is insignificant white space inside
}

func (v value) isNull() bool { return v.raw[0] == 'n' }

// compact removes insignificant white space, in place.
func (v value) compact() []byte {
	if !v.spaced {
		return v.raw
	}
	out := v.raw[:0]
	for i := 0; i < len(v.raw); {
		switch v.raw[i] {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			end := stringEnd(v.raw, i)
			out = append(out, v.raw[i:end]...)
			i = end
		default:
			out = append(out, v.raw[i])
			i++
		}
	}
	return out
}

// stringEnd returns the index after the string that starts at b[i].
func stringEnd(b []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(b[i:], '"')
		back := i
		for b[back-1] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			return i + 1
		}
	}
}

// scanner walks over a valid JSON text.
type scanner struct {
	b []byte
	i int
}

// peek returns the next byte that is not white space.
func (s *scanner) peek() byte {
	for {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
}

// value takes the next value.
func (s *scanner) value() value {
	c := s.peek()
	start := s.i
	switch c {
	case '"':
		s.i = stringEnd(s.b, s.i)
	case '{', '[':
		return s.composite()
	default:
		for s.i < len(s.b) && !endsScalar(s.b[s.i]) {
			s.i++
		}
	}
	return value{raw: s.b[start:s.i]}
}

func endsScalar(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// composite takes the array or object that starts here.
func (s *scanner) composite() value {
	v := value{}
	start := s.i
	for depth := 0; ; {
		switch s.b[s.i] {
		case '"':
			s.i = stringEnd(s.b, s.i)
			continue
		case '{', '[':
			depth++
			v.depth = max(v.depth, depth)
		case '}', ']':
			if depth--; depth == 0 {
				s.i++
				v.raw = s.b[start:s.i]
				return v
			}
		case ' ', '\t', '\r', '\n':
			v.spaced = true
		}
		s.i++
	}
}

// next moves into the array or object that starts here, or past the comma
// before its next element; it returns false, after the end, when there is none.
func (s *scanner) next() bool {
	switch s.peek() {
	case '{', '[', ',':
		s.i++
	}
	switch s.peek() {
	case '}', ']':
		s.i++
		return false
	}
	return true
}

// elements returns how many elements an array has.
func elements(array []byte) (n int) {
	for s := (scanner{b: array}); s.next(); n++ {
		s.value()
	}
	return n
}

// member takes a name and moves to its value.
func (s *scanner) member() (name []byte) {
	name = unquote(s.value().raw)
	s.peek()
	s.i++ // the colon
	return name
}

// unquote returns what a JSON string says: a slice of it, if it can.
func unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil // cannot be: the body was checked
	}
	return text
}

// object returns a scanner over raw when it is an object.
func object(raw []byte, what string) (scanner, error) {
	if raw[0] != '{' {
		return scanner{}, unprocessable("%s must be an object", what)
	}
	return scanner{b: raw}, nil
}

func unprocessable(format string, args ...any) error {
	return fault.New(fault.Unprocessable, format, args...)
}

// optionalUint reads a count; null is the same as none.
func (v value) optionalUint(name string) (record.Optional, error) {
	if v.isNull() {
		return record.Optional{}, nil
	}
	n, err := strconv.ParseUint(string(v.raw), 10, 64)
	if err != nil {
		return record.Optional{}, unprocessable("%s must be a whole number from 0 to 2^64-1, not %s", name, clip(v.raw))
	}
	return record.Some(n), nil
}

// optionalBool reads true or false; null is the same as unset.
func (v value) optionalBool(name string, unset bool) (bool, error) {
	switch v.raw[0] {
	case 'n':
		return unset, nil
	case 't', 'f':
		return v.raw[0] == 't', nil
	}
	return false, unprocessable("%s must be true or false, not %s", name, clip(v.raw))
}

// text reads a string that must be there.
func (v value) text(name string) ([]byte, error) {
	if v.raw[0] != '"' {
		return nil, unprocessable("%s must be a string, not %s", name, clip(v.raw))
	}
	return unquote(v.raw), nil
}

// appendString appends s as a JSON string. s is valid UTF-8; were it not, the
// bytes that are wrong would be replaced.
func appendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err == nil {
		return out
	}
	out, err = jsontext.AppendQuote(dst, strings.ToValidUTF8(string(s), "\uFFFD"))
	if err != nil {
		return append(dst, `""`...)
	}
	return out
}
