package record

import "github.com/kissvdb/kissvdb/fault"

// Result is what applying one record answered, the same on every node.
// Which fields have a meaning depends on the record: a state put has Revision
// and ExpiresAt, a delete Deleted, an expire Count, a checksum Index, a batch
// Batch (or, atomic and refused, Fault with its operation). What else is done
// to vectors has none of them.
//
// Layout: version byte, kind, flags, offset, then per kind; a fault is its
// code byte, message, and with flagOperation the operation's index.
type Result struct {
	Kind      Kind
	Offset    uint64       // the record's last event, or the offset at its apply if it made none
	Fault     *fault.Error // nil on success
	Revision  uint64
	ExpiresAt uint64 // Unix ms; 0 = never
	Deleted   bool
	Count     uint64
	Index     uint64
	Batch     []Result // of a vector batch, each of KindVectorPut or KindVectorDelete
}

const (
	resultVersion = 1
	flagFault     = 1 << 0
	flagOperation = 1 << 1
	flagDeleted   = 1 << 2
)

// Append appends the encoded result to dst.
func (res *Result) Append(dst []byte) []byte {
	return res.append(append(dst, resultVersion))
}

func (res *Result) append(dst []byte) []byte {
	var flags byte
	if res.Fault != nil {
		flags |= flagFault
		if res.Fault.HasOperation {
			flags |= flagOperation
		}
	}
	if res.Deleted {
		flags |= flagDeleted
	}
	dst = append(dst, byte(res.Kind), flags)
	dst = AppendUint(dst, res.Offset)
	if res.Fault != nil {
		dst = append(dst, byte(res.Fault.Code))
		dst = AppendBytes(dst, res.Fault.Message)
		if res.Fault.HasOperation {
			dst = AppendUint(dst, uint64(res.Fault.Operation))
		}
		return dst
	}
	switch res.Kind {
	case KindStatePut:
		dst = AppendUint(dst, res.Revision)
		dst = AppendUint(dst, res.ExpiresAt)
	case KindStateExpire:
		dst = AppendUint(dst, res.Count)
	case KindChecksum:
		dst = AppendUint(dst, res.Index)
	case KindStateBatch, KindVectorPutBatch, KindVectorDeleteBatch:
		dst = AppendUint(dst, uint64(len(res.Batch)))
		for i := range res.Batch {
			dst = res.Batch[i].append(dst)
		}
	}
	return dst
}

// DecodeResult parses a result. A Fault in it carries the result's offset.
func DecodeResult(b []byte) (Result, error) {
	r := Reader{b: b}
	if v := r.Byte("result version"); r.err == nil && v != resultVersion {
		return Result{}, corrupt("unknown result version")
	}
	res := decodeResult(&r, Kind(r.Byte("result kind")))
	if err := r.Done("result"); err != nil {
		return Result{}, err
	}
	return res, nil
}

// decodeResult reads what follows the kind.
func decodeResult(r *Reader, kind Kind) Result {
	res := Result{Kind: kind}
	flags := r.flags(flagFault|flagOperation|flagDeleted, "result flags")
	if flags&(flagFault|flagOperation) == flagOperation {
		r.fail("result flags")
	}
	res.Deleted = flags&flagDeleted != 0
	res.Offset = r.Uint("result offset")
	if flags&flagFault != 0 {
		res.Fault = decodeFault(r, flags, res.Offset)
		return res
	}
	switch res.Kind {
	case KindStatePut:
		res.Revision = r.Uint("result revision")
		res.ExpiresAt = r.Uint("result expiry")
	case KindStateExpire:
		res.Count = r.Uint("result count")
	case KindChecksum:
		res.Index = r.Uint("result index")
	case KindStateBatch:
		res.Batch = decodeBatch(r, KindStatePut)
	case KindVectorPutBatch:
		res.Batch = decodeBatch(r, KindVectorPut)
	case KindVectorDeleteBatch:
		res.Batch = decodeBatch(r, KindVectorDelete)
	}
	return res
}

// decodeBatch reads the results in a batch, all of one kind. That kind is none
// of a batch, so results do not nest deeper.
func decodeBatch(r *Reader, kind Kind) []Result {
	n := r.operations("result batch")
	var batch []Result
	for i := 0; i < n && r.err == nil; i++ {
		if Kind(r.Byte("kind of a batch's result")) != kind {
			r.fail("kind of a batch's result")
			break
		}
		batch = append(batch, decodeResult(r, kind))
	}
	return batch
}

func decodeFault(r *Reader, flags byte, offset uint64) *fault.Error {
	f := &fault.Error{Offset: offset, HasOffset: true}
	f.Code = fault.Code(r.Byte("fault code"))
	f.Message = string(r.Bytes("fault message"))
	if flags&flagOperation != 0 {
		op := r.Uint("fault operation")
		if op > MaxBatch {
			r.fail("fault operation")
		}
		f.Operation, f.HasOperation = int(op), true
	}
	return f
}
