package hnsw

import (
	"bytes"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// findTwins makes lists of the nodes with equal codes, and puts those new nodes
// on todo that are to be linked: one of each list.
func (b *builder) findTwins([]uint32) {
	g := b.graph
	linked := b.linkedBefore()
	twins := make([]uint32, g.Len())
	fill(twins, None)
	any := false
	b.todo = make([]uint32, 0, g.Len())
	for _, group := range b.sameCodes() {
		first := uint32(None)
		for _, node := range group { // the list starts with a linked node
			if linked(node) {
				first = node
				break
			}
		}
		if first == None {
			first = group[0]
			b.todo = append(b.todo, first)
		}
		last := first
		for _, node := range group {
			if node != first && !linked(node) {
				twins[last], last = node, node
				any = true
			}
		}
	}
	if any {
		g.twins = twins
	}
	slices.Sort(b.todo)
}

// linkedBefore tells which nodes were linked in prev.
func (b *builder) linkedBefore() func(node uint32) bool {
	old := uint32(b.prev.Len())
	unlinked := make(map[uint32]struct{})
	for _, next := range b.prev.twins {
		if next != None {
			unlinked[next] = struct{}{}
		}
	}
	return func(node uint32) bool {
		_, no := unlinked[node]
		return node < old && !no
	}
}

// sameCodes returns the nodes in groups of equal codes, each in order.
func (b *builder) sameCodes() [][]uint32 {
	g := b.graph
	type hashed struct {
		hash uint64
		node uint32
	}
	all := make([]hashed, g.Len())
	for i := range all {
		all[i] = hashed{xxhash.Sum64(g.code(uint32(i))), uint32(i)}
	}
	slices.SortFunc(all, func(x, y hashed) int {
		if x.hash != y.hash {
			if x.hash < y.hash {
				return -1
			}
			return 1
		}
		return int(x.node) - int(y.node)
	})
	nodes := make([]uint32, 0, len(all))
	var groups [][]uint32
	for i, h := range all {
		start := i == 0 || h.hash != all[i-1].hash || !bytes.Equal(g.code(h.node), g.code(all[i-1].node))
		nodes = append(nodes, h.node)
		if start {
			groups = append(groups, nodes[i:i+1])
		} else {
			last := len(groups) - 1
			groups[last] = nodes[i-len(groups[last]) : i+1]
		}
	}
	return groups
}
