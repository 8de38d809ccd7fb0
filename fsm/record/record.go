package record

// Kind is the first byte of a record. The numbers are frozen.
type Kind uint8

// The kinds of records.
const (
	KindStatePut          Kind = 1
	KindStateDelete       Kind = 2
	KindStateExpire       Kind = 3
	KindStateBatch        Kind = 4
	KindChecksum          Kind = 5
	KindVectorCreate      Kind = 6
	KindVectorDrop        Kind = 7
	KindVectorPut         Kind = 8
	KindVectorUpdate      Kind = 9
	KindVectorDelete      Kind = 10
	KindVectorPutBatch    Kind = 11
	KindVectorDeleteBatch Kind = 12
	KindVectorVacuum      Kind = 13
)

// KindOf returns the kind of an encoded record, 0 for an empty one.
func KindOf(rec []byte) Kind {
	if len(rec) == 0 {
		return 0
	}
	return Kind(rec[0])
}

// MaxBatch is the most operations a batch record may hold. It is part of the
// format: configuration may allow less, never more.
const MaxBatch = 65536

// minBatchPut is the size of the shortest put in a batch: its length, kind,
// flags and two empty byte strings.
const minBatchPut = 5

// Flag bits of StatePut and StateDelete.
const (
	flagTTL        = 1 << 0
	flagIfRevision = 1 << 1
	flagAtomic     = 1 << 0
)

// StatePut writes a key. Layout: kind, flags, key, value, [ttl], [if_revision].
type StatePut struct {
	Key        []byte
	Value      []byte   // compact JSON
	TTL        Optional // ms from the entry's time
	IfRevision Optional // 0 = must not exist
}

// Append appends the encoded record to dst.
func (p *StatePut) Append(dst []byte) []byte {
	var flags byte
	if p.TTL.Set {
		flags |= flagTTL
	}
	if p.IfRevision.Set {
		flags |= flagIfRevision
	}
	dst = append(dst, byte(KindStatePut), flags)
	dst = AppendBytes(dst, p.Key)
	dst = AppendBytes(dst, p.Value)
	if p.TTL.Set {
		dst = AppendUint(dst, p.TTL.Value)
	}
	if p.IfRevision.Set {
		dst = AppendUint(dst, p.IfRevision.Value)
	}
	return dst
}

// DecodeStatePut parses a record of KindStatePut. Key and Value are slices of rec.
func DecodeStatePut(rec []byte) (StatePut, error) {
	r := Reader{b: rec}
	expectKind(&r, KindStatePut)
	flags := r.flags(flagTTL|flagIfRevision, "put flags")
	var p StatePut
	p.Key = r.Bytes("put key")
	p.Value = r.Bytes("put value")
	p.TTL = r.optional(flags, flagTTL, "put ttl")
	p.IfRevision = r.optional(flags, flagIfRevision, "put if_revision")
	return p, r.Done("put")
}

// StateDelete removes a key. Layout: kind, flags, key, [if_revision].
type StateDelete struct {
	Key        []byte
	IfRevision Optional
}

// Append appends the encoded record to dst.
func (d *StateDelete) Append(dst []byte) []byte {
	var flags byte
	if d.IfRevision.Set {
		flags |= flagIfRevision
	}
	dst = append(dst, byte(KindStateDelete), flags)
	dst = AppendBytes(dst, d.Key)
	if d.IfRevision.Set {
		dst = AppendUint(dst, d.IfRevision.Value)
	}
	return dst
}

// DecodeStateDelete parses a record of KindStateDelete. Key is a slice of rec.
func DecodeStateDelete(rec []byte) (StateDelete, error) {
	r := Reader{b: rec}
	expectKind(&r, KindStateDelete)
	flags := r.flags(flagIfRevision, "delete flags")
	var d StateDelete
	d.Key = r.Bytes("delete key")
	d.IfRevision = r.optional(flags, flagIfRevision, "delete if_revision")
	return d, r.Done("delete")
}

// StateExpire deletes at most Max keys that are due at the entry's time, in
// order of their deadlines. The leader proposes it; it has no client.
// Layout: kind, max.
type StateExpire struct{ Max uint64 }

// Append appends the encoded record to dst.
func (e *StateExpire) Append(dst []byte) []byte {
	return AppendUint(append(dst, byte(KindStateExpire)), e.Max)
}

// DecodeStateExpire parses a record of KindStateExpire.
func DecodeStateExpire(rec []byte) (StateExpire, error) {
	r := Reader{b: rec}
	expectKind(&r, KindStateExpire)
	e := StateExpire{Max: r.Uint("expire max")}
	return e, r.Done("expire")
}

// StateBatch is several puts in one record. Not atomic: each stands for
// itself. Atomic: the first failure undoes all.
// Layout: kind, flags, number, then each put as a byte string.
type StateBatch struct {
	Atomic bool
	Puts   []StatePut
}

// Append appends the encoded record to dst.
func (b *StateBatch) Append(dst []byte) []byte {
	var flags byte
	if b.Atomic {
		flags |= flagAtomic
	}
	dst = append(dst, byte(KindStateBatch), flags)
	dst = AppendUint(dst, uint64(len(b.Puts)))
	var one []byte
	for i := range b.Puts {
		one = b.Puts[i].Append(one[:0])
		dst = AppendBytes(dst, one)
	}
	return dst
}

// DecodeStateBatch parses a record of KindStateBatch. Keys and values are slices of rec.
func DecodeStateBatch(rec []byte) (StateBatch, error) {
	r := Reader{b: rec}
	expectKind(&r, KindStateBatch)
	b := StateBatch{Atomic: r.flags(flagAtomic, "batch flags")&flagAtomic != 0}
	n := r.operations("batch operations")
	b.Puts = make([]StatePut, 0, min(n, len(r.b)/minBatchPut))
	for range n {
		one := r.Bytes("batch operation")
		if r.err != nil {
			break
		}
		p, err := DecodeStatePut(one)
		if err != nil {
			return StateBatch{}, err
		}
		b.Puts = append(b.Puts, p)
	}
	return b, r.Done("batch")
}

// Checksum makes every node freeze at this place of the log and publish the
// hash of its state. Layout: kind.
type Checksum struct{}

// Append appends the encoded record to dst.
func (Checksum) Append(dst []byte) []byte { return append(dst, byte(KindChecksum)) }

// DecodeChecksum parses a record of KindChecksum.
func DecodeChecksum(rec []byte) (Checksum, error) {
	r := Reader{b: rec}
	expectKind(&r, KindChecksum)
	return Checksum{}, r.Done("checksum")
}

// operations reads how many operations a batch holds.
func (r *Reader) operations(what string) int {
	n := r.Count(what)
	if n > MaxBatch {
		r.fail(what)
		return 0
	}
	return n
}

func expectKind(r *Reader, want Kind) {
	if Kind(r.Byte("record kind")) != want && r.err == nil {
		r.fail("record kind")
	}
}
