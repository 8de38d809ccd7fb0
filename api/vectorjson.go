package api

import (
	"errors"
	"strconv"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

// refusal is the first value of an object that can not be, whatever the store
// says. It does not end the reading of the object, whose shape comes first,
// nor that of a batch.
type refusal struct{ refused *fault.Error }

// hold keeps an error about a value, and returns one about the shape.
func (r *refusal) hold(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Code == fault.Unprocessable {
		return err
	}
	if r.refused == nil {
		r.refused = f
	}
	return nil
}

// sentVector is the vector of an object: its member vector or vector_b64.
type sentVector struct {
	values []byte // float32, little endian
	given  bool
}

// decode reads one of the two members.
func (sent *sentVector) decode(vectors *vectors, name []byte, v value, maxDim int) (err error) {
	if v.isNull() {
		return nil
	}
	twice := sent.given
	sent.given = true
	if string(name) == "vector" {
		sent.values, err = vectors.array(v, maxDim)
	} else {
		sent.values, err = vectors.base64(v, maxDim)
	}
	if err == nil && twice {
		err = fault.New(fault.InvalidArgument, "vector and vector_b64 exclude each other")
	}
	return err
}

// point is what a body says of one point. Its slices are those of the body.
type point struct {
	refusal
	vector  sentVector
	id      []byte
	meta    []byte // compact; empty = null
	hasMeta bool   // also when it is null
}

func (p *point) put() record.VectorPut {
	return record.VectorPut{ID: p.id, Vector: p.vector.values, Meta: p.meta}
}

// decodePoint reads an object with an id and, perhaps, a vector and meta data.
func (s *Server) decodePoint(vectors *vectors, raw []byte, what string) (point, error) {
	obj, err := object(raw, what)
	if err != nil {
		return point{}, err
	}
	var p point
	for obj.next() {
		name := obj.member()
		v := obj.value()
		switch string(name) {
		case "id":
			p.id, err = v.text("id")
		case "vector", "vector_b64":
			err = p.vector.decode(vectors, name, v, s.cfg.MaxVectorDim)
		case "meta":
			err = s.decodeMeta(&p, v)
		}
		if err = p.hold(err); err != nil {
			return point{}, err
		}
	}
	if p.id == nil {
		return point{}, unprocessable("id is missing")
	}
	err = p.hold(s.checkPoint(&p))
	return p, err
}

// checkPoint refuses what every collection would.
func (s *Server) checkPoint(p *point) error {
	if err := s.checkID(p.id); err != nil {
		return err
	}
	if p.vector.given && len(p.vector.values) == 0 {
		return fault.New(fault.DimMismatch, "vector has 0 values, every collection needs at least 1")
	}
	return nil
}

func (s *Server) decodeMeta(p *point, v value) error {
	p.hasMeta = true
	switch {
	case v.isNull():
		return nil
	case v.depth > maxDepth:
		return unprocessable("meta is nested %d deep, at most %d is allowed", v.depth, maxDepth)
	}
	p.meta = v.compact()
	return checkSize("meta", len(p.meta), s.cfg.MaxJSONBytes)
}

func (s *Server) checkID(id []byte) error {
	if len(id) == 0 {
		return fault.New(fault.InvalidArgument, "id is empty")
	}
	return checkLength("id", len(id), s.cfg.MaxIDLen)
}

// decodeID reads a body with nothing but an id.
func decodeID(body []byte) (id []byte, err error) {
	obj, err := object(body, "the body")
	if err != nil {
		return nil, err
	}
	for obj.next() {
		name := obj.member()
		v := obj.value()
		if string(name) != "id" {
			continue
		}
		if id, err = v.text("id"); err != nil {
			return nil, err
		}
	}
	if id == nil {
		return nil, unprocessable("id is missing")
	}
	return id, nil
}

// decodeCreate reads the body that creates a collection.
func (s *Server) decodeCreate(body []byte) (record.VectorCreate, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return record.VectorCreate{}, err
	}
	var dim record.Optional
	var metric []byte
	for obj.next() {
		name := obj.member()
		v := obj.value()
		switch string(name) {
		case "dim":
			dim, err = v.optionalUint("dim")
		case "metric":
			metric, err = v.text("metric")
		}
		if err != nil {
			return record.VectorCreate{}, err
		}
	}
	known, ok := record.ParseMetric(string(metric))
	switch {
	case !dim.Set:
		return record.VectorCreate{}, unprocessable("dim is missing")
	case metric == nil:
		return record.VectorCreate{}, unprocessable("metric is missing")
	case !ok:
		return record.VectorCreate{}, unprocessable("metric must be cosine or dot, not %q", clip(metric))
	case dim.Value == 0 || dim.Value > uint64(s.cfg.MaxVectorDim):
		return record.VectorCreate{}, fault.New(fault.InvalidArgument, "invalid dim: %d, it must be from 1 to %d", dim.Value, s.cfg.MaxVectorDim)
	}
	return record.VectorCreate{Dim: dim.Value, Metric: known}, nil
}

// appendKind appends the members that say what a collection is.
func appendKind(dst []byte, collection string, dim int, metric record.Metric) []byte {
	dst = appendString(append(dst, `{"collection":`...), collection)
	dst = appendNumber(dst, "dim", dim)
	return appendString(append(dst, `,"metric":`...), metric.String())
}

// appendListed appends a collection as the list shows it.
func appendListed(dst []byte, c *vector.Info) []byte {
	dst = appendKind(dst, c.Name, c.Dim, c.Metric)
	dst = appendNumber(dst, "live_count", c.Live)
	dst = appendNumber(dst, "total_records", c.Records)
	dst = appendNumber(dst, "upsert_count", c.Upserts)
	dst = appendNumber(dst, "file_len", c.FileBytes)
	dst = appendNumber(dst, "applied_offset", c.Offset)
	dst = appendNumber(dst, "created_at_ms", c.CreatedMS)
	dst = appendNumber(dst, "updated_at_ms", c.UpdatedMS)
	dst = appendNumber(dst, "segments", c.Segments)
	dst = appendNumber(dst, "deleted_count", c.Deleted)
	dst = appendNumber(dst, "unindexed", c.Unindexed)
	return append(dst, '}')
}

// appendDescribed appends a collection as it is shown by itself.
func appendDescribed(dst []byte, c *vector.Info) []byte {
	dst = appendKind(dst, c.Name, c.Dim, c.Metric)
	dst = appendNumber(dst, "count", c.Live)
	dst = appendNumber(dst, "created_at_ms", c.CreatedMS)
	dst = appendNumber(dst, "updated_at_ms", c.UpdatedMS)
	dst = appendNumber(dst, "segments", c.Segments)
	dst = appendNumber(dst, "deleted", c.Deleted)
	dst = appendNumber(dst, "unindexed", c.Unindexed)
	return append(dst, '}')
}

// appendNumber appends a member that is not the first.
func appendNumber[T int | int64 | uint64](dst []byte, name string, n T) []byte {
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	if n < 0 {
		return strconv.AppendInt(dst, int64(n), 10)
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// appendPoint appends a point as clients see it.
func appendPoint(dst []byte, p *vector.Point) []byte {
	dst = appendString(append(dst, `{"id":`...), p.ID)
	dst = append(dst, `,"vector":[`...)
	for i, f := range p.Vector {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = record.AppendFloat32(dst, f)
	}
	dst = appendMeta(append(dst, ']'), p.Meta)
	return append(dst, '}')
}

// appendMeta appends the member that every point and hit ends with.
func appendMeta(dst []byte, meta string) []byte {
	dst = append(dst, `,"meta":`...)
	if meta == "" {
		return append(dst, `null`...)
	}
	return append(dst, meta...)
}
