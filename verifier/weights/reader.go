package weights

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sort"
	"sync"
)

// DifferenceError says that a file is not the one that a manifest describes.
type DifferenceError struct{ Difference }

func (e *DifferenceError) Error() string { return e.Difference.String() }

// VerifiedReader reads a file of a manifest, and hands out no byte that it has not proven: that the manifest's model has it at
// that place. So a loader can take from a store which nobody trusts what it needs of a very large file, and nothing more.
//
// It reads whole chunks, since these are what can be proven: at most 1 MiB before and behind what is asked for. Where the
// manifest's File has no chunk list it makes one itself, when the raw file or tensor is first read, by reading all of that
// once. The header is read first, as a whole, and kept: the model digest covers where tensors begin through the header
// alone. Each other byte is checked each time that it is read, but for the last chunk, which is kept too.
//
// Its methods may be called concurrently; they take turns.
type VerifiedReader struct {
	src   io.ReaderAt
	file  *File
	parts []span

	mu     sync.Mutex
	header []byte             // nil until proven
	lists  map[int][][32]byte // by part; proven
	last   span               // where kept is from
	kept   []byte             // the last chunk, proven
}

// NewVerifiedReader returns a reader of src, which is to be the file f of a manifest that proved to be the model's. Chunk lists
// that f or its tensors have are checked before they are used. f must not change meanwhile.
func NewVerifiedReader(src io.ReaderAt, f *File) *VerifiedReader {
	return &VerifiedReader{src: src, file: f, parts: f.parts(), lists: make(map[int][][32]byte)}
}

// Size is the size of the file, by its manifest.
func (r *VerifiedReader) Size() int64 { return int64(r.file.Size) }

// ReadAt fills p from the file's byte offset on, as io.ReaderAt has it: a shorter read comes with an error. What it has
// filled is proven, whatever the error: a *DifferenceError when src is another file, a *FormatError for a chunk list which is
// another's, or what src returned.
func (r *VerifiedReader) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fault(OffsetOverflow, "offset is %d, want at least 0", offset)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(p) {
		at := uint64(offset) + uint64(n)
		if at >= r.file.Size {
			return n, io.EOF
		}
		b, err := r.proven(at)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b)
	}
	return n, nil
}

// proven returns proven bytes of the file from at on, at least one.
func (r *VerifiedReader) proven(at uint64) ([]byte, error) {
	if err := r.proveHeader(); err != nil {
		return nil, err
	}
	if r.last.begin <= at && at < r.last.end {
		return r.kept[at-r.last.begin:], nil
	}
	if at < r.file.Header.Size {
		return r.header[at:], nil
	}
	if i := r.partAt(at); i != padding {
		return r.provenChunk(i, (at-r.parts[i].begin)/ChunkSize, at)
	}
	return r.provenPadding(at)
}

// partAt returns the part that a byte behind the header is in, or padding.
func (r *VerifiedReader) partAt(at uint64) int {
	i := sort.Search(len(r.parts), func(i int) bool { return at < r.parts[i].end })
	if i == len(r.parts) || at < r.parts[i].begin {
		return padding
	}
	return i
}

// proveHeader reads the header, unless it did before. No other byte of the file is proven to be in its place without: no
// leaf has Header.Size in it, nor where a tensor begins, so a manifest with another size can have the model's digest. The
// header's leaf settles the size, and with that and the file's size there is one place for each tensor.
func (r *VerifiedReader) proveHeader() error {
	if r.file.Kind == Raw || r.header != nil {
		return nil
	}
	b, err := r.read(nil, span{0, r.file.Header.Size})
	if err != nil {
		return err
	}
	leaf := sha256.New()
	leaf.Write([]byte(headerPrefix))
	leaf.Write(b)
	if got := sum(leaf); got != r.file.Header.Leaf {
		return r.differs("", "header is %x, want %x", got, r.file.Header.Leaf)
	}
	r.header = b
	return nil
}

// provenPadding returns padding as far as the next part, but no more than a chunk of it.
func (r *VerifiedReader) provenPadding(at uint64) ([]byte, error) {
	where := span{at, min(r.file.Size, at+ChunkSize)}
	if i := sort.Search(len(r.parts), func(i int) bool { return at < r.parts[i].begin }); i < len(r.parts) {
		where.end = min(where.end, r.parts[i].begin)
	}
	b, err := r.read(nil, where)
	if err != nil {
		return nil, err
	}
	if i := nonZero(b); i >= 0 {
		return nil, r.differs("", "byte %d belongs to no tensor and is %#x, want zero", at+uint64(i), b[i])
	}
	return b, nil
}

func (r *VerifiedReader) provenChunk(part int, index, at uint64) ([]byte, error) {
	list, err := r.list(part)
	if err != nil {
		return nil, err
	}
	whole := r.parts[part]
	where := span{whole.begin + index*ChunkSize, min(whole.end, whole.begin+(index+1)*ChunkSize)}
	r.last = span{} // what is kept is about to be overwritten
	b, err := r.read(r.kept, where)
	if err != nil {
		return nil, err
	}
	r.kept = b
	leaf := newChunkHash()
	leaf.Write(b)
	if got := sum(leaf); got != list[index] {
		return nil, r.differs(r.name(part), "chunk %d (bytes %d to %d) is %x, want %x", index, where.begin, where.end, got, list[index])
	}
	r.last = where
	return b[at-where.begin:], nil
}

// list returns the proven chunk list of a part: the one that the file has, or one made from the part's bytes.
func (r *VerifiedReader) list(part int) ([][32]byte, error) {
	if list, proven := r.lists[part]; proven {
		return list, nil
	}
	root, list := r.file.partRoot(part), r.file.chunkList(part)
	where := r.parts[part]
	if list != nil {
		if _, err := ParseChunks(AppendChunks(nil, list), where.end-where.begin, root); err != nil {
			return nil, inFile(err, r.file.Path)
		}
	} else {
		hashed, err := hashSpan(context.Background(), r.src, where, true)
		if err != nil {
			return nil, r.cutShort(err)
		}
		if hashed.Root != root {
			return nil, r.differs(r.name(part), "content root is %x, want %x", hashed.Root, root)
		}
		list = hashed.Chunks
	}
	r.lists[part] = list
	return list, nil
}

// read reads a stretch of src into buf, if that is large enough.
func (r *VerifiedReader) read(buf []byte, where span) ([]byte, error) {
	size := int(where.end - where.begin)
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	b := block{offset: int64(where.begin), data: buf[:size]}
	return b.data, r.cutShort(b.read(r.src))
}

// cutShort turns the end of src into a difference: the manifest says how long the file is.
func (r *VerifiedReader) cutShort(err error) error {
	if errors.Is(err, ErrChanged) {
		return r.differs("", "size is less than %d", r.file.Size)
	}
	return err
}

func (r *VerifiedReader) name(part int) string {
	if r.file.Kind == Raw {
		return ""
	}
	return r.file.Tensors[part].Name
}

func (r *VerifiedReader) differs(tensor, format string, args ...any) error {
	return differs(r.file, tensor, format, args...)
}
