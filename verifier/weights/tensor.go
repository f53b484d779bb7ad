package weights

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
)

// CheckTensor holds one tensor of a file against a manifest, so that one layer of a very large model can be checked by
// itself: t is a tensor of f, and name is f's within fsys. It reads the header, which says where the tensor's
// bytes are, and these bytes, and nothing else. It returns how the file differs from the manifest, so far as
// the tensor is concerned; nothing when it is the tensor that the manifest names.
func CheckTensor(ctx context.Context, fsys fs.FS, name string, f *File, t *Tensor) ([]Difference, error) {
	src, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return nil, err
	}
	differs := func(tensor, format string, args ...any) ([]Difference, error) {
		return []Difference{{Path: f.Path, Tensor: tensor, Change: Changed, Detail: fmt.Sprintf(format, args...)}}, nil
	}
	if got := uint64(info.Size()); got != f.Size {
		return differs("", "size is %d, want %d", got, f.Size)
	}
	header, err := hashHeader(src, f.Header.Size)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	if header != f.Header.Leaf {
		return differs("", "header is %x, want %x", header, f.Header.Leaf)
	}
	root, err := hashRange(ctx, src, f.Header.Size, t)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	if root != t.Root {
		return differs(t.Name, "content root is %x, want %x", root, t.Root)
	}
	return nil, nil
}

func hashHeader(r io.Reader, size uint64) ([32]byte, error) {
	leaf := sha256.New()
	leaf.Write([]byte(headerPrefix))
	_, err := io.CopyN(leaf, r, int64(size))
	return sum(leaf), changed(err)
}

// hashRange computes the root of t in src, which has been read as far as the end of its header.
func hashRange(ctx context.Context, src fs.File, header uint64, t *Tensor) ([32]byte, error) {
	at, ok := src.(io.ReaderAt)
	if !ok {
		s := newSequence(src)
		if err := s.skip(int64(t.Begin)); err != nil {
			return [32]byte{}, err
		}
		s.pos += int64(header)
		at = s
	}
	size := t.End - t.Begin
	where := span{header + t.Begin, header + t.End}
	part := job{cut: cutter{parts: []span{where}, offset: where.begin, end: where.end}} // as if it were a raw file
	h := sha256.New()
	b := &block{data: make([]byte, min(size, ChunkSize))}
	for part.cut.more() {
		if err := ctx.Err(); err != nil {
			return [32]byte{}, err
		}
		b.data = b.data[:part.cut.next(b)]
		if err := b.read(at); err != nil {
			return [32]byte{}, err
		}
		if err := b.hash(h); err != nil {
			return [32]byte{}, err
		}
		part.take(b)
	}
	part.endPart()
	return part.file.Root, nil
}
