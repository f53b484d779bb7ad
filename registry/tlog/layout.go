package tlog

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

const (
	// tileHeight is the number of tree levels in one tile, fixed by C2SP tlog-tiles.
	tileHeight = 8

	// tileWidth is the number of hashes in a full tile, and of entries in a full bundle.
	tileWidth = 1 << tileHeight

	// hashSize is the length of a hash in bytes.
	hashSize = len(Hash{})
)

// tilePath returns where a tile of the given level lies below the log's root; width 0 means full.
func tilePath(level, index uint64, width uint8) string {
	return "tile/" + strconv.FormatUint(level, 10) + "/" + tileName(index, width)
}

// bundlePath returns where an entry bundle lies below the log's root; width 0 means full.
func bundlePath(index uint64, width uint8) string {
	return "tile/entries/" + tileName(index, width)
}

// tileName spells an index in groups of three digits, all but the last with an "x" before it: 1234067 is
// x001/x234/067. A partial tile adds ".p/" and its width.
func tileName(index uint64, width uint8) string {
	groups := []string{fmt.Sprintf("%03d", index%1000)}
	for index /= 1000; index > 0; index /= 1000 {
		groups = append([]string{fmt.Sprintf("x%03d", index%1000)}, groups...)
	}
	name := strings.Join(groups, "/")
	if width > 0 {
		name += ".p/" + strconv.Itoa(int(width))
	}
	return name
}

// widthAt returns how many hashes the tile has in a tree of the given size: 0 (no such tile) to tileWidth.
func widthAt(level, index, size uint64) int {
	have := size >> (level * tileHeight) // hashes at this level in the whole tree
	if have>>tileHeight > index {
		return tileWidth
	}
	if have>>tileHeight < index {
		return 0
	}
	return int(have % tileWidth)
}

// readTile returns exactly the hashes that the tile has in a tree of the given size. The size must be one
// that the log has signed or is about to sign, because partial tiles exist for those alone.
func readTile(ctx context.Context, r Reader, level, index, size uint64) ([]byte, error) {
	width := widthAt(level, index, size)
	raw, err := r.ReadTile(ctx, level, index, uint8(width%tileWidth))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", tilePath(level, index, uint8(width%tileWidth)), err)
	}
	if len(raw)%hashSize != 0 || len(raw) < width*hashSize || len(raw) > tileWidth*hashSize {
		return nil, &malformedError{
			path: tilePath(level, index, uint8(width%tileWidth)),
			why:  fmt.Sprintf("got %d bytes, want %d hashes of %d bytes", len(raw), width, hashSize),
		}
	}
	return raw[:width*hashSize], nil
}

// readBundle returns exactly the entries that the bundle has in a tree of the given size, under the same
// condition as readTile.
func readBundle(ctx context.Context, r Reader, index, size uint64) ([][]byte, error) {
	width := widthAt(0, index, size)
	path := bundlePath(index, uint8(width%tileWidth))
	raw, err := r.ReadEntryBundle(ctx, index, uint8(width%tileWidth))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	entries, err := ParseBundle(raw)
	if err != nil {
		return nil, &malformedError{path: path, why: err.Error()}
	}
	if len(entries) < width {
		return nil, &malformedError{path: path, why: fmt.Sprintf("got %d entries, want %d", len(entries), width)}
	}
	return entries[:width], nil
}

// malformedError says that a stored file is not what its place says. It is no passing fault of a disk or a
// network: the guard refuses on it.
type malformedError struct{ path, why string }

func (e *malformedError) Error() string { return "malformed " + e.path + ": " + e.why }

// tilePathAt returns the path of a tile as it is in a tree of the given size.
func tilePathAt(level, index, size uint64) string {
	return tilePath(level, index, uint8(widthAt(level, index, size)%tileWidth))
}
