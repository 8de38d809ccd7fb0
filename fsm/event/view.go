package event

// view is what cursors see of the log at one moment. It is immutable; the
// writer and the background replace it as a whole, under Log.mu.
type view struct {
	head   uint64 // newest visible offset
	chain  uint64 // hash chain after it
	low    uint64 // memory mode: oldest offset held
	segs   []*segment
	active int64 // bytes of the active segment
	ring   *ring
	closed bool
}

// oldest returns the oldest retained offset, head+1 when there is none.
func (v *view) oldest() uint64 {
	if len(v.segs) == 0 {
		return v.low
	}
	return v.segs[0].first
}

// find returns the segment that holds offset, which must be retained, and the
// last visible offset in it.
func (v *view) find(offset uint64) (seg *segment, limit uint64) {
	i := segmentOf(v.segs, offset)
	if i+1 < len(v.segs) {
		return v.segs[i], min(v.head, v.segs[i+1].first-1)
	}
	return v.segs[i], v.head
}
