package weights

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// job is one file on its way to its roots. Its content behind the header is cut into chunks, and consecutive whole
// chunks are packed into blocks: what one worker reads and hashes at a time.
//
//	file    | header |   tensor a    | b |      tensor c      |
//	chunks           |  1 MiB  | rest| b |  1 MiB  |   rest   |
//	blocks           | block 0 |  block 1 | block 2 | block 3  |
//
// While the pool has it open, everything from cut on is guarded by the pool's mutex; before and after, one goroutine has
// it to itself.
type job struct {
	listed filetree.File
	file   File
	raw    hash.Hash // the file's own SHA-256, fed in order; nil when Fast leaves it out
	keep   bool      // keep chunk lists
	known  bool      // file is complete: Options.Known had it
	want   *[32]byte // the root that a file must have which was read before; nil for others

	source  io.ReaderAt
	closer  io.Closer // nil while not open
	cut     cutter
	blocks  []*block // claimed and not yet retired, in file order
	feeding bool     // a worker is feeding raw
	fed     int      // how many of blocks raw has seen

	part int           // which of the sizes of cut the tree and the list below belong to
	tree filetree.Tree // over the part's chunks so far
	list [][32]byte    // the same, if kept
}

// newJob prepares the file f: if it has tensors, it reads and checks the header.
func newJob(fsys fs.FS, f filetree.File, o Options) (*job, error) {
	kind := kindOf(f.Path, o.Raw)
	j := &job{listed: f, keep: o.Chunks, file: File{Path: f.Path, Kind: kind, Size: f.Size}}
	if j.recall(o) {
		return j, nil
	}
	if !o.Fast {
		j.raw = sha256.New()
	}
	if kind != Raw {
		if err := j.readHeader(fsys); err != nil {
			return nil, inFile(err, f.Path)
		}
	}
	j.cut = cutter{parts: j.file.parts(), offset: j.file.Header.Size, end: f.Size}
	return j, nil
}

// recall takes over what Options.Known knows of the file, if it is what is asked for.
func (j *job) recall(o Options) bool {
	if o.Known == nil || o.Chunks {
		return false
	}
	f := o.Known(j.listed, j.file.Kind)
	if f == nil || f.Kind != j.file.Kind || f.Size != j.file.Size || !o.Fast && f.SHA256 == [32]byte{} {
		return false
	}
	j.file, j.known = *f, true
	j.file.Path = j.listed.Path
	if o.Fast {
		j.file.SHA256 = [32]byte{}
	}
	return true
}

// inFile names the file in which err arose.
func inFile(err error, path string) error {
	if bad, ok := err.(*FormatError); ok {
		bad.Path = path
		return bad
	}
	return fmt.Errorf("%q: %w", path, err)
}

func (j *job) readHeader(fsys fs.FS) error {
	f, err := filetree.Open(fsys, j.listed)
	if err != nil {
		return err
	}
	defer f.Close()
	listener := io.Discard
	if j.raw != nil {
		listener = j.raw
	}
	if j.file.Kind == GGUF {
		j.file.Header, j.file.Tensors, err = parseGGUF(f, j.file.Size, listener)
		return err
	}
	j.file.Header, j.file.Tensors, err = ParseHeader(io.TeeReader(f, listener), j.file.Size)
	return err
}

// parts has what is cut into chunks: a raw file as a whole, or each tensor by itself.
func (f *File) parts() []span {
	if f.Kind == Raw {
		return []span{{0, f.Size}}
	}
	parts := make([]span, len(f.Tensors))
	for i := range f.Tensors {
		parts[i] = f.span(&f.Tensors[i])
	}
	return parts
}

// span says where in the file a tensor's bytes are.
func (f *File) span(t *Tensor) span { return span{f.Header.Size + t.Begin, f.Header.Size + t.End} }

// start opens the file for reading by any number of workers. The header was read through another opening, so it is read
// again: else header and tensors could be of two files, and the digest one that no file has.
func (j *job) start(fsys fs.FS) error {
	f, err := filetree.Open(fsys, j.listed)
	if err != nil {
		return err
	}
	j.closer = f
	if at, ok := f.(io.ReaderAt); ok {
		j.source = at
		return j.sameHeader(io.NewSectionReader(at, 0, int64(j.file.Size)))
	}
	s := newSequence(f)
	s.pos = int64(j.file.Header.Size)
	j.source = s
	return j.sameHeader(f)
}

// sameHeader reads the header from r, and nothing behind it.
func (j *job) sameHeader(r io.Reader) error {
	if j.file.Kind == Raw {
		return nil
	}
	leaf, err := hashHeader(r, j.file.Header.Size)
	if err == nil && leaf != j.file.Header.Leaf {
		err = fmt.Errorf("%w: it has another header than the one that was checked", ErrChanged)
	}
	return err
}

// take accepts the leaves of a retired block. Blocks retire in file order.
func (j *job) take(b *block) {
	for i, c := range b.chunks {
		if c.part == padding {
			continue
		}
		for j.part < c.part {
			j.endPart()
		}
		j.tree.Add(b.leaves[i])
		if j.keep {
			j.list = append(j.list, b.leaves[i])
		}
	}
}

func (j *job) endPart() {
	root, list := &j.file.Root, &j.file.Chunks
	if j.file.Kind != Raw {
		t := &j.file.Tensors[j.part]
		root, list = &t.Root, &t.Chunks
	}
	*root, *list = j.tree.Root(), j.list
	j.tree, j.list = filetree.Tree{}, nil
	j.part++
}

// finish closes the file, in which no byte may follow, and computes what rests on its chunks.
func (j *job) finish() error {
	var more [1]byte
	n, err := j.source.ReadAt(more[:], int64(j.file.Size))
	if n > 0 {
		return fmt.Errorf("%w: got more than %d bytes", ErrChanged, j.file.Size)
	}
	if err != io.EOF {
		return err
	}
	if err := j.closer.Close(); err != nil {
		return err
	}
	j.closer = nil
	for j.part < len(j.cut.parts) {
		j.endPart()
	}
	if j.file.Kind != Raw {
		j.file.Root = j.file.tensorsRoot()
	}
	if j.want != nil && j.file.Root != *j.want {
		return fmt.Errorf("%w: it is another file than the index that was checked", ErrChanged)
	}
	if j.raw != nil {
		j.file.SHA256 = sum(j.raw)
	}
	return nil
}
