package api

import (
	"errors"
	"net/http"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// batchOperation is one operation of a batch: a put, or why it is refused.
type batchOperation struct {
	put     record.StatePut
	refused *fault.Error
	result  *record.Result
}

// batch is the body of a batch.
type batch struct {
	atomic     bool
	operations []batchOperation
}

func (s *Server) batchState(rw *response, r *http.Request) error {
	if _, err := s.writeQuery(r); err != nil {
		return err
	}
	body, err := rw.readJSON(r)
	if err != nil {
		return err
	}
	b, err := s.decodeBatch(body)
	if err != nil {
		return err
	}
	if err := s.checkBatch(&b); err != nil {
		return err
	}
	offset, err := s.proposeBatch(r, &b)
	if err != nil {
		return err
	}
	rw.setOffset(offset)
	rw.out = appendBatchResults(rw.out[:0], b.operations)
	rw.sendJSON(http.StatusOK)
	return nil
}

// checkBatch refuses single operations; of an atomic batch, the first that is
// refused stands for all.
func (s *Server) checkBatch(b *batch) error {
	for i := range b.operations {
		op := &b.operations[i]
		err := s.checkPut(&op.put)
		if errors.As(err, &op.refused) && b.atomic {
			return operationFault(err, i)
		}
	}
	return nil
}

// checkPut refuses what no store would have to be asked for.
func (s *Server) checkPut(put *record.StatePut) error {
	key := string(put.Key)
	if key == "" {
		return fault.New(fault.InvalidArgument, "key is empty")
	}
	if err := s.checkKey(key); err != nil {
		return err
	}
	if err := checkWritable(key); err != nil {
		return err
	}
	return s.checkValue(put.Value)
}

// proposeBatch writes what was not refused, as one record, and hands the
// results back to the operations. It returns the offset they reflect.
func (s *Server) proposeBatch(r *http.Request, b *batch) (uint64, error) {
	rec := record.StateBatch{Atomic: b.atomic, Puts: make([]record.StatePut, 0, len(b.operations))}
	for i := range b.operations {
		if b.operations[i].refused == nil {
			rec.Puts = append(rec.Puts, b.operations[i].put)
		}
	}
	if len(rec.Puts) == 0 {
		return s.node.Offset(), nil
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	res, err := s.node.State.Batch(ctx, rec)
	if err != nil {
		return 0, err
	}
	if len(res.Batch) != len(rec.Puts) {
		return 0, fault.New(fault.Internal, "batch of %d puts has %d results", len(rec.Puts), len(res.Batch))
	}
	results := res.Batch
	for i := range b.operations {
		op := &b.operations[i]
		if op.refused != nil {
			continue
		}
		op.result, results = &results[0], results[1:]
		op.refused = op.result.Fault
		if op.refused == nil {
			s.metrics.statePuts.Inc()
		}
	}
	return res.Offset, nil
}

// decodeBatch reads the body of a batch.
func (s *Server) decodeBatch(body []byte) (batch, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return batch{}, err
	}
	var b batch
	var operations value
	for obj.next() {
		name := obj.member()
		switch v := obj.value(); string(name) {
		case "atomic":
			if b.atomic, err = v.optionalBool("atomic", false); err != nil {
				return batch{}, err
			}
		case "operations":
			operations = v
		}
	}
	if len(operations.raw) == 0 || operations.raw[0] != '[' {
		return batch{}, unprocessable("operations must be an array")
	}
	if b.operations, err = s.decodeOperations(operations.raw); err != nil {
		return batch{}, err
	}
	return b, nil
}

// decodeOperations reads an array of operations. They are counted before
// their shapes are looked at, so that a refused batch costs no memory.
func (s *Server) decodeOperations(raw []byte) ([]batchOperation, error) {
	n := elements(raw)
	switch {
	case n == 0:
		return nil, fault.New(fault.InvalidArgument, "operations required")
	case n > s.cfg.MaxStateBatch:
		return nil, fault.New(fault.InvalidArgument, "too many operations: %d, at most %d are allowed", n, s.cfg.MaxStateBatch)
	}
	operations := make([]batchOperation, 0, n)
	for array := (scanner{b: raw}); array.next(); {
		put, err := decodeOperation(array.value().raw)
		if err != nil {
			return nil, operationFault(err, len(operations))
		}
		operations = append(operations, batchOperation{put: put})
	}
	return operations, nil
}

// decodeOperation reads one operation: a put with its key.
func decodeOperation(raw []byte) (record.StatePut, error) {
	obj, err := object(raw, "an operation")
	if err != nil {
		return record.StatePut{}, err
	}
	var put record.StatePut
	for obj.next() {
		name := obj.member()
		v := obj.value()
		known, err := decodePutMember(&put, name, v)
		if !known && string(name) == "key" {
			put.Key, err = v.text("key")
		}
		if err != nil {
			return record.StatePut{}, err
		}
	}
	switch {
	case put.Key == nil:
		return record.StatePut{}, unprocessable("key is missing")
	case put.Value == nil:
		return record.StatePut{}, unprocessable("value is missing")
	}
	return put, nil
}

// operationFault says which operation an error is about.
func operationFault(err error, index int) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	at := *f
	at.Operation, at.HasOperation = index, true
	return &at
}

func appendBatchResults(dst []byte, operations []batchOperation) []byte {
	dst = append(dst, `{"results":[`...)
	for i := range operations {
		if i > 0 {
			dst = append(dst, ',')
		}
		op := &operations[i]
		if op.refused == nil {
			dst = appendPutResult(append(dst, `{"status":"ok",`...), op.put.Key, op.result)
			continue
		}
		dst = appendString(append(dst, `{"status":"error","key":`...), op.put.Key)
		dst = appendErrorPair(append(dst, `,"error":`...), op.refused)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}
