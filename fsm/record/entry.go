package record

// EntryVersion is the first byte of every entry written by this program.
const EntryVersion = 1

// Entry is one Raft log entry of ours: the leader's clock and a batch of
// records that are applied in order and become visible together.
//
// Layout, version 1: version byte, time (ms), number of records, then each
// record as a byte string.
type Entry struct {
	Time    int64 // Unix ms, stamped by the leader; the store's time once applied
	Records [][]byte
}

// AppendEntry appends the encoding of an entry to dst.
func AppendEntry(dst []byte, timeMS int64, records [][]byte) []byte {
	dst = append(dst, EntryVersion)
	dst = AppendUint(dst, uint64(timeMS))
	dst = AppendUint(dst, uint64(len(records)))
	for _, rec := range records {
		dst = AppendBytes(dst, rec)
	}
	return dst
}

// DecodeEntry parses an entry. The records are slices of b.
func DecodeEntry(b []byte) (Entry, error) {
	r := Reader{b: b}
	if v := r.Byte("entry version"); r.err == nil && v != EntryVersion {
		return Entry{}, corrupt("unknown entry version")
	}
	e := Entry{Time: r.Time("entry time")}
	n := r.Count("entry records")
	if n > 0 {
		e.Records = make([][]byte, 0, n)
	}
	for range n {
		rec := r.Bytes("record")
		if r.err != nil {
			break
		}
		e.Records = append(e.Records, rec)
	}
	if err := r.Done("entry"); err != nil {
		return Entry{}, err
	}
	return e, nil
}
