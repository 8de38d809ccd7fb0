package api

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/filter"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

const (
	maxEf      = 1 << 16 // candidates that a search may ask a graph to keep
	maxGroupBy = 1 << 10 // bytes of a path
)

func (s *Server) search(rw *response, r *http.Request) error {
	s.metrics.vectorOps.Inc()
	collection, err := s.collection(r)
	if err != nil {
		return err
	}
	_, level, err := s.readQuery(r)
	if err != nil {
		return err
	}
	body, err := rw.readVectors(r, inPoint)
	if err != nil {
		return err
	}
	ask, err := s.decodeSearch(&rw.vectors, body)
	if err != nil {
		return err
	}
	q, err := s.newQuery(&ask)
	if err != nil {
		return err
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	start := time.Now()
	hits, offset, err := s.node.Vectors.Search(ctx, collection, q, level)
	if err != nil {
		return err
	}
	s.metrics.searchSeconds.Observe(time.Since(start).Seconds())
	rw.setOffset(offset)
	return rw.sendHits(hits, ask.includeMeta)
}

// sendHits answers with hits, in pieces when they are long.
func (rw *response) sendHits(hits []vector.Hit, includeMeta bool) error {
	rw.out = append(rw.out[:0], `{"hits":[`...)
	for i := range hits {
		h := &hits[i]
		if i > 0 {
			rw.out = append(rw.out, ',')
		}
		rw.out = appendString(append(rw.out, `{"id":`...), h.ID)
		rw.out = appendScore(append(rw.out, `,"score":`...), h.Score)
		meta := ""
		if includeMeta {
			meta = h.Meta
		}
		rw.out = append(appendMeta(rw.out, meta), '}')
		if err := rw.spill(); err != nil {
			return err
		}
	}
	rw.out = append(rw.out, `]}`...)
	return rw.endJSON()
}

// appendScore appends a score in the shortest form that reads back the same.
// Only one that is no float32 needs the digits of a float64: it is beyond
// 1e38 or below 1e-37, and so has an exponent of two digits in either form.
func appendScore(dst []byte, score float64) []byte {
	if f := float32(score); float64(f) == score {
		return record.AppendFloat32(dst, f)
	}
	return strconv.AppendFloat(dst, score, 'e', -1, 64)
}

// search is the body of a search.
type search struct {
	refusal
	vector      sentVector
	filters     []byte // compact; empty = none
	groupBy     []byte // nil = none
	k           record.Optional
	ef          record.Optional
	groupLimit  record.Optional
	includeMeta bool
	exact       bool
}

// decodeSearch reads the shape of a search.
func (s *Server) decodeSearch(vectors *vectors, body []byte) (search, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return search{}, err
	}
	var ask search
	for obj.next() {
		name := obj.member()
		v := obj.value()
		switch string(name) {
		case "vector", "vector_b64":
			err = ask.vector.decode(vectors, name, v, s.cfg.MaxVectorDim)
		case "filters":
			err = ask.decodeFilters(v)
		default:
			err = ask.decodeOption(name, v)
		}
		if err = ask.hold(err); err != nil {
			return search{}, err
		}
	}
	switch {
	case !ask.vector.given:
		return search{}, unprocessable("vector is missing")
	case !ask.k.Set:
		return search{}, unprocessable("k is missing")
	}
	return ask, nil
}

// decodeOption reads a member that says how to search.
func (ask *search) decodeOption(name []byte, v value) (err error) {
	switch string(name) {
	case "k":
		ask.k, err = v.optionalUint("k")
	case "ef":
		ask.ef, err = v.optionalUint("ef")
	case "group_limit":
		ask.groupLimit, err = v.optionalUint("group_limit")
	case "include_meta":
		ask.includeMeta, err = v.optionalBool("include_meta", false)
	case "exact":
		ask.exact, err = v.optionalBool("exact", false)
	case "group_by":
		if !v.isNull() {
			ask.groupBy, err = v.text("group_by")
		}
	}
	return err
}

func (ask *search) decodeFilters(v value) error {
	if v.isNull() {
		return nil
	}
	if v.depth > maxDepth {
		return unprocessable("filters are nested %d deep, at most %d is allowed", v.depth, maxDepth)
	}
	ask.filters = v.compact()
	return nil
}

// newQuery checks the values of a search.
func (s *Server) newQuery(ask *search) (*vector.Query, error) {
	switch k := ask.k.Value; {
	case k == 0 || k > uint64(s.cfg.MaxK):
		return nil, fault.New(fault.InvalidArgument, "invalid k: %d, it must be from 1 to %d", k, s.cfg.MaxK)
	case ask.refused != nil:
		return nil, ask.refused
	case ask.ef.Set && (ask.ef.Value == 0 || ask.ef.Value > maxEf):
		return nil, fault.New(fault.InvalidArgument, "invalid ef: %d, it must be from 1 to %d", ask.ef.Value, maxEf)
	case ask.groupLimit.Set && ask.groupLimit.Value == 0:
		return nil, fault.New(fault.InvalidArgument, "invalid group_limit: it must be at least 1")
	case ask.groupBy != nil && len(ask.groupBy) == 0:
		return nil, fault.New(fault.InvalidArgument, "group_by is empty")
	}
	if err := checkLength("group_by", len(ask.groupBy), maxGroupBy); err != nil {
		return nil, err
	}
	q := &vector.Query{
		Vector:     record.DecodeVector(nil, ask.vector.values),
		K:          int(ask.k.Value),
		Exact:      ask.exact,
		Ef:         int(ask.ef.Value),
		GroupBy:    string(ask.groupBy),
		GroupLimit: 1,
	}
	if ask.groupLimit.Set {
		q.GroupLimit = int(min(ask.groupLimit.Value, math.MaxInt32))
	}
	if len(ask.filters) == 0 {
		return q, nil
	}
	if err := checkSize("filters", len(ask.filters), s.cfg.MaxJSONBytes); err != nil {
		return nil, err
	}
	var err error
	q.Filter, err = filter.Parse(ask.filters)
	return q, err
}
