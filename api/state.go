package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/state"
)

const (
	defaultListLimit = 100
	maxListLimit     = 1000
	// indexPrefix is where the index of documents can be read as items. Only
	// the store writes there.
	indexPrefix = "docidx:"
)

func (s *Server) getState(rw *response, r *http.Request) error {
	key, err := s.stateKey(r)
	if err != nil {
		return err
	}
	_, level, err := s.readQuery(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.readDeadline(r, level)
	defer cancel()
	item, offset, err := s.node.State.Get(ctx, key, level)
	if err != nil {
		return err
	}
	rw.setOffset(offset)
	rw.out = appendItem(rw.out[:0], item)
	rw.sendJSON(http.StatusOK)
	return nil
}

func (s *Server) listState(rw *response, r *http.Request) error {
	q, level, err := s.readQuery(r)
	if err != nil {
		return err
	}
	limit, err := q.uint("limit", defaultListLimit)
	if err != nil {
		return err
	}
	if limit == 0 {
		return fault.New(fault.InvalidArgument, "limit must be at least 1")
	}
	prefix, _ := q.get("prefix")
	after, _ := q.get("after")
	if err := checkLength("prefix", len(prefix), s.cfg.MaxKeyLen); err != nil {
		return err
	}
	if err := checkLength("after", len(after), s.cfg.MaxKeyLen); err != nil {
		return err
	}
	ctx, cancel := s.readDeadline(r, level)
	defer cancel()
	items, offset, err := s.node.State.List(ctx, prefix, after, int(min(limit, maxListLimit)), level)
	if err != nil {
		return err
	}
	rw.setOffset(offset)
	return rw.sendItems(items)
}

// sendItems answers with an array, in pieces when it is long.
func (rw *response) sendItems(items []*state.Item) error {
	rw.out = append(rw.out[:0], '[')
	for i, item := range items {
		if i > 0 {
			rw.out = append(rw.out, ',')
		}
		rw.out = appendItem(rw.out, item)
		if err := rw.spill(); err != nil {
			return err
		}
	}
	rw.out = append(rw.out, ']')
	return rw.endJSON()
}

func (s *Server) putState(rw *response, r *http.Request) error {
	key, err := s.writableKey(r)
	if err != nil {
		return err
	}
	if _, err := s.writeQuery(r); err != nil {
		return err
	}
	body, err := rw.readJSON(r)
	if err != nil {
		return err
	}
	put, err := decodePut(body)
	if err != nil {
		return err
	}
	if err := s.checkValue(put.Value); err != nil {
		return err
	}
	put.Key = []byte(key)
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.State.Put(ctx, put)
	if err != nil {
		return err
	}
	s.metrics.statePuts.Inc()
	rw.setOffset(res.Offset)
	rw.out = appendPutResult(append(rw.out[:0], '{'), put.Key, &res)
	rw.sendJSON(http.StatusOK)
	return nil
}

func (s *Server) deleteState(rw *response, r *http.Request) error {
	key, err := s.writableKey(r)
	if err != nil {
		return err
	}
	q, err := s.writeQuery(r)
	if err != nil {
		return err
	}
	del := record.StateDelete{Key: []byte(key)}
	if text, ok := q.get("if_revision"); ok {
		n, err := parseUint("if_revision", text)
		if err != nil {
			return err
		}
		del.IfRevision = record.Some(n)
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.State.Delete(ctx, del)
	if err != nil {
		return err
	}
	if res.Deleted {
		s.metrics.stateDeletes.Inc()
	}
	rw.setOffset(res.Offset)
	rw.out = strconv.AppendBool(append(rw.out[:0], `{"deleted":`...), res.Deleted)
	rw.out = append(rw.out, '}')
	rw.sendJSON(http.StatusOK)
	return nil
}

// decodePut reads the body of a put; the key is not in it.
func decodePut(body []byte) (record.StatePut, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return record.StatePut{}, err
	}
	var put record.StatePut
	for obj.next() {
		name := obj.member()
		if _, err := decodePutMember(&put, name, obj.value()); err != nil {
			return record.StatePut{}, err
		}
	}
	if put.Value == nil {
		return record.StatePut{}, unprocessable("value is missing")
	}
	return put, nil
}

// decodePutMember reads one member of what says how to put, and reports
// whether it is one. Unknown members are ignored.
func decodePutMember(put *record.StatePut, name []byte, v value) (known bool, err error) {
	switch string(name) {
	case "value":
		if v.depth > maxDepth {
			return true, unprocessable("value is nested %d deep, at most %d is allowed", v.depth, maxDepth)
		}
		put.Value = v.compact()
	case "ttl_ms":
		put.TTL, err = v.optionalUint("ttl_ms")
	case "if_revision":
		put.IfRevision, err = v.optionalUint("if_revision")
	default:
		return false, nil
	}
	return true, err
}

// stateKey returns the key of the path.
func (s *Server) stateKey(r *http.Request) (string, error) {
	key, err := pathParam(r, "key")
	if err != nil {
		return "", err
	}
	return key, s.checkKey(key)
}

// writableKey returns the key of the path if clients may write it.
func (s *Server) writableKey(r *http.Request) (string, error) {
	key, err := s.stateKey(r)
	if err != nil {
		return "", err
	}
	return key, checkWritable(key)
}

func (s *Server) checkKey(key string) error {
	return checkLength("key", len(key), s.cfg.MaxKeyLen)
}

func checkWritable(key string) error {
	if strings.HasPrefix(key, indexPrefix) {
		return fault.New(fault.InvalidArgument, "keys that begin with %s belong to the document index and cannot be written", indexPrefix)
	}
	return nil
}

func checkLength(what string, n, most int) error {
	if n > most {
		return fault.New(fault.InvalidArgument, "%s too long: %d bytes, at most %d are allowed", what, n, most)
	}
	return nil
}

func (s *Server) checkValue(compact []byte) error {
	return checkSize("value", len(compact), s.cfg.MaxJSONBytes)
}

// checkSize refuses a value of n bytes of compact JSON if that is over most.
func checkSize(what string, n, most int) error {
	if n > most {
		return fault.New(fault.PayloadTooLarge, "%s too large: %d bytes of compact JSON, at most %d are allowed", what, n, most)
	}
	return nil
}

// appendItem appends an item as clients see it.
func appendItem(dst []byte, item *state.Item) []byte {
	dst = appendString(append(dst, `{"key":`...), item.Key())
	dst = append(append(dst, `,"value":`...), item.Value()...)
	dst = appendVersion(dst, item.Revision, item.ExpiresAt)
	return append(dst, '}')
}

// appendPutResult appends what a put answers, after the brace that opens it.
func appendPutResult(dst, key []byte, res *record.Result) []byte {
	dst = appendString(append(dst, `"key":`...), key)
	dst = appendVersion(dst, res.Revision, res.ExpiresAt)
	return append(dst, '}')
}

// appendVersion appends the members that every item and put result ends with.
func appendVersion(dst []byte, revision, expiresAt uint64) []byte {
	dst = strconv.AppendUint(append(dst, `,"revision":`...), revision, 10)
	dst = append(dst, `,"expires_at_ms":`...)
	if expiresAt == 0 {
		return append(dst, `null`...)
	}
	return strconv.AppendUint(dst, expiresAt, 10)
}
