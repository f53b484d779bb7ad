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
// The records of an open data set are hashed as they are. In a salted one each is hashed behind a salt of its own, so that
// it can't be guessed from its hash; its owner keeps the salts, as one seed:
//
//	Digest  reads a data set and returns its digest        publish the digest, keep the SeedFile
//	Open    reads it and returns an Opening of one record  whoever has it computes the digest from the record
//	Erase   reads it and returns what may be kept of some  SaltTree.Erase then forgets their salts for good
package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	Size    uint64 // bytes, with those that erased records had
	Records uint64
	SHA256  [32]byte // of the plain bytes, as sha256sum has it; they are not those published where a record was erased
	Root    [32]byte // over the records
}

// Options say what to hash and how.
type Options struct {
	Tree  filetree.Options
	Split Split
	// Salts makes the data set a salted one. A record whose salt is erased is not read: what stands in its place, which
	// must be one record (an empty line, an empty file), counts as the record that was there.
	Salts *SaltTree
	// Workers is how many goroutines hash: the number of cores. It is taken as 1 to 32.
	Workers int
	// Progress, if set, is told how many bytes of the total are hashed.
	Progress func(done, total uint64)
}

// Digest hashes the folder (or single file) o.Tree.Root of fsys, reading each byte once, in memory that does not grow
// with the files. The error is a *filetree.Error for a path or link that is refused, a *LineError, or wraps
// ErrChanged, what fsys returned, or ctx.Err().
func Digest(ctx context.Context, fsys fs.FS, o Options) (*Dataset, error) {
	return digest(ctx, fsys, o, nil)
}

// digest also fills in the records that are wanted.
func digest(ctx context.Context, fsys fs.FS, o Options, wanted []*pick) (*Dataset, error) {
	if o.Split > Lines {
		return nil, fmt.Errorf("unknown way of splitting %v, want %v or %v", o.Split, WholeFiles, Lines)
	}
	listing, err := filetree.Walk(fsys, o.Tree)
	if err != nil {
		return nil, err
	}
	limit := uint64(maxBytes)
	if o.Salts != nil {
		limit = maxSalts // a record for each byte, at worst
	}
	if listing.Bytes > limit {
		return nil, fmt.Errorf("folder has %d bytes, want at most %d", listing.Bytes, limit)
	}
	d := &Dataset{Split: o.Split, Salted: o.Salts != nil, Ignored: listing.Ignored}
	r := newReader(ctx, o, listing.Bytes)
	r.wanted = wanted
	var tree span
	for _, listed := range listing.Files {
		f, err := r.file(fsys, listed)
		if err != nil {
			return nil, err
		}
		d.Files = append(d.Files, f)
		d.Records += f.Records
		d.Bytes += f.Size
		tree.leaf(fileLeaf(&f, o.Split))
	}
	d.Root = tree.root()
	d.Digest = datasetDigest(d.Salted, uint64(len(d.Files)), d.Records, d.Bytes, d.Root)
	return d, nil
}

// Each type of leaf begins with its name and version. A record is hashed as it streams by, so its prefix carries the byte
// 0x00 that RFC 6962 puts before any leaf. The salt follows, which is all zeros in an open data set.
const (
	recordPrefix  = "\x00hallmark/record/v1\n"
	filePrefix    = "hallmark/dataset-file/v1\n"
	datasetPrefix = "hallmark/dataset/v1\n"
	saltSize      = 32
)

// recordStart puts before a record what its leaf hash begins with.
func recordStart(b []byte, salt *[saltSize]byte) []byte {
	return append(append(b, recordPrefix...), salt[:]...)
}

func fileLeaf(f *File, split Split) [32]byte {
	b := binary.BigEndian.AppendUint16([]byte(filePrefix), uint16(len(f.Path))) // at most filetree.MaxPath
	b = append(b, f.Path...)
	b = append(b, byte(split))
	b = binary.BigEndian.AppendUint64(b, f.Size)
	b = binary.BigEndian.AppendUint64(b, f.Records)
	b = append(b, f.Root[:]...)
	return [32]byte(rfc6962.DefaultHasher.HashLeaf(b))
}

func datasetDigest(salted bool, files, records, size uint64, root [32]byte) [32]byte {
	flag := byte(0)
	if salted {
		flag = 1
	}
	b := append([]byte(datasetPrefix), flag)
	b = binary.BigEndian.AppendUint64(b, files)
	b = binary.BigEndian.AppendUint64(b, records)
	b = binary.BigEndian.AppendUint64(b, size)
	b = append(b, root[:]...)
	return sha256.Sum256(b)
}
