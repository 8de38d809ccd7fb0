package filter

// query is one question to an index, with the memory it needs on the way.
type query struct {
	index *Index
	rows  uint32 // the answer has rows below it
	doc   func(row uint32) string

	free    []Bitmap
	scratch Bitmap // of posting.addTo
}

// add sets the rows that a node matches in dst, beside those that are set.
func (q *query) add(dst Bitmap, nd *node) {
	switch nd.op {
	case opNothing:
	case opOr:
		for i := range nd.kids {
			q.add(dst, &nd.kids[i])
		}
	case opAnd:
		all := q.eval(&nd.kids[0])
		for i := range nd.kids[1:] {
			q.narrow(all, &nd.kids[1+i])
		}
		dst.Or(all)
		q.free = append(q.free, all)
	case opNot:
		all := q.take()
		all.fill(q.rows)
		q.narrow(all, nd)
		dst.Or(all)
		q.free = append(q.free, all)
	default:
		q.addCondition(dst, nd)
	}
}

// narrow removes the rows that a node does not match from dst.
func (q *query) narrow(dst Bitmap, nd *node) {
	if nd.op == opNot {
		not := q.eval(&nd.kids[0])
		dst.AndNot(not)
		q.free = append(q.free, not)
		return
	}
	only := q.eval(nd)
	dst.And(only)
	q.free = append(q.free, only)
}

// eval returns the rows that a node matches, in a bitmap that goes back to
// q.free after use.
func (q *query) eval(nd *node) Bitmap {
	b := q.take()
	q.add(b, nd)
	return b
}

// take returns an empty bitmap.
func (q *query) take() Bitmap {
	var b Bitmap
	if last := len(q.free) - 1; last >= 0 {
		b, q.free = q.free[last], q.free[:last]
	}
	return b.sized(q.rows)
}

// addCondition adds the rows whose value a condition holds for.
func (q *query) addCondition(dst Bitmap, nd *node) {
	c := q.index.column(columnOf(nd))
	c.rlock(q.rows, q.doc)
	defer c.mu.RUnlock()
	switch nd.op {
	case opObject, opExists:
		dst.Or(c.present)
		dst.trim(q.rows)
	case opEqual, opIn, opContains:
		for _, value := range nd.values {
			if id, ok := c.ids[value]; ok {
				c.postings[id].addTo(dst, q.rows, &q.scratch)
			}
		}
	default:
		for i := range c.postings {
			p := &c.postings[i]
			holds, sure := nd.decide(p.rank)
			if !sure {
				holds = nd.holds(p.value)
			}
			if holds {
				p.addTo(dst, q.rows, &q.scratch)
			}
		}
	}
}

// columnOf returns the column that answers a condition.
func columnOf(nd *node) columnKey {
	switch nd.op {
	case opObject:
		return columnKey{facet: facetObject}
	case opContains:
		return columnKey{facet: facetElement, path: nd.path}
	}
	return columnKey{facet: facetValue, path: nd.path}
}
