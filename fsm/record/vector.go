package record

// Metric is how two vectors of a collection are compared. The numbers are frozen.
type Metric uint8

// The metrics.
const (
	Cosine Metric = 1
	Dot    Metric = 2
)

// String returns the metric as clients see it.
func (m Metric) String() string {
	switch m {
	case Cosine:
		return "cosine"
	case Dot:
		return "dot"
	}
	return ""
}

// ParseMetric returns the metric that clients call name.
func ParseMetric(name string) (Metric, bool) {
	for _, m := range []Metric{Cosine, Dot} {
		if m.String() == name {
			return m, true
		}
	}
	return 0, false
}

// MaxDim is the most dimensions a vector may have. It is part of the format:
// configuration may allow less, never more.
const MaxDim = 65536

// minPoint is the size of the shortest point in a batch: the lengths of its id,
// vector and meta, and one float.
const minPoint = 7

// A vector record whose collection is no CollectionName does not decode, nor
// one with a vector that is not finite or not of 1 to MaxDim dimensions. A node
// stops at a record that does not decode, so all of that is checked before a
// record is proposed; Append checks nothing.

// Flag bits of VectorPut and VectorUpdate.
const (
	flagAdd    = 1 << 0
	flagVector = 1 << 0
	flagMeta   = 1 << 1
)

// VectorCreate makes a collection. Layout: kind, collection, dim, metric byte.
type VectorCreate struct {
	Collection []byte
	Dim        uint64
	Metric     Metric
}

// Append appends the encoded record to dst.
func (v *VectorCreate) Append(dst []byte) []byte {
	dst = AppendBytes(append(dst, byte(KindVectorCreate)), v.Collection)
	dst = AppendUint(dst, v.Dim)
	return append(dst, byte(v.Metric))
}

// DecodeVectorCreate parses a record of KindVectorCreate. Collection is a
// slice of rec.
func DecodeVectorCreate(rec []byte) (VectorCreate, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorCreate)
	var v VectorCreate
	v.Collection = r.collection("vector create collection")
	v.Dim = r.dim("vector create dim")
	v.Metric = r.metric("vector create metric")
	return v, r.Done("vector create")
}

// VectorDrop removes a collection with all its points. Layout: kind, collection.
type VectorDrop struct{ Collection []byte }

// Append appends the encoded record to dst.
func (v *VectorDrop) Append(dst []byte) []byte {
	return AppendBytes(append(dst, byte(KindVectorDrop)), v.Collection)
}

// DecodeVectorDrop parses a record of KindVectorDrop. Collection is a slice of
// rec.
func DecodeVectorDrop(rec []byte) (VectorDrop, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorDrop)
	v := VectorDrop{Collection: r.collection("vector drop collection")}
	return v, r.Done("vector drop")
}

// VectorPut writes a point. Add: its id must not exist.
// Layout: kind, flags, collection, id, vector, meta.
type VectorPut struct {
	Collection []byte // empty inside a batch, whose collection it is
	ID         []byte
	Vector     []byte // float32, little endian
	Meta       []byte // compact JSON; empty = null
	Add        bool
}

// Append appends the encoded record to dst.
func (v *VectorPut) Append(dst []byte) []byte {
	var flags byte
	if v.Add {
		flags |= flagAdd
	}
	dst = append(dst, byte(KindVectorPut), flags)
	dst = AppendBytes(dst, v.Collection)
	return v.appendPoint(dst)
}

func (v *VectorPut) appendPoint(dst []byte) []byte {
	dst = AppendBytes(dst, v.ID)
	dst = AppendBytes(dst, v.Vector)
	return appendMeta(dst, v.Meta)
}

// DecodeVectorPut parses a record of KindVectorPut. Its byte slices are slices
// of rec.
func DecodeVectorPut(rec []byte) (VectorPut, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorPut)
	flags := r.flags(flagAdd, "vector put flags")
	collection := r.collection("vector put collection")
	v := r.point()
	v.Collection, v.Add = collection, flags&flagAdd != 0
	return v, r.Done("vector put")
}

// point reads what VectorPut.appendPoint wrote.
func (r *Reader) point() VectorPut {
	var v VectorPut
	v.ID = r.Bytes("vector put id")
	v.Vector = r.vector("vector put vector")
	v.Meta = r.meta("vector put meta")
	return v
}

// VectorUpdate changes a point that exists.
// Layout: kind, flags, collection, id, [vector], [meta].
type VectorUpdate struct {
	Collection []byte
	ID         []byte
	Vector     []byte // empty = unchanged
	Meta       []byte // compact JSON; empty with SetMeta = null
	SetMeta    bool
}

// Append appends the encoded record to dst.
func (v *VectorUpdate) Append(dst []byte) []byte {
	var flags byte
	if len(v.Vector) > 0 {
		flags |= flagVector
	}
	if v.SetMeta {
		flags |= flagMeta
	}
	dst = append(dst, byte(KindVectorUpdate), flags)
	dst = AppendBytes(dst, v.Collection)
	dst = AppendBytes(dst, v.ID)
	if len(v.Vector) > 0 {
		dst = AppendBytes(dst, v.Vector)
	}
	if v.SetMeta {
		dst = appendMeta(dst, v.Meta)
	}
	return dst
}

// DecodeVectorUpdate parses a record of KindVectorUpdate. Its byte slices are
// slices of rec.
func DecodeVectorUpdate(rec []byte) (VectorUpdate, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorUpdate)
	flags := r.flags(flagVector|flagMeta, "vector update flags")
	v := VectorUpdate{SetMeta: flags&flagMeta != 0}
	v.Collection = r.collection("vector update collection")
	v.ID = r.Bytes("vector update id")
	if flags&flagVector != 0 {
		v.Vector = r.vector("vector update vector")
	}
	if v.SetMeta {
		v.Meta = r.meta("vector update meta")
	}
	return v, r.Done("vector update")
}

// VectorDelete removes a point. Layout: kind, collection, id.
type VectorDelete struct{ Collection, ID []byte }

// Append appends the encoded record to dst.
func (v *VectorDelete) Append(dst []byte) []byte {
	dst = AppendBytes(append(dst, byte(KindVectorDelete)), v.Collection)
	return AppendBytes(dst, v.ID)
}

// DecodeVectorDelete parses a record of KindVectorDelete. Collection and ID
// are slices of rec.
func DecodeVectorDelete(rec []byte) (VectorDelete, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorDelete)
	var v VectorDelete
	v.Collection = r.collection("vector delete collection")
	v.ID = r.Bytes("vector delete id")
	return v, r.Done("vector delete")
}

// VectorPutBatch upserts several points, each for itself. Of its items, ID,
// Vector and Meta are written down.
// Layout: kind, collection, number, then of each item: id, vector, meta.
type VectorPutBatch struct {
	Collection []byte
	Items      []VectorPut
}

// Append appends the encoded record to dst.
func (v *VectorPutBatch) Append(dst []byte) []byte {
	dst = AppendBytes(append(dst, byte(KindVectorPutBatch)), v.Collection)
	dst = AppendUint(dst, uint64(len(v.Items)))
	for i := range v.Items {
		dst = v.Items[i].appendPoint(dst)
	}
	return dst
}

// DecodeVectorPutBatch parses a record of KindVectorPutBatch. Its byte slices
// are slices of rec.
func DecodeVectorPutBatch(rec []byte) (VectorPutBatch, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorPutBatch)
	v := VectorPutBatch{Collection: r.collection("vector batch collection")}
	n := r.operations("vector batch points")
	v.Items = make([]VectorPut, 0, min(n, len(r.b)/minPoint))
	for i := 0; i < n && r.err == nil; i++ {
		v.Items = append(v.Items, r.point())
	}
	return v, r.Done("vector batch")
}

// VectorDeleteBatch removes several points, each for itself.
// Layout: kind, collection, number, ids.
type VectorDeleteBatch struct {
	Collection []byte
	IDs        [][]byte
}

// Append appends the encoded record to dst.
func (v *VectorDeleteBatch) Append(dst []byte) []byte {
	dst = AppendBytes(append(dst, byte(KindVectorDeleteBatch)), v.Collection)
	dst = AppendUint(dst, uint64(len(v.IDs)))
	for _, id := range v.IDs {
		dst = AppendBytes(dst, id)
	}
	return dst
}

// DecodeVectorDeleteBatch parses a record of KindVectorDeleteBatch. Collection
// and IDs are slices of rec.
func DecodeVectorDeleteBatch(rec []byte) (VectorDeleteBatch, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorDeleteBatch)
	v := VectorDeleteBatch{Collection: r.collection("vector delete batch collection")}
	n := r.operations("vector delete batch ids")
	v.IDs = make([][]byte, 0, n)
	for i := 0; i < n && r.err == nil; i++ {
		v.IDs = append(v.IDs, r.Bytes("vector delete batch id"))
	}
	return v, r.Done("vector delete batch")
}

// VectorVacuum makes every node give back the room of dead rows. It changes
// nothing that a client can see and makes no event. Layout: kind, collection.
type VectorVacuum struct{ Collection []byte }

// Append appends the encoded record to dst.
func (v *VectorVacuum) Append(dst []byte) []byte {
	return AppendBytes(append(dst, byte(KindVectorVacuum)), v.Collection)
}

// DecodeVectorVacuum parses a record of KindVectorVacuum. Collection is a
// slice of rec.
func DecodeVectorVacuum(rec []byte) (VectorVacuum, error) {
	r := Reader{b: rec}
	expectKind(&r, KindVectorVacuum)
	v := VectorVacuum{Collection: r.collection("vector vacuum collection")}
	return v, r.Done("vector vacuum")
}

// collection reads the name of a collection, which is that of a folder too.
func (r *Reader) collection(what string) []byte {
	b := r.Bytes(what)
	if r.err == nil && !CollectionName(b) {
		r.fail(what)
		return nil
	}
	return b
}

func (r *Reader) dim(what string) uint64 {
	d := r.Uint(what)
	if r.err == nil && (d == 0 || d > MaxDim) {
		r.fail(what)
		return 0
	}
	return d
}

func (r *Reader) metric(what string) Metric {
	m := Metric(r.Byte(what))
	if r.err == nil && m.String() == "" {
		r.fail(what)
		return 0
	}
	return m
}

// vector reads a vector of at least one dimension. One with a NaN or an
// infinity, which no comparison can rank, does not decode.
func (r *Reader) vector(what string) []byte {
	b := r.Bytes(what)
	if r.err == nil && (len(b) == 0 || len(b) > 4*MaxDim || !FiniteVector(b)) {
		r.fail(what)
		return nil
	}
	return b
}

// null is the meta data that is written as no bytes.
const null = "null"

func appendMeta(dst, meta []byte) []byte {
	if string(meta) == null {
		meta = nil
	}
	return AppendBytes(dst, meta)
}

// meta reads what appendMeta wrote, nil for null.
func (r *Reader) meta(what string) []byte {
	b := r.Bytes(what)
	if string(b) == null {
		r.fail(what)
	}
	if r.err != nil || len(b) == 0 {
		return nil
	}
	return b
}
