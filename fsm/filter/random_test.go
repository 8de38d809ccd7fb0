package filter

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// maker makes random filters and documents of few names and values, so that
// they meet often.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 1))} }

func (m maker) pick(of ...string) string { return of[m.IntN(len(of))] }

func (m maker) space() string { return m.pick("", "", "", "", " ", "\n\t") }

// name returns a name and the same name as it may be written.
func (m maker) name() (name, written string) {
	name = m.pick("a", "a", "b", "b", "c", "a.b", "b.a", "a.b.c", "", "é")
	if m.IntN(8) == 0 && strings.HasPrefix(name, "a") {
		return name, `"\u0061` + name[1:] + `"`
	}
	return name, `"` + name + `"`
}

func (m maker) path() string {
	return m.pick("a", "a", "b", "c", "a.b", "a.b", "a.b.c", "b.a", "a.a", "b.c.a", "", "a.", ".", "x", "é")
}

func (m maker) scalar() string {
	return m.pick(
		"null", "true", "false",
		"0", "-0", "0.0", "1", "1.0", "10e-1", "0.1E+1", "-1", "-10e-1", "2", "1.5", "15e-1", "10", "1e1", "0.5", "-0.5",
		"9007199254740992", "9007199254740993", "9007199254740993.0", "1e400", "10e399", "1e-400", "1e99999999999999999999", "10e99999999999999999998", "-1e99999999999999999999",
		`""`, `"a"`, `"a"`, `"\u0061"`, `"b"`, `"ab"`, `"\"\\"`, `"\u0022\u005c"`, `"/\n"`, `"\/\u000a"`, `"é"`, `"\u00e9"`, `"😀"`, `"\ud83d\ude00"`, `"1"`, `"abcdefgh"`, `"abcdefghi"`, `"abcdefghj"`, `"abcdefgi"`, "1e401", "-1e-400", "1.0000000000000000001", "1.0000000000000000002",
	)
}

func (m maker) value(depth int) string {
	switch n := m.IntN(10); {
	case depth > 0 && n < 3:
		return m.object(depth)
	case depth > 0 && n < 6:
		elements := make([]string, m.IntN(4))
		for i := range elements {
			elements[i] = m.space() + m.value(depth-1) + m.space()
		}
		return "[" + m.space() + strings.Join(elements, ",") + "]"
	}
	return m.scalar()
}

func (m maker) object(depth int) string {
	members, seen := []string{}, map[string]bool{}
	for range m.IntN(5) {
		name, written := m.name()
		if !seen[name] {
			seen[name] = true
			members = append(members, m.space()+written+m.space()+":"+m.space()+m.value(depth-1)+m.space())
		}
	}
	return "{" + m.space() + strings.Join(members, ",") + "}"
}

func (m maker) doc() string {
	switch m.IntN(12) {
	case 0:
		return ""
	case 1:
		return m.value(2)
	}
	return m.space() + m.object(3) + m.space()
}

func (m maker) filter(depth int) string {
	members, seen := []string{}, map[string]bool{}
	for range m.pickInt(0, 1, 1, 1, 2, 2, 3) {
		name := m.path()
		if depth > 0 {
			name = m.pick(name, name, "$and", "$or", "$not")
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		members = append(members, fmt.Sprintf("%q:%s%s", name, m.space(), m.filterMember(name, depth)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (m maker) filterMember(name string, depth int) string {
	switch {
	case name == "$not":
		return m.filter(depth - 1)
	case strings.HasPrefix(name, "$"):
		return m.list(func() string { return m.filter(depth - 1) })
	case m.IntN(3) == 0:
		return m.value(2)
	}
	return m.operators(2)
}

func (m maker) list(element func() string) string {
	all := make([]string, 1+m.IntN(3))
	for i := range all {
		all[i] = element()
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func (m maker) operators(depth int) string {
	members, seen := []string{}, map[string]bool{}
	for range m.pickInt(1, 1, 1, 2, 3) {
		name := m.pick("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains", "$contains")
		if depth > 0 {
			name = m.pick(name, name, name, "$not", "$and", "$or")
		}
		if !seen[name] {
			seen[name] = true
			members = append(members, fmt.Sprintf("%q:%s", name, m.operand(name, depth)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (m maker) operand(name string, depth int) string {
	switch name {
	case "$in", "$nin":
		return m.list(func() string { return m.value(1) })
	case "$exists":
		return m.pick("true", "false")
	case "$not":
		return m.operators(depth - 1)
	case "$and", "$or":
		return m.list(func() string { return m.operators(depth - 1) })
	case "$eq", "$ne":
		return m.value(2)
	}
	return m.value(m.pickInt(0, 0, 1))
}

func (m maker) pickInt(of ...int) int { return of[m.IntN(len(of))] }

// TestTwins compares Match with the naive evaluator, and Rows with Match while
// rows arrive in steps, on random filters and documents.
func TestTwins(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	matched, compared := 0, 0
	for seed := range rounds {
		m := newMaker(uint64(seed))
		docs, decoded := make([]string, 200), make([]any, 200)
		for i := range docs {
			docs[i] = m.doc()
			decoded[i] = decode(t, docs[i])
		}
		index, rows := NewIndex(), Bitmap(nil)
		for n := uint32(0); n <= 200; n += uint32(1 + m.IntN(40)) {
			filter := m.filter(3)
			f, naive := mustParse(t, filter), decode(t, filter)
			rows = index.Rows(rows, f, n, func(row uint32) string { return docs[row] })
			if len(rows) != int(n+63)/64 || rows.Count() != Bitmap.count(rows, n) {
				t.Fatalf("%d rows in %d words", n, len(rows))
			}
			for i := range n {
				want := naiveFilter(naive, decoded[i])
				if f.MatchString(docs[i]) != want || rows.Contains(i) != want {
					t.Fatalf("%s on %s: naive says %v, Match %v, Rows %v", filter, docs[i], want, f.MatchString(docs[i]), rows.Contains(i))
				}
				compared++
				if want {
					matched++
				}
			}
		}
	}
	if matched < compared/10 || matched > compared*9/10 {
		t.Errorf("%d of %d matched: the test tells little", matched, compared)
	}
}

// count counts the rows below n.
func (b Bitmap) count(n uint32) int {
	rows := 0
	for row := range n {
		if b.Contains(row) {
			rows++
		}
	}
	return rows
}

// TestForms checks that canonical forms are equal exactly when values are, and
// mean what the value means.
func TestForms(t *testing.T) {
	m := newMaker(7)
	for range 10000 {
		a, b := m.value(2), m.value(2)
		if m.IntN(4) == 0 {
			b = canonical(a)
		}
		want := naiveEqual(decode(t, a), decode(t, b))
		if got := canonical(a) == canonical(b); got != want {
			t.Fatalf("%s and %s: forms %s and %s", a, b, canonical(a), canonical(b))
		}
		if !naiveEqual(decode(t, a), decode(t, canonical(a))) {
			t.Fatalf("%s: form %s", a, canonical(a))
		}
	}
}
