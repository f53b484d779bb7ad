package weights

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// CheckTensor holds one tensor of a file against a manifest, so that one layer of a very large model can be checked by
// itself: t is a tensor of f, and name is f's within fsys. It reads the header, which says where the tensor's
// bytes are, and these bytes, and nothing else. It returns how the file differs from the manifest, so far as
// the tensor is concerned; nothing when it is the tensor that the manifest names.
func CheckTensor(ctx context.Context, fsys fs.FS, name string, f *File, t *Tensor) ([]Difference, error) {
	return check(fsys, name, f, func(src fs.File) error {
		header, err := hashHeader(src, f.Header.Size)
		if err != nil {
			return err
		}
		if header != f.Header.Leaf {
			return differs(f, "", "header is %x, want %x", header, f.Header.Leaf)
		}
		at, ok := src.(io.ReaderAt)
		if !ok {
			s := newSequence(src)
			if err := s.skip(int64(t.Begin)); err != nil {
				return err
			}
			s.pos += int64(f.Header.Size)
			at = s
		}
		return checkPart(ctx, at, f, f.span(t), t.Name, t.Root)
	})
}

// CheckRange holds the bytes from begin to before end of a file against a manifest; name is the file's within fsys. What can
// be proven is a whole header, tensor or raw file: it reads the header, which says where the rest is, and each that the
// range touches, all of it; but where f has a chunk list only the chunks that the range touches, each at most 1 MiB. It returns how the file differs
// there from the manifest. The error is ErrRange when the file has no such bytes.
func CheckRange(ctx context.Context, fsys fs.FS, name string, f *File, begin, end uint64) ([]Difference, error) {
	if begin >= end || end > f.Size {
		return nil, fmt.Errorf("%w: bytes %d to %d, want at least one byte of %d", ErrRange, begin, end, f.Size)
	}
	return check(fsys, name, f, func(src fs.File) error {
		at, ok := src.(io.ReaderAt)
		if !ok {
			return fmt.Errorf("%w: the file can't be read at an offset", errors.ErrUnsupported)
		}
		return NewVerifiedReader(at, f).check(ctx, begin, end)
	})
}

// check proves a range without handing it out, and so has no need to read a part twice that has no chunk list.
func (r *VerifiedReader) check(ctx context.Context, at, end uint64) error {
	if err := r.proveHeader(); err != nil {
		return err
	}
	for at < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := r.partAt(at)
		if i == padding || at < r.file.Header.Size || r.file.chunkList(i) != nil {
			b, err := r.proven(at)
			if err != nil {
				return err
			}
			at += uint64(len(b))
			continue
		}
		if err := checkPart(ctx, r.src, r.file, r.parts[i], r.name(i), r.file.partRoot(i)); err != nil {
			return r.cutShort(err)
		}
		at = r.parts[i].end
	}
	return nil
}

// ErrRange says that a file has no such range of bytes.
var ErrRange = errors.New("no such range")

// check opens the file and turns a *DifferenceError into its difference.
func check(fsys fs.FS, name string, f *File, do func(src fs.File) error) ([]Difference, error) {
	src, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return nil, err
	}
	if got := uint64(info.Size()); got != f.Size {
		err = differs(f, "", "size is %d, want %d", got, f.Size)
	} else {
		err = do(src)
	}
	var d *DifferenceError
	switch {
	case errors.As(err, &d):
		return []Difference{d.Difference}, nil
	case err != nil:
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return nil, nil
}

func differs(f *File, tensor, format string, args ...any) error {
	return &DifferenceError{Difference{Path: f.Path, Tensor: tensor, Change: Changed, Detail: fmt.Sprintf(format, args...)}}
}

func hashHeader(r io.Reader, size uint64) ([32]byte, error) {
	leaf := sha256.New()
	leaf.Write([]byte(headerPrefix))
	_, err := io.CopyN(leaf, r, int64(size))
	return sum(leaf), changed(err)
}

// checkPart hashes a whole raw file or tensor.
func checkPart(ctx context.Context, src io.ReaderAt, f *File, where span, tensor string, root [32]byte) error {
	got, err := hashSpan(ctx, src, where, false)
	if err != nil {
		return err
	}
	if got.Root != root {
		return differs(f, tensor, "content root is %x, want %x", got.Root, root)
	}
	return nil
}

// hashSpan computes the root of a stretch of src as if it were a raw file, and its chunk list if that is to be kept.
func hashSpan(ctx context.Context, src io.ReaderAt, where span, keep bool) (*File, error) {
	part := job{keep: keep, cut: cutter{parts: []span{where}, offset: where.begin, end: where.end}}
	h := sha256.New()
	b := &block{data: make([]byte, min(where.end-where.begin, ChunkSize))}
	for part.cut.more() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.data = b.data[:part.cut.next(b)]
		if err := b.read(src); err != nil {
			return nil, err
		}
		if err := b.hash(h); err != nil {
			return nil, err
		}
		part.take(b)
	}
	part.endPart()
	return &part.file, nil
}
