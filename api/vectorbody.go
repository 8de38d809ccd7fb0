package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strconv"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// vectors are those of one body. A body of nothing unusual is read in two
// parts: the arrays of numbers are taken out and read by appendFloats, and the
// rest, with empty arrays in their places, goes through parseJSON as every
// body does. The rest is valid exactly when the body is, and if it is not, or
// there was anything unusual, the body is parsed as it came: errors are the
// same whatever way was taken.
type vectors struct {
	lifted bool   // every vector of the body was taken out
	rest   []byte // the body without them
	ends   []int  // where each of them ends in values
	next   int    // how many of them were asked for
	values []byte // of all vectors, float32, little endian
}

// place is where in a body its vectors are.
type place int

const (
	inPoint place = iota // the member vector of an object
	inItems              // that of each object in its member items
)

// readVectors is readJSON for a body with vectors, which rw.vectors has then.
func (rw *response) readVectors(r *http.Request, at place) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	if err := rw.readBody(r); err != nil {
		return nil, err
	}
	return rw.vectors.parse(rw.in, at, rw.server.cfg.MaxVectorDim)
}

// parse is parseJSON for a body with vectors of at most maxDim values.
func (v *vectors) parse(body []byte, at place, maxDim int) ([]byte, error) {
	*v = vectors{rest: v.rest[:0], ends: v.ends[:0], values: v.values[:0]}
	l := lifter{vectors: v, body: body, maxDim: maxDim}
	if l.lift(at) {
		if parsed, err := parseJSON(v.rest); err == nil {
			v.lifted = true
			return parsed, nil
		}
	}
	v.values = v.values[:0]
	return parseJSON(body)
}

// array returns the values of a member named vector. The members are asked
// for in the order of the body. A wrong shape is fault.Unprocessable.
func (v *vectors) array(member value, maxDim int) ([]byte, error) {
	if !v.lifted {
		return v.parseArray(member, maxDim)
	}
	start := 0
	if v.next > 0 {
		start = v.ends[v.next-1]
	}
	end := v.ends[v.next]
	v.next++
	return v.values[start:end:end], nil
}

// parseArray is the slow way to read an array, which knows what is wrong.
func (v *vectors) parseArray(member value, maxDim int) ([]byte, error) {
	if member.raw[0] != '[' {
		return nil, unprocessable("vector must be an array of numbers, not %s", clip(member.raw))
	}
	var refused error
	start, n := len(v.values), 0
	for array := (scanner{b: member.raw}); array.next(); n++ {
		number := array.value().raw
		if number[0] != '-' && !isDigit(number[0]) {
			return nil, unprocessable("vector must hold numbers only, not %s", clip(number))
		}
		if n >= maxDim || refused != nil {
			continue
		}
		f, err := strconv.ParseFloat(string(number), 32)
		if err != nil {
			refused = fault.New(fault.InvalidArgument, "vector has a number beyond the range of 32-bit floats: %s", clip(number))
		}
		v.values = binary.LittleEndian.AppendUint32(v.values, math.Float32bits(float32(f)))
	}
	if n > maxDim {
		return nil, vectorTooLarge(n, maxDim)
	}
	return v.values[start:len(v.values):len(v.values)], refused
}

// base64 returns the values of a member named vector_b64.
func (v *vectors) base64(member value, maxDim int) ([]byte, error) {
	text, err := member.text("vector_b64")
	if err != nil {
		return nil, err
	}
	encoding := base64.StdEncoding
	if len(text)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	if n := encoding.DecodedLen(len(text)) / 4; n > maxDim {
		return nil, vectorTooLarge(n, maxDim)
	}
	start := len(v.values)
	values, err := encoding.AppendDecode(v.values, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		return nil, fault.New(fault.InvalidArgument, "vector_b64 is not base64 in the standard alphabet")
	}
	v.values = values
	values = values[start:len(values):len(values)]
	if len(values)%4 != 0 {
		return nil, fault.New(fault.InvalidArgument, "vector_b64 has %d bytes, which are no 32-bit floats", len(values))
	}
	if !record.FiniteVector(values) {
		return nil, fault.New(fault.InvalidArgument, "vector_b64 has a value that is not finite")
	}
	return values, nil
}

func vectorTooLarge(values, most int) error {
	return fault.New(fault.InvalidArgument, "vector too large: %d values, at most %d are allowed", values, most)
}

// shrink gives up what is too large to wait for the next request.
func (v *vectors) shrink() {
	if cap(v.rest) > maxPooled || cap(v.values) > maxPooled || cap(v.ends) > maxPooled/8 {
		*v = vectors{}
	}
}

// lifter copies a body without its vectors. It only looks at as much of the
// grammar as it takes to find them, never beyond the end, and gives up by
// returning false.
type lifter struct {
	*vectors
	body   []byte
	i      int
	copied int // the body up to here is in rest
	maxDim int
}

func (l *lifter) lift(at place) bool {
	if !l.object(at) {
		return false
	}
	l.rest = append(l.rest, l.body[l.copied:]...)
	return true
}

// take moves past white space and then c, or returns false.
func (l *lifter) take(c byte) bool {
	l.i = skipSpace(l.body, l.i)
	if l.i == len(l.body) || l.body[l.i] != c {
		return false
	}
	l.i++
	return true
}

// object moves past an object.
func (l *lifter) object(at place) bool {
	if !l.take('{') {
		return false
	}
	if l.take('}') {
		return true
	}
	for {
		name, ok := l.name()
		switch {
		case !ok:
			return false
		case at == inPoint && string(name) == "vector":
			ok = l.vector()
		case at == inItems && string(name) == "items":
			ok = l.items()
		default:
			ok = l.skip()
		}
		if !ok {
			return false
		}
		if !l.take(',') {
			return l.take('}')
		}
	}
}

// name moves past the name of a member and the colon. One with an escape is
// unusual.
func (l *lifter) name() ([]byte, bool) {
	if !l.take('"') {
		return nil, false
	}
	n := bytes.IndexByte(l.body[l.i:], '"')
	if n < 0 {
		return nil, false
	}
	name := l.body[l.i : l.i+n]
	l.i += n + 1
	return name, bytes.IndexByte(name, '\\') < 0 && l.take(':')
}

// vector takes out an array.
func (l *lifter) vector() bool {
	l.i = skipSpace(l.body, l.i)
	values, n := appendFloats(l.values, l.body[l.i:], l.maxDim)
	if n == 0 {
		return false
	}
	l.values = values
	l.ends = append(l.ends, len(values))
	l.rest = append(append(l.rest, l.body[l.copied:l.i]...), "[]"...)
	l.i += n
	l.copied = l.i
	return true
}

// items moves past an array of points.
func (l *lifter) items() bool {
	if !l.take('[') {
		return false
	}
	if l.take(']') {
		return true
	}
	for l.object(inPoint) {
		if !l.take(',') {
			return l.take(']')
		}
	}
	return false
}

// skip moves past any value.
func (l *lifter) skip() bool {
	l.i = skipSpace(l.body, l.i)
	for depth := 0; l.i < len(l.body); {
		switch c := l.body[l.i]; {
		case c == '"':
			if !l.string() {
				return false
			}
		case c == '{' || c == '[':
			depth++
			l.i++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
			l.i++
		case depth > 0:
			l.i++
			continue
		default:
			return l.scalar()
		}
		if depth == 0 {
			return true
		}
	}
	return false
}

// scalar moves past a number or a word.
func (l *lifter) scalar() bool {
	start := l.i
	for l.i < len(l.body) && !endsScalar(l.body[l.i]) {
		l.i++
	}
	return l.i > start
}

// string moves past the string that starts here.
func (l *lifter) string() bool {
	start := l.i
	for {
		n := bytes.IndexByte(l.body[l.i+1:], '"')
		if n < 0 {
			return false
		}
		l.i += n + 1
		back := l.i - 1
		for back > start && l.body[back] == '\\' {
			back--
		}
		if (l.i-back)%2 == 1 {
			l.i++
			return true
		}
	}
}
