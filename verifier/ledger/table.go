package ledger

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A table maps SHA-256 values to small ones, for logs with millions of names: a
// Go map with such keys spends as much again on empty slots. Records lie packed
// in chunks; a map, small because its keys are, leads from the first four bytes
// of a hash to its record. Of hashes that begin alike, all but the first go into
// an ordinary map: about a hundred of a million, and whoever makes more on
// purpose only takes us back to that map.
type table[V any] struct {
	chunks [][]record[V]
	index  map[uint32]uint32
	alike  map[[32]byte]uint32
}

type record[V any] struct {
	key   [32]byte
	value V
}

// chunkSize is in records. Growing by chunks, a table is never copied and has
// at most one chunk to spare.
const chunkSize = 1 << 12

func newTable[V any]() table[V] {
	return table[V]{index: map[uint32]uint32{}, alike: map[[32]byte]uint32{}}
}

func (t *table[V]) at(i uint32) *record[V] { return &t.chunks[i/chunkSize][i%chunkSize] }

func (t *table[V]) len() int { return len(t.index) + len(t.alike) }

func prefixOf(key [32]byte) uint32 { return binary.BigEndian.Uint32(key[:]) }

// position returns where the record of a key lies. It never moves.
func (t *table[V]) position(key [32]byte) (uint32, bool) {
	i, ok := t.index[prefixOf(key)]
	if ok && t.at(i).key != key {
		i, ok = t.alike[key]
	}
	return i, ok
}

// find returns the record of a key, or nil.
func (t *table[V]) find(key [32]byte) *record[V] {
	i, ok := t.position(key)
	if !ok {
		return nil
	}
	return t.at(i)
}

func (t *table[V]) get(key [32]byte) (v V, ok bool) {
	if r := t.find(key); r != nil {
		return r.value, true
	}
	return v, false
}

// put adds a key, or gives it another value.
func (t *table[V]) put(key [32]byte, value V) {
	if r := t.find(key); r != nil {
		r.value = value
		return
	}
	i := uint32(t.len())
	if _, taken := t.index[prefixOf(key)]; taken {
		t.alike[key] = i
	} else {
		t.index[prefixOf(key)] = i
	}
	last := len(t.chunks) - 1
	if i%chunkSize == 0 {
		// The first chunk grows with its content, since most ledgers are small.
		var chunk []record[V]
		if last >= 0 {
			chunk = make([]record[V], 0, chunkSize)
		}
		t.chunks, last = append(t.chunks, chunk), last+1
	}
	t.chunks[last] = append(t.chunks[last], record[V]{key, value})
}

// sorted yields all records, ascending by key.
func (t *table[V]) sorted() iter.Seq2[[32]byte, V] {
	order := make([]uint32, t.len())
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return compareHashes(t.at(a).key, t.at(b).key) })
	return func(yield func([32]byte, V) bool) {
		for _, i := range order {
			if r := t.at(i); !yield(r.key, r.value) {
				return
			}
		}
	}
}
