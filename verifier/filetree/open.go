package filetree

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrChanged says that a file no longer has the size it was listed with.
var ErrChanged = errors.New("file changed while it was read")

// Open opens a listed file, which must still be a regular file of the size that was listed: roots and counts are laid
// out from the listing. Whoever reads it has to see to it that it also ends there.
func Open(fsys fs.FS, f File) (fs.File, error) {
	src, err := fsys.Open(f.Name)
	if err != nil {
		return nil, err
	}
	info, err := src.Stat()
	if err == nil && (!info.Mode().IsRegular() || uint64(info.Size()) != f.Size) {
		err = fmt.Errorf("%w: got %d bytes (mode %v), want %d", ErrChanged, info.Size(), info.Mode().Type(), f.Size)
	}
	if err != nil {
		src.Close()
		return nil, err
	}
	return src, nil
}
