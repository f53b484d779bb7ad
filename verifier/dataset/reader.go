package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// bufferSize is how much is read at a time: enough that the calls into the file system can't be measured.
const bufferSize = 1 << 20

// reader hashes file after file, with one buffer.
type reader struct {
	ctx         context.Context
	split       Split
	progress    func(done, total uint64)
	done, total uint64
	buf         []byte
	whole       hash.Hash // of the file
	record      hash.Hash // of the record that is being read
	prefix      []byte    // of each record
}

func newReader(ctx context.Context, o Options, total uint64) *reader {
	return &reader{
		ctx: ctx, split: o.Split, progress: o.Progress, total: total,
		// One byte at least, or an empty file would read as one that never ends.
		buf:   make([]byte, max(1, min(total, bufferSize))),
		whole: sha256.New(), record: sha256.New(),
		prefix: append([]byte(recordPrefix), make([]byte, saltSize)...),
	}
}

func (r *reader) file(fsys fs.FS, listed filetree.File) (File, error) {
	f := File{Path: listed.Path}
	src, err := filetree.Open(fsys, listed)
	if err != nil {
		return f, fmt.Errorf("%q: %w", f.Path, err)
	}
	defer src.Close()
	records := recorder{reader: r, file: &f}
	r.whole.Reset()
	for err != io.EOF {
		if err := r.ctx.Err(); err != nil {
			return f, err
		}
		var n int
		n, err = src.Read(r.buf)
		f.Size += uint64(n)
		if err != nil && err != io.EOF {
			return f, fmt.Errorf("%q: %w", f.Path, err)
		}
		if f.Size > listed.Size || err == io.EOF && f.Size < listed.Size {
			return f, fmt.Errorf("%q: %w: got %d bytes, want %d", f.Path, ErrChanged, f.Size, listed.Size)
		}
		r.whole.Write(r.buf[:n])
		if err := records.take(r.buf[:n]); err != nil {
			return f, err
		}
		r.advance(n)
	}
	records.end()
	r.whole.Sum(f.SHA256[:0])
	return f, nil
}

func (r *reader) advance(n int) {
	r.done += uint64(n)
	if r.progress != nil {
		r.progress(r.done, r.total)
	}
}

// recorder cuts one file into records as it streams by.
type recorder struct {
	*reader
	file *File
	tree filetree.Tree
	open bool   // a record has begun
	size uint64 // bytes of it so far
}

func (r *recorder) take(b []byte) error {
	if r.split == WholeFiles {
		r.grow(b)
		return nil
	}
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		ends := n > 0
		if !ends {
			n = len(b)
		}
		r.grow(b[:n])
		if r.size > MaxLine {
			return &LineError{Path: r.file.Path, Line: r.file.Records}
		}
		if ends {
			r.close()
		}
		b = b[n:]
	}
	return nil
}

func (r *recorder) grow(b []byte) {
	if !r.open {
		r.open, r.size = true, 0
		r.record.Reset()
		r.record.Write(r.prefix)
	}
	r.record.Write(b)
	r.size += uint64(len(b))
}

func (r *recorder) close() {
	var leaf [32]byte
	r.record.Sum(leaf[:0])
	r.tree.Add(leaf)
	r.file.Records++
	r.open = false
}

// end closes what the end of the file closes: a line without a newline, or the file itself, be it empty.
func (r *recorder) end() {
	if r.split == WholeFiles {
		r.grow(nil)
	}
	if r.open {
		r.close()
	}
	r.file.Root = r.tree.Root()
}
