package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// ErrNoRecord says that there is no record at a position.
var ErrNoRecord = errors.New("no such record")

// ErrTooLarge says that a record is too large to be opened: a whole file of more than MaxLine bytes.
var ErrTooLarge = errors.New("record is too large to be opened")

// Position names one record.
type Position struct {
	Path  string // of its file; "" if Index counts through the whole data set
	Index uint64 // from 0
}

func (p Position) String() string {
	if p.Path == "" {
		return fmt.Sprintf("record %d", p.Index)
	}
	return fmt.Sprintf("record %d of %q", p.Index, p.Path)
}

// Open reads a data set like Digest and opens one record of it. Besides Digest's errors it returns those that wrap
// ErrNoRecord, ErrErased or ErrTooLarge.
func Open(ctx context.Context, fsys fs.FS, o Options, at Position) (*Opening, *Dataset, error) {
	p := &pick{Position: at, opens: true}
	d, err := digest(ctx, fsys, o, []*pick{p})
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !p.done:
		return nil, nil, fmt.Errorf("%v: %w among %d in %d files", at, ErrNoRecord, d.Records, len(d.Files))
	case p.gone:
		return nil, nil, fmt.Errorf("%v: %w", at, ErrErased)
	case p.record.Size > MaxLine:
		return nil, nil, fmt.Errorf("%v: %w: got %d bytes, want at most %d", at, ErrTooLarge, p.record.Size, MaxLine)
	}
	tree := span{watch: &watch{at: p.file}}
	for i := range d.Files {
		tree.leaf(fileLeaf(&d.Files[i], d.Split))
	}
	f := d.Files[p.file]
	walk := saltWalk{tree: o.Salts}
	salt, _ := walk.salt(p.record.Record)
	return &Opening{
		Salted: d.Salted, Files: uint64(len(d.Files)), Records: d.Records, Bytes: d.Bytes,
		File:  OpenedFile{Index: p.file, Path: f.Path, Split: d.Split, Size: f.Size, Records: f.Records, Proof: tree.path()},
		Index: p.index, Salt: salt, Proof: p.path, Record: p.bytes,
	}, d, nil
}

// Erase reads a salted data set like Digest and returns what may be kept of some records, in their order. It forgets
// nothing: once the digest is found to be the one published, SaltTree.Erase does. The error wraps ErrNoRecord if there
// is no such record; one that is erased already is returned as it was kept.
func Erase(ctx context.Context, fsys fs.FS, o Options, records ...Position) ([]Erased, *Dataset, error) {
	if o.Salts == nil {
		return nil, nil, errors.New("an open data set has no salts to erase: its records follow from their hashes by guessing")
	}
	picks := make([]*pick, len(records))
	for i, at := range records {
		picks[i] = &pick{Position: at}
	}
	d, err := digest(ctx, fsys, o, picks)
	if err != nil {
		return nil, nil, err
	}
	erased := make([]Erased, len(picks))
	for i, p := range picks {
		if !p.done {
			return nil, nil, fmt.Errorf("%v: %w among %d in %d files", p.Position, ErrNoRecord, d.Records, len(d.Files))
		}
		erased[i] = p.record
	}
	return erased, d, nil
}

// A pick is a record that is wanted, and what was found. One goroutine fills it in.
type pick struct {
	Position
	opens bool  // its bytes and path are wanted too
	twin  *pick // another that wants the same record, or nil

	done        bool
	file, index uint64
	record      Erased
	gone        bool // the record was erased: its bytes are not those of the record
	bytes       []byte
	path        [][32]byte
}

// within returns where in a file the record would stand, if it can be there at all.
func (p *pick) within(path string, first uint64) (index uint64, ok bool) {
	switch {
	case p.done:
		return 0, false
	case p.Path != "":
		return p.Index, p.Path == path
	}
	return p.Index - first, p.Index >= first
}

// keep takes a piece of the record, up to what may be opened.
func (p *pick) keep(b []byte) {
	if p != nil && p.opens && len(p.bytes)+len(b) <= MaxLine {
		p.bytes = append(p.bytes, b...)
	}
}

func (p *pick) found(c *cutter, record Erased, gone bool) {
	for ; p != nil; p = p.twin {
		p.done, p.file, p.index, p.record, p.gone = true, c.files, record.Record-c.first, record, gone
	}
}
