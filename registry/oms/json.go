package oms

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A reader reads JSON strictly: no member twice, none in another case, nothing
// that is not UTF-8, nothing after the end. Two programs that disagree on such
// bytes would verify two different models under one signature.
type reader struct{ d *jsontext.Decoder }

func newReader(text []byte) reader {
	return reader{jsontext.NewDecoder(bytes.NewReader(text))}
}

// maxSafeInteger is the largest integer that every JSON reader keeps exact
// (RFC 7493, 2.2): 2^53 - 1.
const maxSafeInteger = 1<<53 - 1

func (r reader) fault(f Fault, format string, args ...any) *Error {
	return fault(f, string(r.d.StackPointer()), format, args...)
}

func (r reader) notJSON(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return r.fault(ErrDuplicateMember, "%v", err)
	}
	return r.fault(ErrNotJSON, "%v", err)
}

// expect reads one token, which must be of the kind.
func (r reader) expect(want jsontext.Kind) (jsontext.Token, error) {
	token, err := r.d.ReadToken()
	if err != nil {
		return token, r.notJSON(err)
	}
	if token.Kind() != want {
		return token, r.fault(ErrWrongType, "got %s, want %s", kindName(token.Kind()), kindName(want))
	}
	return token, nil
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return strconv.QuoteRune(rune(k))
}

// members reads each member of an object by its name.
type members map[string]func() error

// anyOther is the name under which members passes over what it does not know:
// objects that the specification leaves open have it.
const anyOther = "\x00"

// object reads an object, which must have the required members.
func (r reader) object(known members, required ...string) error {
	if _, err := r.expect('{'); err != nil {
		return err
	}
	at := string(r.d.StackPointer())
	seen := make(map[string]bool)
	for r.d.PeekKind() != '}' {
		token, err := r.expect('"')
		if err != nil {
			return err
		}
		name := token.String()
		seen[name] = true
		read, ok := known[name]
		if !ok || name == anyOther {
			if read, ok = known[anyOther]; !ok {
				return r.fault(ErrUnknownMember, "no such member in this format")
			}
		}
		if err := read(); err != nil {
			return err
		}
	}
	if _, err := r.expect('}'); err != nil {
		return err
	}
	for _, name := range required {
		if !seen[name] {
			return fault(ErrMissingMember, at, "no %q", name)
		}
	}
	return nil
}

// array reads an array by its elements and returns their number.
func (r reader) array(element func() error) (int, error) {
	if _, err := r.expect('['); err != nil {
		return 0, err
	}
	n := 0
	for ; r.d.PeekKind() != ']'; n++ {
		if err := element(); err != nil {
			return n, err
		}
	}
	_, err := r.expect(']')
	return n, err
}

// end reads that nothing but white space follows.
func (r reader) end() error {
	switch _, err := r.d.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return fault(ErrNotJSON, "", "more follows the end")
	default:
		return r.notJSON(err)
	}
}

func (r reader) skip() error {
	if err := r.d.SkipValue(); err != nil {
		return r.notJSON(err)
	}
	return nil
}

func (r reader) text(into *string) func() error {
	return func() error {
		token, err := r.expect('"')
		if err == nil {
			*into = token.String()
		}
		return err
	}
}

// textOrNull takes null for the empty text (4.1: keyid).
func (r reader) textOrNull(into *string) func() error {
	return func() error {
		if r.d.PeekKind() == 'n' {
			return r.skip()
		}
		return r.text(into)()
	}
}

func (r reader) boolean(into *bool) func() error {
	return func() error {
		token, err := r.d.ReadToken()
		if err != nil {
			return r.notJSON(err)
		}
		switch token.Kind() {
		case 't', 'f':
			*into = token.Bool()
			return nil
		}
		return r.fault(ErrWrongType, "got %s, want true or false", kindName(token.Kind()))
	}
}

// positive reads an integer from 1 to 2^53 - 1. The Python implementation writes
// it by way of a floating-point number, with a fraction of zero.
func (r reader) positive(into *uint64) func() error {
	return func() error {
		token, err := r.expect('0')
		if err != nil {
			return err
		}
		v, err := parseDecimal(strings.TrimSuffix(token.String(), ".0"))
		if err != nil || v == 0 {
			return r.fault(ErrBadValue, "got %s, want an integer from 1 to %d", token.String(), uint64(maxSafeInteger))
		}
		*into = v
		return nil
	}
}

// parseDecimal reads digits without sign or leading zero, up to 2^53 - 1.
func parseDecimal(s string) (uint64, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v > maxSafeInteger || strconv.FormatUint(v, 10) != s {
		return 0, errors.New("not a plain decimal")
	}
	return v, nil
}

// base64 reads base64 with its padding, in the standard or the URL-safe alphabet
// (DSSE, protocol.md: verifiers accept either), in the one encoding that each has.
func (r reader) base64(into *[]byte) func() error {
	return func() error {
		token, err := r.expect('"')
		if err != nil {
			return err
		}
		s := token.String()
		encoding := base64.StdEncoding
		if strings.ContainsAny(s, "-_") {
			encoding = base64.URLEncoding
		}
		b, err := encoding.Strict().DecodeString(s)
		if err != nil || encoding.EncodedLen(len(b)) != len(s) { // the decoder passes over line ends
			return r.fault(ErrBadValue, "not base64 with its padding")
		}
		*into = b
		return nil
	}
}
