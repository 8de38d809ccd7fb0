package vector

import (
	"context"

	"github.com/kissvdb/kissvdb/fsm/filter"
)

// grouped returns the best k rows of which at most GroupLimit share a value.
// It is what one gets by going through all rows in order and leaving out those
// whose group is full: as many are looked at as are needed.
func (s *search) grouped(ctx context.Context, k int) ([]scored, error) {
	for most := 4 * k; ; most *= 4 {
		most = min(most, s.count)
		found, err := s.nearest(ctx, most)
		if err != nil {
			return nil, err
		}
		picked := s.pick(found, k)
		if len(picked) == k || len(found) < most || most == s.count {
			return picked, nil
		}
	}
}

// pick returns, in the memory of found, the first k rows of which at most
// GroupLimit share a value.
func (s *search) pick(found []scored, k int) []scored {
	picked, sizes := found[:0], make(map[string]int)
	for _, f := range found {
		group, ok := filter.Lookup(s.reader.point(f.row).meta, s.query.GroupBy)
		if !ok {
			group = "null"
		}
		if sizes[group] >= s.query.GroupLimit {
			continue
		}
		sizes[group]++
		if picked = append(picked, f); len(picked) == k {
			break
		}
	}
	return picked
}
