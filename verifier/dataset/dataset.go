// Package dataset turns the files of a data set into one digest that commits to every record, so that a single row can
// be shown to belong to it later, without the others.
//
//	dataset digest = SHA-256( root, counts )
//	                   |
//	            files by path
//	            /           \
//	     train.jsonl      valid.jsonl
//	      /   |   \            |
//	   row   row   row        row
//
// A record is a line with its newline, or a whole file: either way the records of a file, one behind the other, are the
// file. So no two folders share a digest by accident of cutting, and nothing about a format needs to be known or parsed.
//
// Rows are hashed as they are ("open"). Salted data sets, whose rows can't be guessed from their hashes and of which
// single rows can be erased, have their formats laid down in SPEC.md, "Dataset tree", and are not yet written.
package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// MaxLine is the most bytes of a line, with its newline. Reading has no need of it; whoever is shown a record has to
// hold it in memory, and a longer "line" is as good as always a file that has none.
const MaxLine = 64 << 20

// maxBytes keeps every count exact in JSON (RFC 8785, section 3.2.2.3).
const maxBytes = 1<<53 - 1

// ErrSalted says that salted data sets can't be hashed by this version.
var ErrSalted = errors.New("salted data sets are not yet supported")

// ErrChanged says that a file was not of the size it had when the folder was listed.
var ErrChanged = filetree.ErrChanged

// LineError says that a line is longer than MaxLine.
type LineError struct {
	Path string
	Line uint64 // counted from 0
}

func (e *LineError) Error() string {
	return fmt.Sprintf("%q: line %d is longer than %d bytes; is it made of lines at all?", e.Path, e.Line, MaxLine)
}

// Split says what a record is.
type Split uint8

// The splits, with the numbers that stand in a file leaf.
const (
	WholeFiles Split = 0
	Lines      Split = 1 // each ends with 0x0A, which is part of it; the last of a file may lack it
)

func (s Split) String() string {
	switch s {
	case WholeFiles:
		return "files"
	case Lines:
		return "lines"
	}
	return fmt.Sprintf("split(%d)", uint8(s))
}

// Dataset is what a data set's digest was computed from.
type Dataset struct {
	Digest  [32]byte
	Root    [32]byte // over Files
	Split   Split
	Salted  bool
	Files   []File // ascending by path bytes
	Records uint64
	Bytes   uint64
	Ignored []string // those paths of Options.Tree.Ignored that exist, ascending
}

// File is one file of a data set.
type File struct {
	Path    string
	Size    uint64 // bytes
	Records uint64
	SHA256  [32]byte // of the plain bytes, as sha256sum has it
	Root    [32]byte // over the records
}

// Options say what to hash and how.
type Options struct {
	Tree   filetree.Options
	Split  Split
	Salted bool // refused with ErrSalted
	// Progress, if set, is told how many bytes of the total are hashed.
	Progress func(done, total uint64)
}

// Digest hashes the folder (or single file) o.Tree.Root of fsys, reading each byte once, in memory that does not grow
// with the files. The error is a *filetree.Error for a path or link that is refused, a *LineError, or wraps
// ErrSalted, ErrChanged, what fsys returned, or ctx.Err().
func Digest(ctx context.Context, fsys fs.FS, o Options) (*Dataset, error) {
	if o.Salted {
		return nil, ErrSalted
	}
	if o.Split > Lines {
		return nil, fmt.Errorf("unknown way of splitting %v, want %v or %v", o.Split, WholeFiles, Lines)
	}
	listing, err := filetree.Walk(fsys, o.Tree)
	if err != nil {
		return nil, err
	}
	if listing.Bytes > maxBytes {
		return nil, fmt.Errorf("folder has %d bytes, want at most %d", listing.Bytes, uint64(maxBytes))
	}
	d := &Dataset{Split: o.Split, Ignored: listing.Ignored}
	r := newReader(ctx, o, listing.Bytes)
	var tree filetree.Tree
	for _, listed := range listing.Files {
		f, err := r.file(fsys, listed)
		if err != nil {
			return nil, err
		}
		d.Files = append(d.Files, f)
		d.Records += f.Records
		d.Bytes += f.Size
		tree.Add(fileLeaf(&f, o.Split))
	}
	d.Root = tree.Root()
	d.Digest = datasetDigest(d)
	return d, nil
}

// Each type of leaf begins with its name and version. A record is hashed as it streams by, so its prefix carries the byte
// 0x00 that RFC 6962 puts before any leaf, and the salt, which is all zeros in an open data set.
const (
	recordPrefix  = "\x00hallmark/record/v1\n"
	filePrefix    = "hallmark/dataset-file/v1\n"
	datasetPrefix = "hallmark/dataset/v1\n"
	saltSize      = 32
)

func fileLeaf(f *File, split Split) [32]byte {
	b := binary.BigEndian.AppendUint16([]byte(filePrefix), uint16(len(f.Path))) // at most filetree.MaxPath
	b = append(b, f.Path...)
	b = append(b, byte(split))
	b = binary.BigEndian.AppendUint64(b, f.Size)
	b = binary.BigEndian.AppendUint64(b, f.Records)
	b = append(b, f.Root[:]...)
	return [32]byte(rfc6962.DefaultHasher.HashLeaf(b))
}

func datasetDigest(d *Dataset) [32]byte {
	salted := byte(0)
	if d.Salted {
		salted = 1
	}
	b := append([]byte(datasetPrefix), salted)
	b = binary.BigEndian.AppendUint64(b, uint64(len(d.Files)))
	b = binary.BigEndian.AppendUint64(b, d.Records)
	b = binary.BigEndian.AppendUint64(b, d.Bytes)
	b = append(b, d.Root[:]...)
	return sha256.Sum256(b)
}
