package hnsw

import "slices"

// layer is the links between the nodes of one layer, by position: the lowest
// layer has every node, at the position of its number; a higher one has those
// of at least its level, in the order in which they came.
type layer struct {
	width int      // most links of a node
	lists []uint32 // count x width positions; a list ends at None or its width

	// kept is how many links at the front of each list were chosen because they
	// lead to different sides; each is known to be apart from those before it.
	kept []uint8

	nodes []uint32 // node of each position; nil in the lowest layer
	below []uint32 // position of each node in the layer below; nil in the lowest layer
}

// list returns the links of a position, with what follows their end.
func (l *layer) list(position uint32) []uint32 {
	start := int(position) * l.width
	return l.lists[start : start+l.width : start+l.width]
}

// node returns which node is at a position.
func (l *layer) node(position uint32) uint32 {
	if l.nodes == nil {
		return position
	}
	return l.nodes[position]
}

// count returns how many positions there are.
func (l *layer) count() int { return len(l.kept) }

// links returns the links of a position.
func (l *layer) links(position uint32) []uint32 {
	list := l.list(position)
	if end := slices.Index(list, None); end >= 0 {
		return list[:end]
	}
	return list
}
