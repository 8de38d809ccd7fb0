package hnsw

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Points come in equal copies: the same text twice, vectors of zeros. Links
// among many of them would be a trap that no walk leaves, so only one of them
// is linked.

// findTwins makes lists of the nodes with equal codes, each led by one that is
// linked, and puts the nodes that are to be linked yet on todo.
func (b *builder) findTwins() {
	g := b.graph
	linked := b.prev.linked()
	lead := make([]bool, g.Len())
	copy(lead, linked)
	twins := make([]uint32, g.Len())
	fill(twins, None)
	any := false
	for _, group := range b.sameCodes() {
		first := group[0]
		if i := slices.IndexFunc(group, func(n uint32) bool { return lead[n] }); i >= 0 {
			first = group[i]
		}
		last := first
		for _, node := range group {
			if node != first && !lead[node] {
				twins[last], last = node, node
				any = true
			}
		}
		lead[first] = true
	}
	if any {
		g.twins = twins
	}
	follows := make([]bool, g.Len())
	for _, next := range twins {
		if next != None {
			follows[next] = true
		}
	}
	for node, follows := range follows {
		if !follows && !(node < len(linked) && linked[node]) {
			b.todo = append(b.todo, uint32(node))
		}
	}
}

// linked tells of each node whether it is linked.
func (g *Graph) linked() []bool {
	linked := make([]bool, g.Len())
	for i := range linked {
		linked[i] = true
	}
	for _, next := range g.twins {
		if next != None {
			linked[next] = false
		}
	}
	return linked
}

// hashed is a node with the hash of its code.
type hashed struct {
	hash uint64
	node uint32
}

// sameCodes returns, in groups and in order, the nodes whose code is not the
// only one of its kind.
func (b *builder) sameCodes() [][]uint32 {
	all := make([]hashed, b.graph.Len())
	b.parallel(len(all), 1024, func(_ *worker, start, end int) {
		for node := start; node < end; node++ {
			all[node] = hashed{xxhash.Sum64(b.graph.code(uint32(node))), uint32(node)}
		}
	})
	buckets := distribute(all)
	b.parallel(len(buckets), 1, func(w *worker, at, _ int) {
		slices.SortFunc(buckets[at], func(x, y hashed) int {
			return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.node, y.node))
		})
	})
	var groups [][]uint32
	for _, bucket := range buckets {
		for start := 0; start < len(bucket); {
			end := start + 1
			for ; end < len(bucket) && bucket[end].hash == bucket[start].hash; end++ {
			}
			groups = b.appendGroups(groups, bucket[start:end])
			start = end
		}
	}
	return groups
}

// distribute puts nodes into buckets by their hashes, in order.
func distribute(all []hashed) [][]hashed {
	const bits = 10
	var ends [1 << bits]int
	for _, h := range all {
		ends[h.hash>>(64-bits)]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	sorted := make([]hashed, len(all))
	buckets := make([][]hashed, len(ends))
	for i := range buckets {
		start := 0
		if i > 0 {
			start = ends[i-1]
		}
		buckets[i] = sorted[start:start:ends[i]]
	}
	for _, h := range all {
		bucket := &buckets[h.hash>>(64-bits)]
		*bucket = append(*bucket, h)
	}
	return buckets
}

// appendGroups appends the groups among nodes of one hash.
func (b *builder) appendGroups(groups [][]uint32, same []hashed) [][]uint32 {
	for len(same) > 1 {
		code := b.graph.code(same[0].node)
		var group []uint32
		same = slices.DeleteFunc(same, func(h hashed) bool {
			equal := bytes.Equal(b.graph.code(h.node), code)
			if equal {
				group = append(group, h.node)
			}
			return equal
		})
		if len(group) > 1 {
			groups = append(groups, group)
		}
	}
	return groups
}
