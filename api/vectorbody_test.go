package api

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// parsePlain is vectors.parse without the fast way.
func (v *vectors) parsePlain(body []byte) ([]byte, error) {
	*v = vectors{}
	return parseJSON(body)
}

// readBoth decodes a body in the fast way and in the slow one, and returns
// both results as text.
func readBoth(body []byte, at place, decode func(*vectors, []byte) (any, error)) (fast, slow string, lifted bool) {
	var v vectors
	show := func(parsed []byte, err error) string {
		var decoded any
		if err == nil {
			decoded, err = decode(&v, parsed)
		}
		if err != nil {
			decoded = nil
		}
		text, encodeErr := stdjson.Marshal([]any{decoded, describeFault(err)})
		if encodeErr != nil {
			return encodeErr.Error()
		}
		return string(text)
	}
	parsed, err := v.parse(bytes.Clone(body), at, testConfig().MaxVectorDim)
	lifted = v.lifted
	fast = show(parsed, err)
	parsed, err = v.parsePlain(bytes.Clone(body))
	return fast, show(parsed, err), lifted
}

func describeFault(err error) any {
	var f *fault.Error
	if errors.As(err, &f) {
		return *f
	}
	return err
}

// shownPoint is a point that can be compared as JSON.
type shownPoint struct {
	ID, Meta       []byte
	Vector         []byte
	Given, HasMeta bool
	Refused        *fault.Error
}

func showPoint(p point) shownPoint {
	return shownPoint{p.id, p.meta, p.vector.values, p.vector.given, p.hasMeta, p.refused}
}

func decodeOnePoint(v *vectors, body []byte) (any, error) {
	p, err := (&Server{cfg: testConfig()}).decodePoint(v, body, "the body")
	return showPoint(p), err
}

func decodeItems(v *vectors, body []byte) (any, error) {
	s := &Server{cfg: testConfig()}
	points, err := s.decodePoints(body, "items", func(raw value) (point, error) { return s.decodePoint(v, raw.raw, "an item") })
	var shown []shownPoint
	for _, p := range points {
		shown = append(shown, showPoint(p))
	}
	return shown, err
}

// TestBodyWays lists bodies and whether their vectors are taken out; in either
// way they must be read the same.
func TestBodyWays(t *testing.T) {
	for _, c := range []struct {
		body   string
		at     place
		lifted bool
	}{
		{`{"id":"a","vector":[1,2.5,-3e2],"meta":{"vector":[1,2]}}`, inPoint, true},
		{" \t\r\n{ \"id\" : \"a\" , \"vector\" : [ 1 , 2.5 ] , \"x\" : \"\\\\\" , \"meta\" : null } \n", inPoint, true},
		{`{"meta":{"a":"}]\"","b":[[{}]],"vector":[1,"x"]},"id":"\"\\","vector":[1]}`, inPoint, true},
		{`{"vector":[1],"n":-1.5e3,"t":true,"id":"x"}`, inPoint, true},
		{`{"items":[{"id":"a","vector":[1]},{"id":"b","vector":[2,3],"meta":[]},{"id":"c","vector_b64":"AACAPw=="}],"vector":["x"]}`, inItems, true},
		{`{"items":[]}`, inItems, true},
		{`{"items":[{},{}]}`, inItems, true},
		{`{}`, inPoint, true},
		{`{"id":"a"}`, inPoint, true},
		{`{"vector":null,"id":"a"}`, inPoint, false},
		{`{"vector":[],"id":"a"}`, inPoint, false},
		{`{"vector":[1,"2"],"id":"a"}`, inPoint, false},
		{`{"vector":[1e39],"id":"a"}`, inPoint, false},
		{`{"v\u0065ctor":[1],"id":"a"}`, inPoint, false},
		{`{"vector":[1],"v\u0065ctor":[1],"id":"a"}`, inPoint, false},
		{`{"vector":[1],"vector":[2],"id":"a"}`, inPoint, false},
		{`{"vector":[` + strings.Repeat("1,", 4096) + `1],"id":"a"}`, inPoint, false},
		{`{"items":[{"id":"a","vector":[1]},7]}`, inItems, false},
		{`{"items":[{"id":"a","vector":[1]},{"id":"b","vector":null}]}`, inItems, false},
		{`{"items":{"id":"a","vector":[1]}}`, inItems, false},
		{`{"items":[{"id":"a","vector":[1]}],"items":[{"id":"b","vector":[1]}]}`, inItems, false},
		{`[{"vector":[1]}]`, inPoint, false},
		{`{"id":"a","vector":[1]}x`, inPoint, false},
		{`{"id":"a","vector":[1]e5}`, inPoint, false},
		{`{"id":"a","vector":[1] 5}`, inPoint, false},
		{`{"id":"a","vector":[1],}`, inPoint, false},
		{`{"id":"a","vector":[1]`, inPoint, false},
		{`{"id":"a","vector":[1`, inPoint, false},
		{`{"id":"a","vector":`, inPoint, false},
		{`{"id":"a","vector"`, inPoint, false},
		{`{"id":"a","vect`, inPoint, false},
		{`{"id":"a`, inPoint, false},
		{`{"id":"a\`, inPoint, false},
		{`{"id":`, inPoint, false},
		{`{"id":[`, inPoint, false},
		{`{"id":["x"`, inPoint, false},
		{`{"id":}`, inPoint, false},
		{`{"id":nul,"vector":[1]}`, inPoint, false},
		{`{"id":{],"vector":[1]}`, inPoint, false},
		{"{\"id\":\"\xff\",\"vector\":[1]}", inPoint, false},
		{`{`, inPoint, false},
		{``, inPoint, false},
	} {
		decode := decodeOnePoint
		if c.at == inItems {
			decode = decodeItems
		}
		fast, slow, lifted := readBoth([]byte(c.body), c.at, decode)
		if fast != slow {
			t.Errorf("%.200q: %s, slowly %s", c.body, fast, slow)
		}
		if lifted != c.lifted {
			t.Errorf("%.200q: taken out: %v", c.body, lifted)
		}
	}
}

// TestBodyOfManyVectors checks that none gets the values of another.
func TestBodyOfManyVectors(t *testing.T) {
	var items []string
	for i := range 200 {
		numbers, err := stdjson.Marshal(make([]int, i%7+1))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, `{"meta":[[1]],"vector":`+strings.ReplaceAll(string(numbers), "0", strings.Repeat("9", i%5+1))+`,"id":"x"}`)
	}
	fast, slow, lifted := readBoth([]byte(`{"items":[`+strings.Join(items, ",")+`]}`), inItems, decodeItems)
	if fast != slow || !lifted {
		t.Errorf("%s\n%s", fast, slow)
	}
}

// FuzzVectorBody holds the two ways to read a body against each other.
func FuzzVectorBody(f *testing.F) {
	for _, seed := range []string{`{"id":"a","vector":[1,2.5,-3e2],"meta":{"vector":[1,2]}}`, `{"items":[{"id":"a","vector":[1]},{"vector_b64":"AACAPw==","id":"b","meta":null}]}`,
		`{"items":[{"vector":[1],"id":"\u0041"}],"vector":[1]}`, `{"vector":[1]e5,"id":""}`, `{"vector":[0.1,NaN]}`, `{"items":[1]}`, `{"id":"a","vector_b64":"AAAAAA","vector":[1]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if fast, slow, _ := readBoth(body, inPoint, decodeOnePoint); fast != slow {
			t.Errorf("point %q: %s, slowly %s", body, fast, slow)
		}
		if fast, slow, _ := readBoth(body, inItems, decodeItems); fast != slow {
			t.Errorf("items %q: %s, slowly %s", body, fast, slow)
		}
	})
}

// FuzzSearchBody checks what the body of a search may become.
func FuzzSearchBody(f *testing.F) {
	for _, seed := range []string{`{"vector":[1,2.5],"k":10}`, `{"vector_b64":"AACAPw==","k":1,"filters":{"a":{"$in":[1]}},"exact":true,"ef":5,"group_by":"x","group_limit":2,"include_meta":true}`,
		`{"vector":[],"k":0}`, `{"vector":[1],"k":1,"filters":[[]]}`} {
		f.Add([]byte(seed))
	}
	s := &Server{cfg: testConfig()}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v vectors
		parsed, err := v.parse(body, inPoint, s.cfg.MaxVectorDim)
		if err != nil {
			return
		}
		ask, err := s.decodeSearch(&v, parsed)
		if err != nil {
			if fault.CodeOf(err) != fault.Unprocessable {
				t.Fatalf("%v", err)
			}
			return
		}
		q, err := s.newQuery(&ask)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.InvalidArgument && code != fault.PayloadTooLarge {
				t.Fatalf("%v", err)
			}
			return
		}
		if q.K < 1 || q.K > s.cfg.MaxK || q.Ef < 0 || q.Ef > maxEf || q.GroupLimit < 1 || q.GroupLimit > math.MaxInt32 || len(q.Vector) > s.cfg.MaxVectorDim ||
			!record.FiniteVector(record.AppendVector(nil, q.Vector)) {
			t.Fatalf("%q made %+v", body, q)
		}
	})
}

func BenchmarkReadPoint(b *testing.B) {
	s := &Server{cfg: testConfig()}
	for name, format := range map[string]func(float32) string{"shortest": shortest, "double": asDouble} {
		var bodies [256][]byte
		for i := range bodies {
			bodies[i] = vectorBody(384, uint64(i), format)
		}
		b.Run(name, func(b *testing.B) {
			var v vectors
			b.SetBytes(int64(len(bodies[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				parsed, err := v.parse(bodies[i%len(bodies)], inPoint, 4096)
				if err == nil {
					_, err = s.decodePoint(&v, parsed, "the body")
				}
				if err != nil || !v.lifted {
					b.Fatal(err)
				}
			}
		})
	}
}
