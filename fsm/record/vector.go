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

// VectorCreate makes a collection.
type VectorCreate struct {
	Collection []byte
	Dim        uint64
	Metric     Metric
}

// VectorDrop removes a collection with all its points.
type VectorDrop struct{ Collection []byte }

// VectorPut writes a point. Add: its id must not exist.
type VectorPut struct {
	Collection []byte // empty inside a batch, whose collection it is
	ID         []byte
	Vector     []byte // float32, little endian
	Meta       []byte // compact JSON; empty = null
	Add        bool
}

// VectorUpdate changes a point that exists.
type VectorUpdate struct {
	Collection []byte
	ID         []byte
	Vector     []byte // empty = unchanged
	Meta       []byte // compact JSON; empty with SetMeta = null
	SetMeta    bool
}

// VectorDelete removes a point.
type VectorDelete struct{ Collection, ID []byte }

// VectorPutBatch upserts several points, each for itself.
type VectorPutBatch struct {
	Collection []byte
	Items      []VectorPut
}

// VectorDeleteBatch removes several points, each for itself.
type VectorDeleteBatch struct {
	Collection []byte
	IDs        [][]byte
}

// VectorVacuum makes every node give back the room of dead rows. It changes
// nothing that a client can see and makes no event.
type VectorVacuum struct{ Collection []byte }
