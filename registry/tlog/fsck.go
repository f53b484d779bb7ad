package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/note"
)

// FsckReport says what was recomputed and found right.
type FsckReport struct {
	Size    uint64 // entries
	Root    Hash
	Bundles uint64 // entry bundles read
	Tiles   uint64 // tiles compared, byte for byte
	Bytes   uint64 // of entries
}

// FsckError says that a log is not what its checkpoint says, and where that shows first.
type FsckError struct{ Evidence }

func (e *FsckError) Error() string {
	if e.First != nil {
		return "fsck: " + e.Reason + ": first difference: " + e.First.String()
	}
	return "fsck: " + e.Reason
}

// Fsck recomputes everything from the entries: their leaf hashes, every tile above them, and the root,
// which must be that of the published checkpoint, signed by v. It holds one tile a level in memory.
//
// It stops at the first difference with a *FsckError, whose evidence the caller may keep with
// [WriteEvidence]. Any other error says that the log could not be read. The report covers what was done.
func Fsck(ctx context.Context, r Reader, v note.Verifier) (*FsckReport, error) {
	c := &fsck{r: r}
	raw, err := r.ReadCheckpoint(ctx)
	if err != nil {
		return &c.report, fmt.Errorf("fsck: reading the published checkpoint: %w", err)
	}
	c.note = string(raw)
	if c.head, err = openHead(raw, v); err != nil {
		c.head.origin = v.Name()
		return &c.report, c.finding(err.Error(), nil)
	}
	err = c.run(ctx)
	return &c.report, err
}

type fsck struct {
	r      Reader
	head   head
	note   string
	report FsckReport

	tree  frontier
	rows  [][]byte // per level, the hashes of the tile that is growing
	tiles []uint64 // per level, the index of that tile
}

func (c *fsck) run(ctx context.Context) error {
	for index := uint64(0); index*tileWidth < c.head.size; index++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("fsck: at entry %d: %w", index*tileWidth, err)
		}
		entries, err := readBundle(ctx, c.r, index, c.head.size)
		if err != nil {
			return c.unreadable(err)
		}
		c.report.Bundles++
		for _, e := range entries {
			leaf := hashLeaf(e)
			c.tree.add(leaf)
			c.report.Size++
			c.report.Bytes += uint64(len(e))
			if err := c.push(ctx, 0, leaf); err != nil {
				return err
			}
		}
	}
	for level, row := range c.rows {
		if len(row) > 0 {
			if err := c.compare(ctx, level); err != nil {
				return err
			}
		}
	}
	c.report.Root = c.tree.root()
	if c.report.Root != c.head.root {
		return c.finding("all tiles follow from the entries, but the checkpoint has another root", nil)
	}
	return nil
}

// push adds a hash to the growing tile of its level. A full tile is compared, and its root is pushed on.
func (c *fsck) push(ctx context.Context, level int, h Hash) error {
	if level == len(c.rows) {
		c.rows = append(c.rows, make([]byte, 0, tileWidth*hashSize))
		c.tiles = append(c.tiles, 0)
	}
	c.rows[level] = append(c.rows[level], h[:]...)
	if len(c.rows[level]) < tileWidth*hashSize {
		return nil
	}
	if err := c.compare(ctx, level); err != nil {
		return err
	}
	root := newTile(c.rows[level]).root()
	c.rows[level] = c.rows[level][:0]
	c.tiles[level]++
	return c.push(ctx, level+1, root)
}

// compare reads a tile and compares it with the recomputed hashes.
func (c *fsck) compare(ctx context.Context, level int) error {
	want, index := c.rows[level], c.tiles[level]
	got, err := readTile(ctx, c.r, uint64(level), index, c.head.size)
	if err != nil {
		return c.unreadable(err)
	}
	c.report.Tiles++
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for bytes.Equal(got[at:at+hashSize], want[at:at+hashSize]) {
		at += hashSize
	}
	return c.finding("a tile does not follow from the entries", &Difference{
		Path:  tilePathAt(uint64(level), index, c.head.size),
		Entry: (index*tileWidth + uint64(at/hashSize)) << (uint(level) * tileHeight),
		Got:   encodeHash(Hash(got[at:])),
		Want:  encodeHash(Hash(want[at:])),
	})
}

// unreadable tells a file that is missing or malformed, which is a difference, from one that can't be read
// at the moment.
func (c *fsck) unreadable(err error) error {
	var malformed *malformedError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &malformed) {
		return c.finding(err.Error(), nil)
	}
	return fmt.Errorf("fsck: %w", err)
}

func (c *fsck) finding(reason string, first *Difference) *FsckError {
	return &FsckError{Evidence{
		Kind: "fsck", Reason: reason, Origin: c.head.origin,
		Offered:    &Head{c.head.size, c.head.root},
		Recomputed: &Head{c.tree.size, c.tree.root()},
		Note:       c.note,
		First:      first,
	}}
}
