package api

import (
	"net/http"
	"strconv"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

func (s *Server) createCollection(rw *response, r *http.Request) error {
	collection, err := s.writableCollection(r)
	if err != nil {
		return err
	}
	body, err := rw.readJSON(r)
	if err != nil {
		return err
	}
	create, err := s.decodeCreate(body)
	if err != nil {
		return err
	}
	create.Collection = []byte(collection)
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.Vectors.Create(ctx, create)
	if err != nil {
		return err
	}
	s.metrics.vectorOps.Inc()
	rw.setOffset(res.Offset)
	rw.out = append(appendKind(rw.out[:0], collection, int(create.Dim), create.Metric), '}')
	rw.sendJSON(http.StatusOK)
	return nil
}

func (s *Server) dropCollection(rw *response, r *http.Request) error {
	collection, err := s.writableCollection(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.Vectors.Drop(ctx, record.VectorDrop{Collection: []byte(collection)})
	if err != nil {
		return err
	}
	return rw.sendDone(&res, `{"deleted":true}`)
}

func (s *Server) vacuumCollection(rw *response, r *http.Request) error {
	collection, err := s.writableCollection(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	reclaimed, res, err := s.node.Vectors.Vacuum(ctx, collection)
	if err != nil {
		return err
	}
	rw.setOffset(res.Offset)
	rw.out = strconv.AppendInt(append(rw.out[:0], `{"ok":true,"reclaimed_bytes":`...), reclaimed, 10)
	rw.out = append(rw.out, '}')
	rw.sendJSON(http.StatusOK)
	return nil
}

func (s *Server) listCollections(rw *response, r *http.Request) error {
	_, level, err := s.readQuery(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.readDeadline(r, level)
	defer cancel()
	infos, offset, err := s.node.Vectors.List(ctx, level)
	if err != nil {
		return err
	}
	rw.setOffset(offset)
	rw.out = append(rw.out[:0], `{"collections":[`...)
	for i := range infos {
		if i > 0 {
			rw.out = append(rw.out, ',')
		}
		rw.out = appendListed(rw.out, &infos[i])
		if err := rw.spill(); err != nil {
			return err
		}
	}
	rw.out = append(rw.out, `]}`...)
	return rw.endJSON()
}

func (s *Server) getCollection(rw *response, r *http.Request) error {
	collection, err := s.collection(r)
	if err != nil {
		return err
	}
	_, level, err := s.readQuery(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.readDeadline(r, level)
	defer cancel()
	info, offset, err := s.node.Vectors.Describe(ctx, collection, level)
	if err != nil {
		return err
	}
	rw.setOffset(offset)
	rw.out = appendDescribed(rw.out[:0], &info)
	rw.sendJSON(http.StatusOK)
	return nil
}

func (s *Server) addPoint(rw *response, r *http.Request) error { return s.putPoint(rw, r, true) }

func (s *Server) upsertPoint(rw *response, r *http.Request) error { return s.putPoint(rw, r, false) }

func (s *Server) putPoint(rw *response, r *http.Request, add bool) error {
	collection, p, err := s.readPoint(rw, r)
	if err != nil {
		return err
	}
	if !p.vector.given {
		return unprocessable("vector is missing")
	}
	if p.refused != nil {
		return p.refused
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	put := p.put()
	put.Collection, put.Add = []byte(collection), add
	res, err := s.node.Vectors.Put(ctx, put)
	if err != nil {
		return err
	}
	s.metrics.vectorOps.Inc()
	return rw.sendDone(&res, `{"ok":true}`)
}

func (s *Server) updatePoint(rw *response, r *http.Request) error {
	collection, p, err := s.readPoint(rw, r)
	if err != nil {
		return err
	}
	if p.refused != nil {
		return p.refused
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.Vectors.Update(ctx, record.VectorUpdate{
		Collection: []byte(collection), ID: p.id, Vector: p.vector.values, Meta: p.meta, SetMeta: p.hasMeta})
	if err != nil {
		return err
	}
	s.metrics.vectorOps.Inc()
	return rw.sendDone(&res, `{"ok":true}`)
}

// readPoint reads what a request says of one point.
func (s *Server) readPoint(rw *response, r *http.Request) (collection string, p point, err error) {
	if collection, err = s.writableCollection(r); err != nil {
		return "", point{}, err
	}
	body, err := rw.readVectors(r, inPoint)
	if err != nil {
		return "", point{}, err
	}
	p, err = s.decodePoint(&rw.vectors, body, "the body")
	return collection, p, err
}

func (s *Server) deletePoint(rw *response, r *http.Request) error {
	collection, err := s.writableCollection(r)
	if err != nil {
		return err
	}
	body, err := rw.readJSON(r)
	if err != nil {
		return err
	}
	id, err := decodeID(body)
	if err != nil {
		return err
	}
	if err := s.checkID(id); err != nil {
		return err
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.Vectors.Delete(ctx, record.VectorDelete{Collection: []byte(collection), ID: id})
	if err != nil {
		return err
	}
	s.metrics.vectorOps.Inc()
	return rw.sendDone(&res, `{"deleted":true}`)
}

func (s *Server) getPoint(rw *response, r *http.Request) error {
	collection, err := s.collection(r)
	if err != nil {
		return err
	}
	q, level, err := s.readQuery(r)
	if err != nil {
		return err
	}
	id, ok := q.get("id")
	if !ok {
		return fault.New(fault.InvalidArgument, "parameter id is missing")
	}
	if err := s.checkID([]byte(id)); err != nil {
		return err
	}
	ctx, cancel := s.readDeadline(r, level)
	defer cancel()
	p, offset, err := s.node.Vectors.Get(ctx, collection, id, level)
	if err != nil {
		return err
	}
	rw.setOffset(offset)
	rw.out = appendPoint(rw.out[:0], &p)
	rw.sendJSON(http.StatusOK)
	return nil
}

// collection returns the collection of the path.
func (s *Server) collection(r *http.Request) (string, error) {
	name, err := pathParam(r, "collection")
	if err != nil {
		return "", err
	}
	if err := checkLength("collection", len(name), s.cfg.MaxCollectionLen); err != nil {
		return "", err
	}
	if !record.CollectionName(name) {
		return "", fault.New(fault.InvalidArgument, "collection %q is no name: only A-Z a-z 0-9 _ . - are allowed, and no leading dot", clip([]byte(name)))
	}
	return name, nil
}

// writableCollection returns the collection of the path of a write, once its
// query and its headers are in order.
func (s *Server) writableCollection(r *http.Request) (string, error) {
	name, err := s.collection(r)
	if err != nil {
		return "", err
	}
	_, err = s.writeQuery(r)
	return name, err
}

// sendDone answers a write that has nothing to tell but that it was done.
func (rw *response) sendDone(res *record.Result, body string) error {
	rw.setOffset(res.Offset)
	rw.out = append(rw.out[:0], body...)
	rw.sendJSON(http.StatusOK)
	return nil
}
