package hnsw

const (
	maxDim   = 1 << 16
	maxEf    = 1 << 16
	maxNodes = 1<<31 - 1
)

// width returns the most links of a node in layer i.
func width(p Params, i int) int {
	if i == 0 {
		return 2 * p.M
	}
	return p.M
}

// check reports whether a graph that was read names only what there is: a
// search on it is then as safe as on one that was built.
func (g *Graph) check(rows uint32) error {
	if err := g.checkRows(rows); err != nil {
		return err
	}
	followers, err := g.checkTwins()
	if err != nil {
		return err
	}
	for i, l := range g.layers {
		if err := g.checkLayer(i, l, followers); err != nil {
			return err
		}
	}
	return nil
}

func (g *Graph) checkRows(rows uint32) error {
	seen := make([]uint64, rows/64+1)
	for _, list := range [][]uint32{g.rows, g.outliers} {
		for _, row := range list {
			if row == None {
				continue
			}
			if row >= rows || seen[row/64]>>(row%64)&1 == 1 {
				return corrupt("row %d of %d, or twice", row, rows)
			}
			seen[row/64] |= 1 << (row % 64)
		}
	}
	for i, row := range g.outliers {
		if row == None || i > 0 && row < g.outliers[i-1] {
			return corrupt("outliers out of order")
		}
	}
	return nil
}

// checkTwins returns which nodes stand in a list behind another one. Every list
// has an end.
func (g *Graph) checkTwins() (followers []bool, err error) {
	if g.twins == nil {
		return nil, nil
	}
	followers = make([]bool, g.Len())
	count := 0
	for _, next := range g.twins {
		if next == None {
			continue
		}
		if int(next) >= len(followers) || followers[next] {
			return nil, corrupt("twin %d of %d, or twice", next, len(followers))
		}
		followers[next] = true
		count++
	}
	for node, follows := range followers {
		if !follows {
			for next := g.twins[node]; next != None; next = g.twins[next] {
				count--
			}
		}
	}
	if count != 0 {
		return nil, corrupt("twins in a circle")
	}
	return followers, nil
}

func (g *Graph) checkLayer(i int, l *layer, followers []bool) error {
	positions := uint32(l.count())
	for _, kept := range l.kept {
		if int(kept) > l.width {
			return corrupt("%d links kept", kept)
		}
	}
	if i > 0 {
		for at, node := range l.nodes {
			below := l.below[at]
			if int(node) >= g.Len() || int(below) >= g.layers[i-1].count() || g.layers[i-1].node(below) != node {
				return corrupt("node %d at position %d in the layer below", node, below)
			}
		}
	}
	for _, link := range l.lists {
		if link == None {
			continue
		}
		if link >= positions || followers != nil && followers[l.node(link)] {
			return corrupt("link to position %d of %d", link, positions)
		}
	}
	return nil
}
