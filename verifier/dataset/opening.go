package dataset

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// ErrOpening says that an opening is not one that any data set can have.
var ErrOpening = errors.New("malformed opening")

// An Opening shows one record of a data set and nothing of the others but their number and size:
//
//	              digest   <-  counts, compared with what was published
//	                |
//	          dataset root
//	           /        \
//	      file leaf    File.Proof    <-  File
//	          |
//	       its root
//	       /      \
//	record leaf   Proof              <-  Record, Salt
//
// Nothing in it is trusted: it shows what its Digest says, to whoever knows that digest from elsewhere. Which number
// the record has in the whole data set it does not show, since that would take the record counts of the files before.
type Opening struct {
	// The data set.
	Salted  bool
	Files   uint64
	Records uint64
	Bytes   uint64

	File   OpenedFile
	Index  uint64     // of the record in its file
	Salt   [32]byte   // zeros in an open data set
	Proof  [][32]byte // from the record's sibling up to below the file's root
	Record []byte
}

// OpenedFile is the file that an opened record is part of.
type OpenedFile struct {
	Index   uint64 // among the files of the data set, by path
	Path    string
	Split   Split
	Size    uint64 // bytes
	Records uint64
	Proof   [][32]byte // from the file leaf's sibling up to below the dataset root
}

// Digest returns the digest of the data set that the opened record is in. The error wraps ErrOpening.
func (o *Opening) Digest() ([32]byte, error) {
	if err := o.check(); err != nil {
		return [32]byte{}, fmt.Errorf("%w: %w", ErrOpening, err)
	}
	b := recordStart(make([]byte, 0, len(recordPrefix)+saltSize+len(o.Record)), &o.Salt)
	leaf := rfc6962.DefaultHasher.HashLeaf(append(b, o.Record...)[1:]) // the hasher puts the first byte there itself
	f := File{Path: o.File.Path, Size: o.File.Size, Records: o.File.Records}
	var err error
	if f.Root, err = rootFrom(o.Index, o.File.Records, [32]byte(leaf), o.Proof); err != nil {
		return [32]byte{}, err
	}
	root, err := rootFrom(o.File.Index, o.Files, fileLeaf(&f, o.File.Split), o.File.Proof)
	if err != nil {
		return [32]byte{}, err
	}
	return datasetDigest(o.Salted, o.Files, o.Records, o.Bytes, root), nil
}

func rootFrom(index, size uint64, leaf [32]byte, path [][32]byte) ([32]byte, error) {
	hashes := make([][]byte, len(path))
	for i := range path {
		hashes[i] = path[i][:]
	}
	root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, index, size, leaf[:], hashes)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %v", ErrOpening, err)
	}
	return [32]byte(root), nil
}

// check holds an opening against what every data set obeys. The hashes could not: they would confirm a record of two
// lines, if that is what a publisher hashed as one.
func (o *Opening) check() error {
	f := &o.File
	for _, n := range []uint64{o.Files, o.Records, o.Bytes, f.Size, f.Records} {
		if n > maxBytes {
			return fmt.Errorf("got the number %d, want at most %d", n, uint64(maxBytes))
		}
	}
	size := uint64(len(o.Record))
	switch {
	case f.Index >= o.Files:
		return fmt.Errorf("file %d of %d files", f.Index, o.Files)
	case o.Index >= f.Records:
		return fmt.Errorf("record %d of %d in its file", o.Index, f.Records)
	case f.Records > o.Records || f.Size > o.Bytes:
		return fmt.Errorf("file of %d records and %d bytes in a data set of %d and %d", f.Records, f.Size, o.Records, o.Bytes)
	case o.Files == 1 && (f.Records != o.Records || f.Size != o.Bytes):
		return fmt.Errorf("only file has %d records and %d bytes, the data set %d and %d", f.Records, f.Size, o.Records, o.Bytes)
	case !o.Salted && o.Salt != [32]byte{}:
		return errors.New("a salt in an open data set")
	case size > MaxLine:
		return fmt.Errorf("record of %d bytes, want at most %d", size, MaxLine)
	case len(o.Proof) != pathLength(o.Index, f.Records):
		return fmt.Errorf("record's path of %d hashes, want %d for record %d of %d", len(o.Proof), pathLength(o.Index, f.Records), o.Index, f.Records)
	case len(f.Proof) != pathLength(f.Index, o.Files):
		return fmt.Errorf("file's path of %d hashes, want %d for file %d of %d", len(f.Proof), pathLength(f.Index, o.Files), f.Index, o.Files)
	}
	if err := filetree.CheckPath(f.Path); err != nil {
		return err
	}
	return o.checkRecord()
}

// checkRecord holds the record against the way in which its file is cut.
func (o *Opening) checkRecord() error {
	f, size := &o.File, uint64(len(o.Record))
	alone := f.Records == 1
	switch f.Split {
	case WholeFiles:
		if !alone || o.Records != o.Files {
			return fmt.Errorf("%d records in the file and %d in %d files, want each file to be one", f.Records, o.Records, o.Files)
		}
	case Lines:
		end := bytes.IndexByte(o.Record, '\n')
		last := o.Index == f.Records-1
		if size == 0 || end >= 0 && end != len(o.Record)-1 || end < 0 && !last {
			return fmt.Errorf("line %d of %d, of %d bytes, has its first newline at %d: want it at the end, or none in the last line", o.Index, f.Records, size, end)
		}
		if o.Records-f.Records > o.Bytes-f.Size {
			return fmt.Errorf("%d lines of %d bytes in the other files", o.Records-f.Records, o.Bytes-f.Size)
		}
	default:
		return fmt.Errorf("unknown %v", f.Split)
	}
	if others := f.Records - 1; size+others > f.Size && f.Split == Lines || alone && size != f.Size {
		return fmt.Errorf("record of %d bytes, and %d others, in a file of %d", size, others, f.Size)
	}
	return nil
}
