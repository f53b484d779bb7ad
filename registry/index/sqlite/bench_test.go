package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/index/indextest"
	"github.com/hallmark-registry/hallmark/registry/index/sqlite"
)

const benchBatch = 1000

// fill applies batches from the position on until the index holds n rows.
func fill(b *testing.B, x *sqlite.Index, from, n uint64) {
	b.Helper()
	for at := from; at < n; at += benchBatch {
		if err := x.Apply(b.Context(), at, indextest.Rows(at, benchBatch)); err != nil {
			b.Fatal(err)
		}
	}
}

func openBench(b *testing.B, n uint64) *sqlite.Index {
	b.Helper()
	x, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "index.db"), origin)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close() })
	fill(b, x, 0, n)
	return x
}

// BenchmarkApply applies a batch of 1,000 rows with 12 to 18 keys each, at several sizes of the index.
func BenchmarkApply(b *testing.B) {
	for _, n := range []uint64{0, 100_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			x := openBench(b, n)
			at := n
			for b.Loop() {
				b.StopTimer()
				rows := indextest.Rows(at, benchBatch)
				b.StartTimer()
				if err := x.Apply(b.Context(), at, rows); err != nil {
					b.Fatal(err)
				}
				at += benchBatch
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(at-n), "us/row")
		})
	}
}

// BenchmarkSearch asks for pages of 50 rows, spread over the index.
func BenchmarkSearch(b *testing.B) {
	const n = 100_000
	x := openBench(b, n)
	row := indextest.Rows(77, 1)[0]
	for _, c := range []struct{ name, filter string }{
		{"all", ``},
		{"one key, common", `kind = model`},
		{"one key, one in 40", `digest = "` + row.Digest + `"`},
		{"three keys", `namespace = ns1 AND kind = dataset AND code = NAME_BOUND`},
		{"a key that no row has", `class = none`},
		{"two keys that no row has together", `kind = model AND kind = dataset`},
	} {
		filter, err := index.ParseFilter(c.filter)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			from := uint64(0)
			for b.Loop() {
				if _, err := x.Search(b.Context(), index.Query{Filter: filter, Size: n, From: from, Limit: 50}); err != nil {
					b.Fatal(err)
				}
				from = (from + 7919) % n
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	const n = 100_000
	x := openBench(b, n)
	b.Run("absent", func(b *testing.B) {
		id := [32]byte{}
		for i := 0; b.Loop(); i++ {
			id = [32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1, 5: byte(i), 9: byte(i >> 8), 13: byte(i)}
			x.Lookup(b.Context(), id)
		}
	})
	b.Run("present", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			if _, err := x.Lookup(b.Context(), indextest.Rows(i%n, 1)[0].EntryID); err != nil {
				b.Fatal(err)
			}
		}
	})
}
