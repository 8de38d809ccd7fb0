package fsm

import (
	"github.com/kissvdb/kissvdb/fsm/record"
	"github.com/kissvdb/kissvdb/fsm/vector"
)

// applyVector stages one record of vectors. An error is fatal; a refusal is a
// result. known is false for a record of another kind.
func (f *FSM) applyVector(rec []byte) (res record.Result, known bool, err error) {
	s, c := f.view.Vectors, &f.change
	switch record.KindOf(rec) {
	case record.KindVectorPut:
		res, err = stage(rec, record.DecodeVectorPut, func(r *record.VectorPut) record.Result { return s.Put(c, r) })
	case record.KindVectorPutBatch:
		res, err = stage(rec, record.DecodeVectorPutBatch, func(r *record.VectorPutBatch) record.Result { return s.PutBatch(c, r) })
	case record.KindVectorUpdate:
		res, err = stage(rec, record.DecodeVectorUpdate, func(r *record.VectorUpdate) record.Result { return s.Update(c, r) })
	case record.KindVectorDelete:
		res, err = stage(rec, record.DecodeVectorDelete, func(r *record.VectorDelete) record.Result { return s.Delete(c, r) })
	case record.KindVectorDeleteBatch:
		res, err = stage(rec, record.DecodeVectorDeleteBatch, func(r *record.VectorDeleteBatch) record.Result { return s.DeleteBatch(c, r) })
	case record.KindVectorVacuum:
		res, err = stage(rec, record.DecodeVectorVacuum, func(r *record.VectorVacuum) record.Result { return s.RequestVacuum(c, r) })
	case record.KindVectorCreate:
		r, err := record.DecodeVectorCreate(rec)
		if err != nil {
			return res, true, err
		}
		res, err = s.Create(c, &r)
		return res, true, err
	case record.KindVectorDrop:
		r, err := record.DecodeVectorDrop(rec)
		if err != nil {
			return res, true, err
		}
		res, err = s.Drop(c, &r)
		return res, true, err
	default:
		return res, false, nil
	}
	return res, true, err
}

// stage decodes a record and hands it to the store.
func stage[R any](rec []byte, decode func([]byte) (R, error), apply func(*R) record.Result) (record.Result, error) {
	r, err := decode(rec)
	if err != nil {
		return record.Result{}, err
	}
	return apply(&r), nil
}

// Vectors returns the collections, for their upkeep.
func (f *FSM) Vectors() *vector.Store { return f.view.Vectors }
