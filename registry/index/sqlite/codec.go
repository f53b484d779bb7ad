package sqlite

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// A row's data, after its index in the primary key:
//
//	row   := entry id (32) statement id (32) kind code name digest
//	         count publisher (32)... count (field u8, text)... count (child parent parent-name relation)...
//	text  := length uvarint bytes | tag uvarint hash (32)
//
// Lengths are tagged so that the hashes, which most texts are, take 32 bytes and not 71: length 0, 1, ... is
// written as 2, 3, ...; tag 0 is a hash in hex, and tag 1 the same after "sha256:".
const (
	tagHex = iota
	tagDigest
	tagCount

	digestPrefix = "sha256:"
)

func appendRow(b []byte, r *index.Row) []byte {
	b = append(b, r.EntryID[:]...)
	b = append(b, r.StatementID[:]...)
	for _, s := range [...]string{r.Kind, r.Code, r.Name, r.Digest} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Publishers)))
	for _, p := range r.Publishers {
		b = append(b, p[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Terms)))
	for _, t := range r.Terms {
		b = appendText(append(b, byte(t.Field)), t.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Edges)))
	for _, e := range r.Edges {
		for _, s := range [...]string{e.Child, e.Parent, e.ParentName, e.Relation} {
			b = appendText(b, s)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	digits, tag := s, byte(tagHex)
	if rest, ok := strings.CutPrefix(s, digestPrefix); ok {
		digits, tag = rest, tagDigest
	}
	if len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == "" {
		b = append(b, tag)
		b, _ = hex.AppendDecode(b, []byte(digits)) // hex digits they are
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(s))+tagCount)
	return append(b, s...)
}

var errShort = errors.New("ends early")

// A decoder reads a row. After an error it reads zeros, and the error stays.
type decoder struct {
	rest []byte
	err  error
}

func decodeRow(idx uint64, data []byte) (index.Row, error) {
	d := decoder{rest: data}
	r := index.Row{Index: idx}
	copy(r.EntryID[:], d.bytes(32))
	copy(r.StatementID[:], d.bytes(32))
	r.Kind, r.Code, r.Name, r.Digest = d.text(), d.text(), d.text(), d.text()
	for range d.count(32) {
		r.Publishers = append(r.Publishers, entry.KeyID(d.hash()))
	}
	for range d.count(2) {
		r.Terms = append(r.Terms, index.Term{Field: index.Field(d.u8()), Value: d.text()})
	}
	for range d.count(4) {
		r.Edges = append(r.Edges, index.Edge{Child: d.text(), Parent: d.text(), ParentName: d.text(), Relation: d.text()})
	}
	if d.err == nil && len(d.rest) != 0 {
		d.err = fmt.Errorf("%d bytes after its end", len(d.rest))
	}
	if d.err != nil {
		return index.Row{}, fmt.Errorf("%w: row %d: %v", index.ErrCorrupt, idx, d.err)
	}
	return r, nil
}

func (d *decoder) bytes(n uint64) []byte {
	if d.err == nil && n > uint64(len(d.rest)) {
		d.err = errShort
	}
	if d.err != nil {
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) hash() (h [32]byte) {
	copy(h[:], d.bytes(32))
	return h
}

func (d *decoder) u8() (v byte) {
	if b := d.bytes(1); len(b) == 1 {
		v = b[0]
	}
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bytes(uint64(len(d.rest)) + 1) // ends early
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads how many items of at least size bytes follow, and refuses a count that the rest can't hold.
func (d *decoder) count(size uint64) uint64 {
	n := d.uvarint()
	if d.err == nil && n > uint64(len(d.rest))/size {
		d.err = fmt.Errorf("%d items in %d bytes", n, len(d.rest))
	}
	if d.err != nil {
		return 0
	}
	return n
}

func (d *decoder) text() string {
	switch n := d.uvarint(); {
	case d.err != nil:
		return ""
	case n == tagHex:
		return hex.EncodeToString(d.bytes(32))
	case n == tagDigest:
		return digestPrefix + hex.EncodeToString(d.bytes(32))
	default:
		return string(d.bytes(n - tagCount))
	}
}
