package dataset

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// OpeningType is the mediaType member of every opening.
	OpeningType = "application/vnd.hallmark.opening+json;version=1"
	// MaxOpening is the most bytes of an opening that is read: a line of MaxLine bytes in base64, and as much for all
	// the rest as it can take, two paths of hashes and the path of a file, many times over.
	MaxOpening = MaxLine/3*4 + 1<<20

	// maxPath is the most hashes of a path: one for each bit of the largest number of records.
	maxPath = 53

	// hashTag stands before the 64 lower-case hex digits of every hash in text.
	hashTag = "sha256:"
)

// Marshal writes the opening canonically (RFC 8785): no white space, members by name.
//
//	{"dataset":{"bytes":40,"files":2,"records":3,"salted":true},
//	"file":{"index":1,"path":"train.jsonl","proof":["sha256:…"],"records":2,"size":24,"split":"lines"},
//	"mediaType":"application/vnd.hallmark.opening+json;version=1",
//	"record":{"bytes":"eyJhIjoxfQo=","index":0,"proof":["sha256:…"],"salt":"5f0c…"}}
//
// The error wraps ErrOpening: what does not hold together is not written.
func (o *Opening) Marshal() ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpening, err)
	}
	return o.text(), nil
}

func (o *Opening) text() []byte {
	f := &o.File
	b := make([]byte, 0, 1<<10+base64.StdEncoding.EncodedLen(len(o.Record)))
	b = appendNumber(append(b, `{"dataset":{"bytes":`...), o.Bytes)
	b = appendNumber(append(b, `,"files":`...), o.Files)
	b = appendNumber(append(b, `,"records":`...), o.Records)
	b = strconv.AppendBool(append(b, `,"salted":`...), o.Salted)
	b = appendNumber(append(b, `},"file":{"index":`...), f.Index)
	b = appendText(append(b, `,"path":`...), f.Path)
	b = appendHashes(append(b, `,"proof":`...), f.Proof)
	b = appendNumber(append(b, `,"records":`...), f.Records)
	b = appendNumber(append(b, `,"size":`...), f.Size)
	b = appendText(append(b, `,"split":`...), f.Split.String())
	b = appendText(append(b, `},"mediaType":`...), OpeningType)
	b = base64.StdEncoding.AppendEncode(append(b, `,"record":{"bytes":"`...), o.Record)
	b = appendNumber(append(b, `","index":`...), o.Index)
	b = appendHashes(append(b, `,"proof":`...), o.Proof)
	b = hex.AppendEncode(append(b, `,"salt":"`...), o.Salt[:])
	return append(b, `"}}`...)
}

func appendNumber(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

func appendText(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s) // minimal escapes, which is RFC 8785, section 3.2.2.2
	if err != nil {
		panic(err) // only for invalid UTF-8, which no path is
	}
	return b
}

func appendHashes(b []byte, hashes [][32]byte) []byte {
	b = append(b, '[')
	for i := range hashes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(hex.AppendEncode(append(b, `"`+hashTag...), hashes[i][:]), '"')
	}
	return append(b, ']')
}

// ParseOpening reads an opening in its only encoding, and only one that some data set could have. Whether it is one of
// the data set at hand its Digest says. The error wraps ErrOpening.
func ParseOpening(text []byte) (*Opening, error) {
	if len(text) > MaxOpening {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrOpening, len(text), MaxOpening)
	}
	r := openingReader{in: jsontext.NewDecoder(bytes.NewBuffer(text))}
	o := r.opening()
	if r.err != nil {
		return nil, r.err
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpening, err)
	}
	if got := o.text(); !bytes.Equal(got, text) {
		at := 0
		for at < min(len(got), len(text)) && got[at] == text[at] {
			at++
		}
		return nil, fmt.Errorf("%w: not written canonically at byte %d", ErrOpening, at)
	}
	return o, nil
}

// openingReader reads the members in the one order that they can have. Its first error sticks, and every later read
// returns a zero value. What it leaves open (white space, escapes, trailing bytes) falls to the comparison in
// ParseOpening.
type openingReader struct {
	in  *jsontext.Decoder
	err error
}

func (r *openingReader) opening() *Opening {
	o := new(Opening)
	f := &o.File
	r.token('{')
	r.member("dataset", '{')
	o.Bytes = r.number("bytes")
	o.Files = r.number("files")
	o.Records = r.number("records")
	o.Salted = r.flag("salted")
	r.token('}')
	r.member("file", '{')
	f.Index = r.number("index")
	f.Path = r.text("path")
	f.Proof = r.hashes("proof")
	f.Records = r.number("records")
	f.Size = r.number("size")
	f.Split = r.split("split")
	r.token('}')
	if got := r.text("mediaType"); got != OpeningType {
		r.fail("mediaType is %.200q, want %q", got, OpeningType)
	}
	r.member("record", '{')
	o.Record = r.base64("bytes")
	o.Index = r.number("index")
	o.Proof = r.hashes("proof")
	o.Salt = r.hash(r.text("salt"), "")
	r.token('}')
	r.token('}')
	return o
}

func (r *openingReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrOpening, fmt.Sprintf(format, args...))
	}
}

// token reads the next token, which must be of the given kind.
func (r *openingReader) token(kind jsontext.Kind) (t jsontext.Token, ok bool) {
	if r.err != nil {
		return t, false
	}
	t, err := r.in.ReadToken()
	if err != nil {
		r.fail("%v", err)
		return t, false
	}
	if t.Kind() != kind {
		r.fail("got %v at byte %d, want %v", t.Kind(), r.in.InputOffset(), kind)
		return t, false
	}
	return t, true
}

func (r *openingReader) name(want string) {
	if t, ok := r.token('"'); ok && t.String() != want {
		r.fail("member %.200q, want %q", t.String(), want)
	}
}

// member reads a member's name, and the token that its value begins with.
func (r *openingReader) member(name string, kind jsontext.Kind) (jsontext.Token, bool) {
	r.name(name)
	return r.token(kind)
}

func (r *openingReader) text(name string) string {
	t, ok := r.member(name, '"')
	if !ok {
		return ""
	}
	return t.String()
}

func (r *openingReader) number(name string) uint64 {
	t, ok := r.member(name, '0')
	if !ok {
		return 0
	}
	n, err := t.Uint()
	if err != nil {
		r.fail("%s is %.40s, want a whole number up to %d", name, t, uint64(maxBytes))
	}
	return n
}

func (r *openingReader) flag(name string) bool {
	r.name(name)
	if r.err == nil && r.in.PeekKind() == 't' {
		r.token('t')
		return true
	}
	r.token('f')
	return false
}

func (r *openingReader) split(name string) Split {
	switch got := r.text(name); got {
	case Lines.String():
		return Lines
	case WholeFiles.String():
	default:
		r.fail("%s is %.40q, want %q or %q", name, got, Lines, WholeFiles)
	}
	return WholeFiles
}

func (r *openingReader) base64(name string) []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(r.text(name))
	if err != nil {
		r.fail("%s: %v", name, err)
	}
	return b
}

// hashes reads no more than a path can have.
func (r *openingReader) hashes(name string) (hashes [][32]byte) {
	r.member(name, '[')
	for r.err == nil && r.in.PeekKind() != ']' {
		if len(hashes) == maxPath {
			r.fail("%s has more than %d hashes", name, maxPath)
			return nil
		}
		if t, ok := r.token('"'); ok {
			hashes = append(hashes, r.hash(t.String(), hashTag))
		}
	}
	r.token(']')
	return hashes
}

func (r *openingReader) hash(s, tag string) (h [32]byte) {
	digits, ok := strings.CutPrefix(s, tag)
	if n, err := hex.Decode(h[:], []byte(digits[:min(len(digits), 64)])); !ok || err != nil || n != len(h) || len(digits) != 64 {
		r.fail("got %.100q, want %s64 lower-case hex digits", s, tag)
	}
	return h
}
