package filter

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// sample returns a document of about 100 bytes: "id" is unique, "group" has
// 100 values, "flag" two.
func sample(row uint32) string {
	return fmt.Sprintf(`{"id":%d,"group":"g%02d","flag":%v,"score":%d.25,"tags":["t%d","t%d"],"author":{"name":"n%d"},"lang":"en"}`,
		row, row%100, row%2 == 0, row*7919%100000, row%50, row%7, row%1000)
}

func samples(n int) []string {
	docs := make([]string, n)
	for i := range docs {
		docs[i] = sample(uint32(i))
	}
	return docs
}

// from returns a doc function.
func from(docs []string) func(uint32) string {
	return func(row uint32) string { return docs[row] }
}

// TestIndexReadsOnce counts the documents a column asks for: each row once and
// in order, whatever n the filters come with.
func TestIndexReadsOnce(t *testing.T) {
	docs := samples(1000)
	x := NewIndex()
	next := uint32(0)
	doc := func(row uint32) string {
		if row != next {
			t.Fatalf("asks for row %d, not %d", row, next)
		}
		next++
		return docs[row]
	}
	f, other := mustParse(t, `{"group":"g07"}`), mustParse(t, `{"group":{"$ne":"g07"}}`)
	for _, n := range []uint32{0, 10, 500, 20, 1000, 999} {
		if got, want := x.Rows(nil, f, n, doc).Count(), int(n+92)/100; got != want {
			t.Errorf("%d of %d rows, not %d", got, n, want)
		}
		if got, want := x.Rows(nil, other, n, doc).Count(), int(n)-int(n+92)/100; got != want {
			t.Errorf("%d of %d other rows, not %d", got, n, want)
		}
	}
	if next != 1000 {
		t.Errorf("read %d rows", next)
	}
}

// TestIndexManyRows has postings of every shape, asked below what they hold.
func TestIndexManyRows(t *testing.T) {
	rows := uint32(70_000) // more than a container of a roaring bitmap
	if testing.Short() {
		rows = 10_000
	}
	docs := samples(int(rows))
	x := NewIndex()
	for _, filter := range []string{
		`{"flag":true}`, `{"flag":{"$ne":true}}`, `{"lang":"en"}`, `{"lang":{"$exists":true}}`, `{}`, `{"lang":{"$gt":"en"}}`,
		`{"group":"g42"}`, `{"group":{"$in":["g01","g99","none"]}}`, `{"group":{"$gte":"g50"}}`,
		`{"id":7777}`, `{"id":{"$gte":1000,"$lt":60000}}`, `{"score":{"$lt":500}}`,
		`{"tags":{"$contains":"t3"}}`, `{"tags":["t3","t3"]}`, `{"author.name":"n17"}`, `{"author":{"name":"n17"}}`,
		`{"$or":[{"flag":true,"group":{"$lt":"g10"}},{"$not":{"id":{"$gt":5}}}]}`,
	} {
		f := mustParse(t, filter)
		want := Bitmap(nil).sized(rows)
		for row := range rows {
			if f.MatchString(docs[row]) {
				want.set(row)
			}
		}
		var got Bitmap
		for _, n := range []uint32{rows, 3001, 1, 63, 64, 65} {
			got = x.Rows(got, f, n, from(docs))
			below := slices.Clone(want[:(n+63)/64])
			below.trim(n)
			if !slices.Equal(got, below) {
				t.Fatalf("%s below %d: %d rows, not %d", filter, n, got.Count(), below.Count())
			}
		}
	}
}

// TestIndexConcurrent asks from many goroutines while rows are added.
func TestIndexConcurrent(t *testing.T) {
	docs := samples(3000)
	x := NewIndex()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			var rows Bitmap
			for n := uint32(g); n < uint32(len(docs)); n += 97 {
				group := n % 100
				f := mustParse(t, fmt.Sprintf(`{"group":"g%02d","id":{"$lt":%d},"tags":{"$exists":true}}`, group, n/2))
				rows = x.Rows(rows, f, n, from(docs))
				want := 0
				for row := range n / 2 {
					if row%100 == group {
						want++
					}
				}
				if rows.Count() != want {
					t.Errorf("below %d: %d rows, not %d", n, rows.Count(), want)
				}
				if x.Bytes() < 0 {
					t.Error("negative bytes")
				}
			}
		})
	}
	wg.Wait()
}

// TestIndexEvicts names more paths than an index keeps columns.
func TestIndexEvicts(t *testing.T) {
	var members []string
	for i := range 3 * maxColumns {
		members = append(members, fmt.Sprintf(`"f%d":%d`, i, i))
	}
	docs := []string{"{" + strings.Join(members, ",") + "}", "{}"}
	x := NewIndex()
	often := mustParse(t, `{"f0":0}`)
	read := 0
	for i := range 3 * maxColumns {
		f := mustParse(t, fmt.Sprintf(`{"f%d":%d}`, i, i))
		if rows := x.Rows(nil, f, 2, from(docs)); rows.Count() != 1 || !rows.Contains(0) {
			t.Fatalf("f%d: %v", i, rows)
		}
		x.Rows(nil, often, 2, func(row uint32) string { read++; return docs[row] })
	}
	if len(x.columns) != maxColumns {
		t.Errorf("%d columns", len(x.columns))
	}
	if read != 0 {
		t.Errorf("the column that is in use was dropped: read %d rows again", read)
	}
}

// TestIndexPanic asks again after a document could not be had.
func TestIndexPanic(t *testing.T) {
	docs := samples(100)
	x := NewIndex()
	f := mustParse(t, `{"tags":{"$contains":"t3"}}`)
	func() {
		defer func() { _ = recover() }()
		x.Rows(nil, f, 100, func(row uint32) string {
			if row == 50 {
				panic("no document")
			}
			return docs[row]
		})
	}()
	want := 0
	for _, doc := range docs {
		if f.MatchString(doc) {
			want++
		}
	}
	if got := x.Rows(nil, f, 100, from(docs)).Count(); got != want {
		t.Errorf("%d rows, not %d", got, want)
	}
}

// TestIndexBytes compares with the heap, and asks for values in the midst of large documents.
func TestIndexBytes(t *testing.T) {
	x := NewIndex()
	if x.Bytes() != 0 {
		t.Errorf("an index that was not asked takes %d bytes", x.Bytes())
	}
	const rows = 20_000
	padding := strings.Repeat(" ", 1000)
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools held
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	for _, path := range []string{"id", "group", "flag"} {
		f := mustParse(t, `{"`+path+`":1}`)
		before, counted := heap(), x.Bytes()
		x.Rows(nil, f, rows, func(row uint32) string { return sample(row) + padding })
		took, told := heap()-before, x.Bytes()-counted
		t.Logf("%s: heap %d, told %d", path, took, told)
		if told < took/2-20_000 || told > took*2+20_000 {
			t.Errorf("a column of %s took %d bytes, and tells %d", path, took, told)
		}
	}
	runtime.KeepAlive(x)
}

func BenchmarkMatch(b *testing.B) {
	doc := []byte(sample(77777))
	for _, filter := range []string{`{"id":1}`, `{"lang":"en"}`, `{"group":"g77","flag":false,"lang":"en"}`, `{"score":{"$gt":0.5}}`, `{"author.name":"n777"}`, `{"tags":{"$contains":"t0"}}`, `{"author":{"name":"n777"}}`} {
		f := mustParse(b, filter)
		b.Run(filter, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Match(doc)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(`{"lang":"en","score":{"$gte":1,"$lt":2.5},"$or":[{"a":1},{"tags":{"$contains":"x"}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

const benchRows = 100_000

// BenchmarkColumn tells what a row costs when a path is first named.
func BenchmarkColumn(b *testing.B) {
	docs := samples(benchRows)
	for _, filter := range []string{`{"id":1}`, `{"group":"g07"}`, `{"flag":true}`, `{"lang":"en"}`, `{"author.name":"n1"}`, `{"tags":{"$contains":"t1"}}`, `{"tags":["t1"]}`, `{"missing":1}`, `{}`} {
		f := mustParse(b, filter)
		b.Run(filter, func(b *testing.B) {
			b.ReportAllocs()
			bytes := int64(0)
			for b.Loop() {
				x := NewIndex()
				x.Rows(nil, f, benchRows, from(docs))
				bytes = x.Bytes()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
			b.ReportMetric(float64(bytes)/benchRows, "bytes/row")
		})
	}
}

// BenchmarkRows asks an index that has seen all rows.
func BenchmarkRows(b *testing.B) {
	docs := samples(benchRows)
	x := NewIndex()
	var dst Bitmap
	for _, filter := range []string{
		`{"id":1}`, `{"group":"g07"}`, `{"group":{"$ne":"g07"}}`, `{"flag":true}`, `{"group":{"$in":["g01","g02","g03"]}}`, `{"group":"g07","flag":false}`,
		`{"group":{"$lt":"g50"}}`, `{"id":{"$lt":1000}}`, `{"id":{"$lt":90000}}`, `{"score":{"$gte":100.5,"$lt":90000}}`, `{"tags":{"$contains":"t1"}}`, `{}`,
	} {
		f := mustParse(b, filter)
		rows := x.Rows(nil, f, benchRows, from(docs)).Count()
		b.Run(filter+"="+strconv.Itoa(rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = x.Rows(dst, f, benchRows, from(docs))
			}
		})
	}
}
