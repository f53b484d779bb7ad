package tlog

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
)

// ParseBundle splits an entry bundle, a sequence of entries each after its big-endian 16-bit length (C2SP
// tlog-tiles, "Log entries"). It wants 1 to 256 entries and nothing behind the last one. The entries share
// the memory of raw.
func ParseBundle(raw []byte) ([][]byte, error) {
	entries := make([][]byte, 0, tileWidth)
	for rest := raw; len(rest) > 0; {
		if len(entries) == tileWidth {
			return nil, fmt.Errorf("%d bytes after entry %d, the last that a bundle holds", len(rest), tileWidth)
		}
		if len(rest) < 2 {
			return nil, fmt.Errorf("length of entry %d cut off after %d byte", len(entries), len(rest))
		}
		size := int(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
		if len(rest) < size {
			return nil, fmt.Errorf("entry %d cut off: got %d bytes, want %d", len(entries), len(rest), size)
		}
		entries = append(entries, rest[:size:size])
		rest = rest[size:]
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("no entries")
	}
	return entries, nil
}

// Entries yields the entries from index from up to, not including, index size, bundle by bundle. The size
// must be one that the log has published (or is about to sign): only for those is the last, partial bundle
// sure to exist. A caller that wants fewer stops early, which reads nothing further.
//
// The first error ends the sequence. Entries of one bundle share its memory, so keeping one of them keeps
// up to 256.
func Entries(ctx context.Context, r Reader, from, size uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for at := from; at < size; {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			entries, err := readBundle(ctx, r, at/tileWidth, size)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entries[at%tileWidth:] {
				if !yield(e, nil) {
					return
				}
				at++
			}
		}
	}
}

// ReadEntry returns one entry of a published tree. It reads the whole bundle around it.
func ReadEntry(ctx context.Context, r Reader, index, size uint64) ([]byte, error) {
	if index >= size {
		return nil, fmt.Errorf("entry %d lies beyond the published size %d", index, size)
	}
	entries, err := readBundle(ctx, r, index/tileWidth, size)
	if err != nil {
		return nil, err
	}
	return entries[index%tileWidth], nil
}
