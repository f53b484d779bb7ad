package statement

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The members of all predicates are listed once, in schema.go, as values of
// codec. Reading, writing and checking walk the same list, so that none can
// know a member that another has forgotten.

// A codec is one type of JSON value. get reads the value and knows its form;
// check knows the bounds, and runs whether the value was read or built; put
// writes a value that check let pass.
type codec[T any] struct {
	get   func(*jsontext.Decoder) (T, error)
	check func(T) error
	put   func([]byte, T) []byte
}

// maxSafeInteger is the largest integer that every JSON reader keeps exact
// (RFC 7493, 2.2): 2^53 - 1.
const maxSafeInteger = 1<<53 - 1

const (
	kindObject    = jsontext.Kind('{')
	kindObjectEnd = jsontext.Kind('}')
	kindArray     = jsontext.Kind('[')
	kindArrayEnd  = jsontext.Kind(']')
	kindString    = jsontext.Kind('"')
	kindNumber    = jsontext.Kind('0')
	kindTrue      = jsontext.Kind('t')
	kindFalse     = jsontext.Kind('f')
	kindNull      = jsontext.Kind('n')
)

func kindName(k jsontext.Kind) string {
	switch k {
	case kindObject:
		return "an object"
	case kindArray:
		return "an array"
	case kindString:
		return "a string"
	case kindNumber:
		return "a number"
	case kindTrue, kindFalse:
		return "true or false"
	case kindNull:
		return "null"
	}
	return strconv.Quote(string(rune(k)))
}

// decoder reads JSON that lies in b, refusing duplicate members and invalid
// UTF-8, which are its defaults.
func decoder(b []byte) *jsontext.Decoder { return jsontext.NewDecoder(bytes.NewBuffer(b)) }

// expect reads one token, which must be of the kind.
func expect(d *jsontext.Decoder, want jsontext.Kind) (jsontext.Token, error) {
	token, err := d.ReadToken()
	if err != nil {
		return token, notJSON(err)
	}
	if token.Kind() != want {
		return token, wrongType(token.Kind(), want)
	}
	return token, nil
}

// finish reads the end of the object, and that nothing but white space follows.
func finish(d *jsontext.Decoder) error {
	if _, err := expect(d, kindObjectEnd); err != nil {
		return err
	}
	switch _, err := d.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return fault(ErrNotJSON, "more follows the statement")
	default:
		return notJSON(err)
	}
}

// text is a string with a rule for its bytes.
func text[T ~string](rule func(string) error) codec[T] {
	return codec[T]{
		get: func(d *jsontext.Decoder) (T, error) {
			token, err := expect(d, kindString)
			if err != nil {
				return "", err
			}
			return T(token.String()), nil
		},
		check: func(v T) error { return rule(string(v)) },
		put:   func(dst []byte, v T) []byte { return putString(dst, string(v)) },
	}
}

// oneOf is a string of a closed list.
func oneOf[T ~string](values ...T) codec[T] {
	return text[T](func(s string) error {
		if !slices.Contains(values, T(s)) {
			return bad("got %q, want one of %q", s, values)
		}
		return nil
	})
}

// number is an integer from least to 2^53 - 1. In JSON it has no sign, point,
// exponent or leading zero; RFC 8785 would write the same value without them.
func number(least uint64) codec[uint64] {
	return codec[uint64]{
		get: func(d *jsontext.Decoder) (uint64, error) {
			token, err := expect(d, kindNumber)
			if err != nil {
				return 0, err
			}
			digits := token.String()
			v, err := strconv.ParseUint(digits, 10, 64)
			if err != nil || strconv.FormatUint(v, 10) != digits {
				return 0, fault(ErrBadNumber, "got %s, want a plain decimal from %d to %d", digits, least, uint64(maxSafeInteger))
			}
			return v, nil
		},
		check: func(v uint64) error {
			if v < least || v > maxSafeInteger {
				return fault(ErrBadNumber, "got %d, want %d to %d", v, least, uint64(maxSafeInteger))
			}
			return nil
		},
		put: func(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) },
	}
}

// boolean is true or false.
var boolean = codec[bool]{
	get: func(d *jsontext.Decoder) (bool, error) {
		token, err := d.ReadToken()
		if err != nil {
			return false, notJSON(err)
		}
		if k := token.Kind(); k != kindTrue && k != kindFalse {
			return false, wrongType(k, kindTrue)
		}
		return token.Kind() == kindTrue, nil
	},
	check: func(bool) error { return nil },
	put:   strconv.AppendBool,
}

// list is an array of 1 to most elements, strictly ascending by order. That
// order makes it a set: nothing stands in it twice.
func list[E any](element codec[E], most int, order func(a, b E) int) codec[[]E] {
	return codec[[]E]{
		get: func(d *jsontext.Decoder) ([]E, error) {
			if _, err := expect(d, kindArray); err != nil {
				return nil, err
			}
			var out []E
			for d.PeekKind() != kindArrayEnd {
				if len(out) == most {
					return nil, fault(ErrTooMany, "got more than %d", most)
				}
				v, err := element.get(d)
				if err != nil {
					return nil, under(err, subscript(len(out)))
				}
				out = append(out, v)
			}
			_, err := expect(d, kindArrayEnd)
			return out, err
		},
		check: func(vs []E) error {
			if len(vs) < 1 || len(vs) > most {
				return fault(ErrTooMany, "got %d, want 1 to %d", len(vs), most)
			}
			for i, v := range vs {
				if err := element.check(v); err != nil {
					return under(err, subscript(i))
				}
				if i > 0 && order(vs[i-1], v) >= 0 {
					return fault(ErrOrder, "not after the one before it").under(subscript(i))
				}
			}
			return nil
		},
		put: func(dst []byte, vs []E) []byte {
			dst = append(dst, '[')
			for i, v := range vs {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = element.put(dst, v)
			}
			return append(dst, ']')
		},
	}
}

func subscript(i int) string { return "[" + strconv.Itoa(i) + "]" }

// A member is one member of the objects that hold a T.
type member[T any] struct {
	name   string
	get    func(*jsontext.Decoder, *T) error
	check  func(*T) error
	put    func([]byte, *T) []byte
	absent func(*T) bool // nil: the member is required
}

// object is a JSON object. Its members must be given in the order of RFC 8785,
// 3.2.3, which for these ASCII names is that of their bytes.
func object[T any](members ...member[T]) codec[T] {
	if !slices.IsSortedFunc(members, func(a, b member[T]) int { return bytes.Compare([]byte(a.name), []byte(b.name)) }) {
		panic("statement: members out of order in the table of " + members[0].name)
	}
	return codec[T]{
		get: func(d *jsontext.Decoder) (T, error) { return getObject(d, members) },
		check: func(v T) error {
			for _, m := range members {
				if m.absent != nil && m.absent(&v) {
					continue
				}
				if err := m.check(&v); err != nil {
					return under(err, m.name)
				}
			}
			return nil
		},
		put: func(dst []byte, v T) []byte {
			dst = append(dst, '{')
			first := true
			for _, m := range members {
				if m.absent != nil && m.absent(&v) {
					continue
				}
				if !first {
					dst = append(dst, ',')
				}
				first = false
				dst = append(putString(dst, m.name), ':')
				dst = m.put(dst, &v)
			}
			return append(dst, '}')
		},
	}
}

func getObject[T any](d *jsontext.Decoder, members []member[T]) (v T, err error) {
	if _, err := expect(d, kindObject); err != nil {
		return v, err
	}
	var seen uint32 // bit i: member i; no object has more than 32 members
	for d.PeekKind() != kindObjectEnd {
		token, err := expect(d, kindString)
		if err != nil {
			return v, err
		}
		name := token.String()
		i := slices.IndexFunc(members, func(m member[T]) bool { return m.name == name })
		if i < 0 {
			return v, fault(ErrUnknownMember, "got %q", name)
		}
		m := members[i]
		if err := m.get(d, &v); err != nil {
			return v, under(err, name)
		}
		if m.absent != nil && m.absent(&v) {
			return v, fault(ErrBadValue, "empty, want the member left out").under(name)
		}
		seen |= 1 << i
	}
	if _, err := expect(d, kindObjectEnd); err != nil {
		return v, err
	}
	for i, m := range members {
		if m.absent == nil && seen&(1<<i) == 0 {
			return v, fault(ErrMissingMember, "no %q", m.name)
		}
	}
	return v, nil
}

// required is a member that always stands.
func required[T, V any](name string, at func(*T) *V, c codec[V]) member[T] {
	return member[T]{
		name: name,
		get: func(d *jsontext.Decoder, t *T) (err error) {
			*at(t), err = c.get(d)
			return err
		},
		check: func(t *T) error { return c.check(*at(t)) },
		put:   func(dst []byte, t *T) []byte { return c.put(dst, *at(t)) },
	}
}

// optional is a member whose zero value is written by leaving it out.
func optional[T any, V comparable](name string, at func(*T) *V, c codec[V]) member[T] {
	m := required(name, at, c)
	m.absent = func(t *T) bool { return *at(t) == *new(V) }
	return m
}

// optionalList is a list that is left out when it is empty.
func optionalList[T, E any](name string, at func(*T) *[]E, c codec[[]E]) member[T] {
	m := required(name, at, c)
	m.absent = func(t *T) bool { return len(*at(t)) == 0 }
	return m
}

// optionalObject is an object that is left out when there is none.
func optionalObject[T, V any](name string, at func(*T) **V, c codec[V]) member[T] {
	return member[T]{
		name: name,
		get: func(d *jsontext.Decoder, t *T) error {
			v, err := c.get(d)
			*at(t) = &v
			return err
		},
		check:  func(t *T) error { return c.check(**at(t)) },
		put:    func(dst []byte, t *T) []byte { return c.put(dst, **at(t)) },
		absent: func(t *T) bool { return *at(t) == nil },
	}
}

// putString writes a JSON string as RFC 8785, 3.2.2.2 has it. The rules of this
// package let no text pass that can't be quoted, so the error is always nil.
func putString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// base64Text is standard, padded base64 (RFC 4648, 4) in its one encoding.
var base64Text = codec[[]byte]{
	get: func(d *jsontext.Decoder) ([]byte, error) {
		token, err := expect(d, kindString)
		if err != nil {
			return nil, err
		}
		s := token.String()
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || base64.StdEncoding.EncodeToString(b) != s {
			return nil, bad("got %q, want canonical standard base64", s)
		}
		return b, nil
	},
	check: func([]byte) error { return nil },
	put:   func(dst []byte, b []byte) []byte { return putString(dst, base64.StdEncoding.EncodeToString(b)) },
}

// parseHex reads 64 lower-case hex digits.
func parseHex(s string) (d Digest, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) || hex.EncodeToString(b) != s {
		return d, bad("got %q, want 64 lower-case hex digits", s)
	}
	return Digest(b), nil
}
