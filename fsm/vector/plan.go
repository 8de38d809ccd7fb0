package vector

// How a search goes depends on how many rows match. What each way costs was
// measured with 100,000 rows.

const (
	// exactRows: as few rows are best compared in float64 at once.
	exactRows = 100
	// walkRows: a walk over graphs costs as much as comparing so many rows in
	// float32.
	walkRows = 2000
	// scanRows: what a walk with a filter may cost at most, in rows of 384
	// dimensions compared by their codes.
	scanRows = 10000
	// budget bounds the rows that a walk compares, as a share of those that
	// match.
	budget = 0.5
	// defaultEf is how many candidates a walk keeps, at least.
	defaultEf = 48
	// leastRanked is how many candidates are compared exactly, at least.
	leastRanked = 20
)

// fewRows returns how many rows are so few that all are compared in float64.
func fewRows(k int) int { return max(exactRows, 2*k) }

// ef returns how many candidates a walk keeps for k hits.
func (s *search) ef(k int) int {
	if s.query.Ef > 0 {
		return max(s.query.Ef, k)
	}
	return max(defaultEf, k+k/2)
}

// rerank returns how many candidates are compared exactly for k hits.
func rerank(k int) int { return max(leastRanked, 2*k) }

// walkPays tells whether to walk over graphs rather than to compare all rows
// that match.
func (s *search) walkPays(k int) bool {
	if s.matches == nil {
		return s.count > max(walkRows, 10*s.ef(k))
	}
	return s.count > scanRows
}

// anyDead tells whether some rows are dead at the reader's offset.
func (s *search) anyDead() bool { return s.reader.live < uint64(s.reader.rows) }
