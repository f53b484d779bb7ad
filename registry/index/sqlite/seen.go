package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/hallmark-registry/hallmark/registry/index"
)

// A Bloom filter of a block: with 16 bits and 8 probes an entry, one look-up in 1,700 of an absent entry is a
// false alarm, which costs a probe of the file.
const (
	bloomBits   = blockSize * 16
	bloomProbes = 8
)

// A bloom holds the entry ids of one block. The probes are taken from the id itself, which is a hash: who grinds
// ids can at best set 8 new bits with each, which fills half of them instead of two fifths.
type bloom [bloomBits / 64]uint64

func (b *bloom) add(id [32]byte) {
	for i := range bloomProbes {
		bit := probe(id, i)
		b[bit/64] |= 1 << (bit % 64)
	}
}

func (b *bloom) has(id [32]byte) bool {
	for i := range bloomProbes {
		bit := probe(id, i)
		if b[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// probe takes four bytes of the id for each of its eight probes.
func probe(id [32]byte, i int) uint32 { return binary.LittleEndian.Uint32(id[4*i:]) % bloomBits }

// seen knows of most entries that they are not in the index.
type seen struct {
	mu     sync.RWMutex
	blooms []*bloom // by block, the last one still filling
}

func (s *seen) add(idx uint64, id [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	block := int(idx / blockSize)
	for len(s.blooms) <= block {
		s.blooms = append(s.blooms, new(bloom))
	}
	s.blooms[block].add(id)
}

// copyOf returns a copy of a block's filter, empty if no row of the block was added.
func (s *seen) copyOf(block uint64) bloom {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if block < uint64(len(s.blooms)) {
		return *s.blooms[block]
	}
	return bloom{}
}

// in returns the blocks that may hold an entry, ascending.
func (s *seen) in(id [32]byte) (blocks []uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, b := range s.blooms {
		if b.has(id) {
			blocks = append(blocks, uint64(i))
		}
	}
	return blocks
}

// loadSeen reads the filters of the full blocks, and makes that of the last one from its rows.
func (x *Index) loadSeen(ctx context.Context) error {
	position := x.position.Load()
	full := position / blockSize
	for block := range full {
		var bits []byte
		if err := x.read.QueryRowContext(ctx, "SELECT bits FROM blooms WHERE block = ?", int64(block)).Scan(&bits); err != nil {
			return fmt.Errorf("%w: reading the filter of block %d: %w", index.ErrCorrupt, block, err)
		}
		b, err := decodeBloom(bits)
		if err != nil {
			return fmt.Errorf("%w: block %d: %v", index.ErrCorrupt, block, err)
		}
		x.seen.blooms = append(x.seen.blooms, b)
	}
	for at := full * blockSize; at < position; {
		rows, err := x.readRows(ctx, at, position, index.MaxPage)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Index != at {
				return fmt.Errorf("%w: row %d is followed by row %d", index.ErrCorrupt, int64(at)-1, r.Index)
			}
			x.seen.add(r.Index, r.EntryID)
			at++
		}
		if len(rows) == 0 {
			return fmt.Errorf("%w: rows end at %d, want %d", index.ErrCorrupt, at, position)
		}
	}
	return nil
}

func (b *bloom) encode() []byte {
	out := make([]byte, 0, bloomBits/8)
	for _, w := range b {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

func decodeBloom(bits []byte) (*bloom, error) {
	if len(bits) != bloomBits/8 {
		return nil, fmt.Errorf("filter of %d bytes, want %d", len(bits), bloomBits/8)
	}
	b := new(bloom)
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(bits[8*i:])
	}
	return b, nil
}
