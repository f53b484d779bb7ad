package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

const (
	// blockSize is how much of a file is read at a time, and then hashed by all: enough that neither the calls into the
	// file system nor the workers' waiting for each other can be measured.
	blockSize = 2 << 20
	// extentSize is the least that is worth handing to another goroutine.
	extentSize = 32 << 10
	// extentsPerWorker lets a worker that was held up leave its share to the others.
	extentsPerWorker = 4
	// maxWorkers bounds goroutines: 32 cores hash faster than any disk, or most memory, delivers.
	maxWorkers = 32
	// shortLine is up to where a line is copied behind its prefix, which is cheaper than hashing in two steps.
	shortLine = 4 << 10
)

// reader hashes file after file, with one buffer. Of each block that it read, the file's own SHA-256 is one share of
// the work, and the records in it are the others:
//
//	the file   ...======block=======|=======block=======|...
//	records    ...==|==|===|==|=====|====|==|==|===|====|...
//	                <extent><extent>           an extent is whole lines, hashed by one goroutine into a span of the tree
//	                           <----:---->     a line over the end of a block is hashed as it streams by
type reader struct {
	ctx         context.Context
	split       Split
	salts       *SaltTree
	workers     int
	wanted      []*pick
	progress    func(done, total uint64)
	done, total uint64
	records     uint64 // of the files so far
	files       uint64
	buf         []byte
	whole       hash.Hash // of the file
	record      hash.Hash // of the record that streams by
	walk        saltWalk  // to the salt of that record
}

func newReader(ctx context.Context, o Options, total uint64) *reader {
	return &reader{
		ctx: ctx, split: o.Split, salts: o.Salts, workers: min(max(o.Workers, 1), maxWorkers),
		progress: o.Progress, total: total,
		// One byte at least, or an empty file would read as one that never ends.
		buf:   make([]byte, max(1, min(total, blockSize))),
		whole: sha256.New(), record: sha256.New(),
		walk: saltWalk{tree: o.Salts},
	}
}

func (r *reader) file(fsys fs.FS, listed filetree.File) (File, error) {
	f := File{Path: listed.Path}
	src, err := filetree.Open(fsys, listed)
	if err != nil {
		return f, fmt.Errorf("%q: %w", f.Path, err)
	}
	defer src.Close()
	c := newCutter(r, &f)
	r.whole.Reset()
	for read, n := uint64(0), 0; err == nil; {
		if err := r.ctx.Err(); err != nil {
			return f, err
		}
		n, err = io.ReadFull(src, r.buf)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		if err != nil && err != io.EOF {
			return f, fmt.Errorf("%q: %w", f.Path, err)
		}
		read += uint64(n)
		if read > listed.Size || err == io.EOF && read < listed.Size {
			return f, fmt.Errorf("%q: %w: got %d bytes, want %d", f.Path, ErrChanged, read, listed.Size)
		}
		if err := c.block(r.buf[:n]); err != nil {
			return f, err
		}
		r.advance(n)
	}
	c.end()
	r.whole.Sum(f.SHA256[:0])
	r.records += f.Records
	r.files++
	return f, nil
}

func (r *reader) advance(n int) {
	r.done += uint64(n)
	if r.progress != nil {
		r.progress(r.done, r.total)
	}
}

// share calls do with 0 to n-1, on as many goroutines as there are workers, and returns when all calls have. What is
// less than an extent it does alone.
func (r *reader) share(n, bytes int, do func(i int)) {
	workers := min(r.workers, n)
	if bytes < extentSize {
		workers = 1
	}
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			do(int(i))
		}
	}
	var others sync.WaitGroup
	for range workers - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// cutter cuts one file into records, block by block.
type cutter struct {
	*reader
	file   *File
	first  uint64 // number of the file's first record in the data set
	tree   span
	wanted map[uint64]*pick // by number within the file; nil if none is

	// The record that streams by.
	open bool // it has begun
	size uint64
	gone *Erased // what is left of it, if it is erased
	pick *pick   // that it fills in, or nil
}

func newCutter(r *reader, f *File) *cutter {
	c := &cutter{reader: r, file: f, first: r.records}
	for _, p := range r.wanted {
		index, ok := p.within(f.Path, c.first)
		if !ok {
			continue
		}
		if c.wanted == nil {
			c.wanted = map[uint64]*pick{}
		}
		p.twin = c.wanted[index]
		c.wanted[index] = p
		if p.opens {
			c.tree.watch = &watch{at: index}
		}
	}
	return c
}

// block takes what comes next of the file.
func (c *cutter) block(b []byte) error {
	if c.split == WholeFiles {
		c.share(2, len(b), func(i int) {
			if i == 0 {
				c.whole.Write(b)
			} else {
				c.grow(b)
			}
		})
		return nil
	}
	head, tail := 0, bytes.LastIndexByte(b, '\n')+1 // before head and from tail on, a line streams by
	if c.open {
		head = bytes.IndexByte(b, '\n') + 1
	}
	if err := c.stream(b[:head]); err != nil {
		return err
	}
	extents := c.cut(b[head:tail])
	c.share(1+len(extents), len(b), func(i int) {
		if i == 0 {
			c.whole.Write(b)
		} else {
			extents[i-1].hash(c)
		}
	})
	for i := range extents {
		e := &extents[i]
		c.tree.join(&e.span)
		c.file.Records += e.end - e.begin
		c.file.Size += e.size
	}
	return c.stream(b[tail:])
}

// stream takes a piece of one line, with its end if that is a newline.
func (c *cutter) stream(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.grow(b)
	if c.size > MaxLine {
		return &LineError{Path: c.file.Path, Line: c.file.Records}
	}
	if b[len(b)-1] == '\n' {
		c.close()
	}
	return nil
}

func (c *cutter) grow(b []byte) {
	if !c.open {
		c.begin()
	}
	c.record.Write(b)
	c.size += uint64(len(b))
	c.pick.keep(b)
}

func (c *cutter) begin() {
	c.open, c.size, c.pick = true, 0, c.wanted[c.file.Records]
	var salt [saltSize]byte
	salt, c.gone = c.walk.salt(c.first + c.file.Records)
	c.record.Reset()
	c.record.Write(recordStart(nil, &salt))
}

func (c *cutter) close() {
	leaf := Erased{Record: c.first + c.file.Records, Size: c.size}
	c.record.Sum(leaf.Leaf[:0])
	if c.gone != nil {
		leaf = *c.gone
	}
	c.pick.found(c, leaf, c.gone != nil)
	c.tree.leaf(leaf.Leaf)
	c.file.Records++
	c.file.Size += leaf.Size
	c.open = false
}

// end closes what the end of the file closes: a line without a newline, or the file itself, be it empty.
func (c *cutter) end() {
	if c.split == WholeFiles {
		c.grow(nil)
	}
	if c.open {
		c.close()
	}
	c.file.Root = c.tree.root()
	for _, p := range c.wanted {
		if p.opens && p.done {
			p.path = c.tree.path()
		}
	}
}

// An extent is some whole lines of one block, which one goroutine hashes.
type extent struct {
	span
	bytes []byte
	size  uint64 // of the records: len(bytes), but for those that are erased
}

// cut divides whole lines into extents. Counting their newlines first costs a hundredth of hashing them, and says where
// in the tree, and at which salt, each begins.
func (c *cutter) cut(b []byte) []extent {
	size := max(len(b)/(c.workers*extentsPerWorker), extentSize)
	var extents []extent
	for at := c.file.Records; len(b) > 0; {
		n := len(b)
		if c.workers > 1 && n > size {
			n = size + bytes.IndexByte(b[size:], '\n') + 1 // the last byte is a newline
		}
		lines := uint64(bytes.Count(b[:n], []byte{'\n'}))
		extents = append(extents, extent{span: span{begin: at, end: at, watch: c.tree.watch}, bytes: b[:n]})
		at += lines
		b = b[n:]
	}
	return extents
}

func (e *extent) hash(c *cutter) {
	walk := saltWalk{tree: c.salts}
	long := sha256.New()
	var scratch [len(recordPrefix) + saltSize + shortLine]byte
	for b := e.bytes; len(b) > 0; {
		n := bytes.IndexByte(b, '\n') + 1
		record := Erased{Record: c.first + e.end, Size: uint64(n)}
		salt, gone := walk.salt(record.Record)
		switch {
		case gone != nil:
			record = *gone
		case n <= shortLine:
			record.Leaf = sha256.Sum256(append(recordStart(scratch[:0], &salt), b[:n]...))
		default:
			long.Reset()
			long.Write(recordStart(scratch[:0], &salt))
			long.Write(b[:n])
			long.Sum(record.Leaf[:0])
		}
		if p := c.wanted[e.end]; p != nil {
			p.keep(b[:n])
			p.found(c, record, gone != nil)
		}
		e.leaf(record.Leaf)
		e.size += record.Size
		b = b[n:]
	}
}
