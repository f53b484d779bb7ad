package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// CheckStart decides whether a log may go on from what lies in storage. Integrated is the size of the tree
// that the engine would append to. It must be called before the engine may write.
//
// The root at the guard's size is recomputed from the right edge: tiles, and the entries under the last of
// level 0. It is not taken from the checkpoint file, which a kill between the guard's write and its own
// leaves one step behind; that is normal and mended by publishing the same root again.
//
//	level 1                         [ ... n ]         every last hash is recomputed from the full tile under it
//	level 0            [ full ... ] [ h h h ]         every hash of the last tile from its entry
//	entries            [ .......  ] [ e e e ]
//
// What lies further left is [Fsck]'s business, since every hash on the edge depends on it.
//
// The error is a *GuardError when storage holds less than was signed, another tree, or another log. ErrNoGuard
// says that there is no guard state at all.
func (g *Guard) CheckStart(ctx context.Context, integrated uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.checkStart(ctx, integrated)
	g.settle(err)
	return err
}

func (g *Guard) checkStart(ctx context.Context, integrated uint64) error {
	if err := g.load(ctx); err != nil {
		return err
	}
	if err := g.checkPublished(ctx); err != nil {
		return err
	}
	size, root := g.state.Size, g.state.Root()
	if integrated < size {
		reason := fmt.Sprintf("%s: it would go on from size %d, %d was signed last", reasonRollback, integrated, size)
		return g.finding("start", reason, nil)
	}
	got, err := edgeRoot(ctx, g.r, size)
	var malformed *malformedError
	var different *differenceError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return g.finding("start", fmt.Sprintf("%s: %v", reasonRollback, err), nil)
	case errors.As(err, &malformed):
		return g.finding("start", fmt.Sprintf("log folder %s: %v", reasonDiffers, err), nil)
	case errors.As(err, &different):
		refusal := g.finding("start", "log folder "+reasonDiffers, nil)
		refusal.First = &different.Difference
		return refusal
	case err != nil:
		return fmt.Errorf("checking the log against the sign guard: %w", err)
	case got != root:
		refusal := g.finding("start", fmt.Sprintf("log folder %s at size %d", reasonDiffers, size), nil)
		refusal.Recomputed = &Head{size, got}
		return refusal
	}
	return nil
}

// checkPublished compares the guard with the checkpoint file, if there is one. The file may be behind. It
// can't be ahead, unless the guard is the one that was restored.
func (g *Guard) checkPublished(ctx context.Context) error {
	raw, err := g.r.ReadCheckpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the published checkpoint: %w", err)
	}
	h, err := peekHead(raw)
	if err != nil {
		return fmt.Errorf("published checkpoint: %w", err)
	}
	var reason string
	var cause error
	switch {
	case h.origin != g.Name():
		reason = fmt.Sprintf("log folder %v: got %q, want %q", ErrOtherOrigin, h.origin, g.Name())
		cause = ErrOtherOrigin
	case h.size > g.state.Size:
		reason = fmt.Sprintf("published checkpoint %s: size %d is published, but %d was signed last: is the guard a restored copy?", reasonDiffers, h.size, g.state.Size)
	case h.size == g.state.Size && h.root != g.state.Root():
		reason = fmt.Sprintf("published checkpoint %s at size %d", reasonDiffers, h.size)
	default:
		return nil
	}
	refusal := g.finding("start", reason, &h)
	refusal.Note = string(raw)
	refusal.Cause = cause
	return refusal
}

// differenceError is a *Difference on its way up.
type differenceError struct{ Difference }

func (e *differenceError) Error() string { return "first difference: " + e.Difference.String() }

// edgeRoot recomputes the root of the tree of the given size from its right edge.
func edgeRoot(ctx context.Context, r Reader, size uint64) (Hash, error) {
	var peaks []Hash // largest first: higher levels go in front
	for level := uint64(0); size>>(level*tileHeight) > 0; level++ {
		index := size >> (level * tileHeight) / tileWidth
		if width := widthAt(level, index, size); width > 0 {
			t, err := edgeTile(ctx, r, level, index, size)
			if err != nil {
				return Hash{}, err
			}
			peaks = append(t.peaks(width), peaks...)
		}
	}
	return rootOf(peaks), nil
}

// edgeTile reads the last tile of a level and recomputes what it rests on: on level 0 all its entries,
// above it the full tile under its last hash.
func edgeTile(ctx context.Context, r Reader, level, index, size uint64) (*tile, error) {
	raw, err := readTile(ctx, r, level, index, size)
	if err != nil {
		return nil, err
	}
	t := newTile(raw)
	if level == 0 {
		return t, checkBundle(ctx, r, index, size, raw)
	}
	last := size>>(level*tileHeight) - 1
	below, err := readTile(ctx, r, level-1, last, size)
	if err != nil {
		return nil, err
	}
	if got, want := *t.node(0, last%tileWidth), newTile(below).root(); got != want {
		entry := last << (level * tileHeight)
		return nil, &differenceError{Difference{tilePathAt(level, index, size), entry, encodeHash(got), encodeHash(want)}}
	}
	if level == 1 {
		return t, checkBundle(ctx, r, last, size, below)
	}
	return t, nil
}

// checkBundle compares a tile of level 0 with the hashes of its entries.
func checkBundle(ctx context.Context, r Reader, index, size uint64, hashes []byte) error {
	entries, err := readBundle(ctx, r, index, size)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if got, want := Hash(hashes[i*hashSize:]), hashLeaf(e); got != want {
			entry := index*tileWidth + uint64(i)
			return &differenceError{Difference{tilePathAt(0, index, size), entry, encodeHash(got), encodeHash(want)}}
		}
	}
	return nil
}
