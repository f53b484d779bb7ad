package tlog

import (
	"context"
	"errors"
	"io/fs"
)

// Folder reads a log that lies in a folder of C2SP tlog-tiles, such as the embedded engine writes, a mirror
// keeps, or a stick carries. It is how the guard reads back what an engine wrote, by other code than the
// engine's own. It holds nothing open and is safe for concurrent use.
type Folder struct{ fsys fs.FS }

// NewFolder returns a reader of the log whose root, the folder with "checkpoint" and "tile/", is fsys.
func NewFolder(fsys fs.FS) Folder { return Folder{fsys} }

// ReadCheckpoint implements [Reader].
func (f Folder) ReadCheckpoint(context.Context) ([]byte, error) {
	return fs.ReadFile(f.fsys, "checkpoint")
}

// ReadTile implements [Reader].
func (f Folder) ReadTile(_ context.Context, level, index uint64, p uint8) ([]byte, error) {
	return f.partialOrFull(p, func(p uint8) string { return tilePath(level, index, p) })
}

// ReadEntryBundle implements [Reader].
func (f Folder) ReadEntryBundle(_ context.Context, index uint64, p uint8) ([]byte, error) {
	return f.partialOrFull(p, func(p uint8) string { return bundlePath(index, p) })
}

// partialOrFull reads the full file where the partial one has been collected, which happens between any two
// steps of a reader.
func (f Folder) partialOrFull(p uint8, path func(uint8) string) ([]byte, error) {
	raw, err := fs.ReadFile(f.fsys, path(p))
	if p == 0 || !errors.Is(err, fs.ErrNotExist) {
		return raw, err
	}
	if full, errFull := fs.ReadFile(f.fsys, path(0)); errFull == nil {
		return full, nil
	}
	return nil, err
}
