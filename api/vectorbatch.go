package api

import (
	"net/http"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// A batch of points is one record. Its points stand for themselves: one that
// is refused, here or by the store, does not keep the others back. Only what
// is wrong with the shape of the body, and a collection that is not there,
// refuses all.

func (s *Server) upsertPoints(rw *response, r *http.Request) error {
	collection, err := s.writableCollection(r)
	if err != nil {
		return err
	}
	body, err := rw.readVectors(r, inItems)
	if err != nil {
		return err
	}
	points, err := s.decodePoints(body, "items", func(raw value) (point, error) {
		p, err := s.decodePoint(&rw.vectors, raw.raw, "an item")
		if err == nil && !p.vector.given {
			err = unprocessable("vector is missing")
		}
		return p, err
	})
	if err != nil {
		return err
	}
	batch := record.VectorPutBatch{Collection: []byte(collection), Items: make([]record.VectorPut, 0, len(points))}
	for i := range points {
		if points[i].refused == nil {
			batch.Items = append(batch.Items, points[i].put())
		}
	}
	res := record.Result{Offset: s.node.Offset()}
	if len(batch.Items) > 0 {
		ctx, cancel := s.deadline(r)
		defer cancel()
		if res, err = s.node.Vectors.PutBatch(ctx, batch); err != nil {
			return err
		}
	}
	return s.sendPoints(rw, points, &res, "upserted")
}

func (s *Server) deletePoints(rw *response, r *http.Request) error {
	collection, err := s.writableCollection(r)
	if err != nil {
		return err
	}
	body, err := rw.readJSON(r)
	if err != nil {
		return err
	}
	points, err := s.decodePoints(body, "ids", func(raw value) (point, error) {
		id, err := raw.text("an id")
		if err != nil {
			return point{}, err
		}
		p := point{id: id}
		err = p.hold(s.checkID(id))
		return p, err
	})
	if err != nil {
		return err
	}
	batch := record.VectorDeleteBatch{Collection: []byte(collection), IDs: make([][]byte, 0, len(points))}
	for i := range points {
		if points[i].refused == nil {
			batch.IDs = append(batch.IDs, points[i].id)
		}
	}
	res := record.Result{Offset: s.node.Offset()}
	if len(batch.IDs) > 0 {
		ctx, cancel := s.deadline(r)
		defer cancel()
		if res, err = s.node.Vectors.DeleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return s.sendPoints(rw, points, &res, "deleted")
}

// decodePoints reads the array of a batch, the member name of its body. It is
// counted before the shapes are looked at, so that a refused batch costs no
// memory.
func (s *Server) decodePoints(body []byte, name string, decode func(value) (point, error)) ([]point, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return nil, err
	}
	var raw []byte
	for obj.next() {
		member := obj.member()
		if v := obj.value(); string(member) == name {
			raw = v.raw
		}
	}
	if len(raw) == 0 || raw[0] != '[' {
		return nil, unprocessable("%s must be an array", name)
	}
	switch n := elements(raw); {
	case n == 0:
		return nil, fault.New(fault.InvalidArgument, "%s required", name)
	case n > s.cfg.MaxVectorBatch:
		return nil, fault.New(fault.InvalidArgument, "too many %s: %d, at most %d are allowed", name, n, s.cfg.MaxVectorBatch)
	default:
		points := make([]point, 0, n)
		for array := (scanner{b: raw}); array.next(); {
			p, err := decode(array.value())
			if err != nil {
				return nil, operationFault(err, len(points))
			}
			points = append(points, p)
		}
		return points, nil
	}
}

// sendPoints answers a batch whose record had those of the points that were
// not refused before it.
func (s *Server) sendPoints(rw *response, points []point, res *record.Result, done string) error {
	if err := s.settle(points, res.Batch); err != nil {
		return err
	}
	rw.setOffset(res.Offset)
	rw.out = append(rw.out[:0], `{"results":[`...)
	for i := range points {
		if i > 0 {
			rw.out = append(rw.out, ',')
		}
		rw.out = appendPointResult(rw.out, &points[i], done)
		if err := rw.spill(); err != nil {
			return err
		}
	}
	rw.out = append(rw.out, `]}`...)
	return rw.endJSON()
}

// settle hands the results of a record to the points that it had, in order.
func (s *Server) settle(points []point, results []record.Result) error {
	n := 0
	for i := range points {
		p := &points[i]
		if p.refused != nil {
			continue
		}
		if n < len(results) {
			p.refused = results[n].Fault
		}
		if n++; p.refused == nil {
			s.metrics.vectorOps.Inc()
		}
	}
	if n != len(results) {
		return fault.New(fault.Internal, "batch of %d points has %d results", n, len(results))
	}
	return nil
}

func appendPointResult(dst []byte, p *point, done string) []byte {
	status := done
	if p.refused != nil {
		status = "error"
	}
	dst = append(append(append(dst, `{"status":"`...), status...), `","id":`...)
	dst = appendString(dst, p.id)
	if p.refused != nil {
		dst = appendErrorPair(append(dst, `,"error":`...), p.refused)
	}
	return append(dst, '}')
}
