package ledger

import (
	"testing"

	"pgregory.net/rapid"
)

// Keys are drawn so that many begin alike, which hashes hardly ever do.
func TestTableAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, want := newTable[int](), map[[32]byte]int{}
		for i := range rapid.IntRange(0, 200).Draw(t, "puts") {
			key := [32]byte{3: rapid.ByteRange(0, 3).Draw(t, "prefix"), 31: rapid.ByteRange(0, 20).Draw(t, "rest")}
			table.put(key, i)
			want[key] = i
		}
		if table.len() != len(want) {
			t.Fatalf("%d records, want %d", table.len(), len(want))
		}
		for key, v := range want {
			if got, ok := table.get(key); !ok || got != v {
				t.Fatalf("%x: %d, %t, want %d", key, got, ok, v)
			}
		}
		if v, ok := table.get([32]byte{3: 1, 30: 1}); ok {
			t.Fatalf("a key that was never put has %d", v)
		}
		n, last := 0, [32]byte{}
		for key, v := range table.sorted() {
			if n > 0 && compareHashes(last, key) >= 0 || want[key] != v {
				t.Fatalf("%x: %d after %x, want %d", key, v, last, want[key])
			}
			n, last = n+1, key
		}
		if n != len(want) {
			t.Fatalf("%d records sorted, want %d", n, len(want))
		}
	})
}

func TestTableGrowsByChunks(t *testing.T) {
	table := newTable[uint32]()
	const count = 2*chunkSize + 1
	for i := range uint32(count) {
		table.put([32]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, i)
	}
	next := uint32(0)
	for _, v := range table.sorted() {
		if v != next {
			t.Fatalf("record %d, want %d", v, next)
		}
		next++
	}
	if next != count {
		t.Fatalf("%d records, want %d", next, count)
	}
}
