package bundle

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads a bundle strictly. An error wraps ErrMalformed.
func Parse(text []byte) (*Bundle, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrMalformed, len(text), MaxSize)
	}
	r := reader{dec: jsontext.NewDecoder(bytes.NewReader(text))}
	b := r.bundle()
	if r.err == nil {
		if _, err := r.dec.ReadToken(); err != io.EOF {
			r.fail("something stands after the bundle")
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}

// A reader keeps the first error; after it, every read gives a zero value and
// every loop ends.
type reader struct {
	dec *jsontext.Decoder // refuses duplicate names and invalid UTF-8
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		at := r.dec.StackPointer()
		r.err = fmt.Errorf("%w: at %q: %s", ErrMalformed, string(at), fmt.Sprintf(format, args...))
	}
}

// expect reads one token of a kind.
func (r *reader) expect(kind jsontext.Kind, what string) jsontext.Token {
	if r.err != nil {
		return jsontext.Token{}
	}
	t, err := r.dec.ReadToken()
	if err != nil {
		r.fail("%v", err)
		return jsontext.Token{}
	}
	if t.Kind() != kind {
		r.fail("got %s, want %s", t.Kind(), what)
	}
	return t
}

// object calls member for each member, which must read its value, and reports
// members that member does not know or that are missing.
func (r *reader) object(member func(name string) bool, required ...string) {
	r.expect('{', "an object")
	seen := map[string]bool{}
	for r.err == nil && r.dec.PeekKind() != '}' {
		t := r.expect('"', "a member's name")
		if r.err != nil {
			return
		}
		name := t.String()
		seen[name] = true
		if !member(name) {
			r.fail("unknown member %q", name)
		}
	}
	r.expect('}', "the end of the object")
	for _, name := range required {
		if !seen[name] {
			r.fail("member %q is missing", name)
		}
	}
}

func (r *reader) array(most int, element func()) {
	r.expect('[', "an array")
	for n := 0; r.err == nil && r.dec.PeekKind() != ']'; n++ {
		if n == most {
			r.fail("more than %d elements", most)
			return
		}
		element()
	}
	r.expect(']', "the end of the array")
}

func (r *reader) text(most int) string {
	t := r.expect('"', "a string")
	if r.err != nil {
		return ""
	}
	s := t.String()
	if len(s) > most {
		r.fail("string of %d bytes, want at most %d", len(s), most)
		return ""
	}
	return s
}

// base64 reads standard, padded base64 in its one encoding: trailing bits are
// zero and there is no white space.
func (r *reader) base64(most int) []byte {
	s := r.text(base64.StdEncoding.EncodedLen(most))
	if r.err != nil {
		return nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || base64.StdEncoding.EncodedLen(len(b)) != len(s) {
		r.fail("not canonical base64")
		return nil
	}
	return b
}

func (r *reader) bundle() *Bundle {
	b := &Bundle{}
	r.object(func(name string) bool {
		switch name {
		case "mediaType":
			if got := r.text(256); got != MediaType {
				r.fail("media type %q, want %q", got, MediaType)
			}
		case "related":
			b.Related = []Proven{}
			r.array(MaxRelated, func() { b.Related = append(b.Related, r.related()) })
		case "state":
			b.State = r.state()
		case "manifest":
			b.Manifest = r.base64(MaxManifest)
		default:
			return r.proven(&b.Proven, name)
		}
		return true
	}, "mediaType", "entry", "proof")
	return b
}

// proven reads a member of Proven and reports whether name is one.
func (r *reader) proven(p *Proven, name string) bool {
	switch name {
	case "entry":
		p.Entry = r.base64(maxEntry)
	case "proof":
		p.Proof = []byte(r.text(maxProof))
	default:
		return false
	}
	return true
}

func (r *reader) related() (p Proven) {
	r.object(func(name string) bool { return r.proven(&p, name) }, "entry", "proof")
	return p
}

func (r *reader) state() *State {
	s := &State{}
	r.object(func(name string) bool {
		switch name {
		case "asOf":
			s.AsOf = []byte(r.text(maxProof))
		case "lookups":
			r.array(MaxLookups, func() { s.Lookups = append(s.Lookups, r.lookup()) })
		default:
			return r.proven(&s.Proven, name)
		}
		return true
	}, "entry", "proof", "asOf", "lookups")
	return s
}

func (r *reader) lookup() (l Lookup) {
	r.object(func(name string) bool {
		switch name {
		case "kind":
			l.Kind = r.text(64)
		case "value":
			l.Value = r.text(maxEntry)
		case "struct":
			l.Struct = r.base64(maxEntry)
		case "proof":
			l.Proof = r.base64(maxProof)
		default:
			return false
		}
		return true
	}, "kind", "value", "proof")
	return l
}
