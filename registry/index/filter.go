package index

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Bounds of a filter.
const (
	// MaxFilterSize is in bytes: every term with a digest, and room to spare.
	MaxFilterSize = 2048

	// MaxFilterTerms bounds the look-ups that each candidate row costs.
	MaxFilterTerms = 12
)

// A Filter selects the rows that have all of its terms. The zero Filter selects every row.
//
// Its text is a subset of AIP-160 (google.aip.dev/160): equality and AND.
//
//	filter = [ term { "AND" term } ] .
//	term   = field "=" value .
//	value  = `"` { any character but `"`, `\` and control characters } `"` | word .
//	word   = letters, digits and any of  . _ - / : @ +  but not AND, OR or NOT .
//
// White space (spaces, tabs, line ends) may stand between any two of these. Fields are those of [Fields].
type Filter struct {
	terms []Term // ascending by (field, value), no duplicates
}

// A FilterError says where a filter is not understood.
type FilterError struct {
	Field  string // the field at fault, or empty
	Offset int    // in bytes from the filter's beginning
	Reason string
}

func (e *FilterError) Error() string {
	return fmt.Sprintf("filter, at byte %d: %s", e.Offset, e.Reason)
}

// ParseFilter reads a filter; empty text selects everything. Errors are *FilterError.
func ParseFilter(text string) (Filter, error) {
	if len(text) > MaxFilterSize {
		return Filter{}, &FilterError{Offset: MaxFilterSize, Reason: fmt.Sprintf("got %d bytes, want at most %d", len(text), MaxFilterSize)}
	}
	p := filterParser{text: text}
	var f Filter
	for p.skip(); !p.end(); p.skip() {
		if len(f.terms) == MaxFilterTerms {
			return Filter{}, p.fault("", "got more than %d terms", MaxFilterTerms)
		}
		t, err := p.term()
		if err != nil {
			return Filter{}, err
		}
		f.terms = append(f.terms, t)
		if p.end() {
			break
		}
		if got := p.word(); got != "AND" {
			return Filter{}, p.fault("", "got %q after a term, want AND or the end", got)
		}
		if p.end() {
			return Filter{}, p.fault("", "ends after AND, want a term")
		}
	}
	slices.SortFunc(f.terms, compareTerms)
	f.terms = slices.Compact(f.terms)
	return f, nil
}

// NewFilter returns the filter of the terms given, whose values must be canonical.
func NewFilter(terms ...Term) Filter {
	terms = slices.Clone(terms)
	slices.SortFunc(terms, compareTerms)
	return Filter{terms: slices.Compact(terms)}
}

func compareTerms(a, b Term) int {
	if a.Field != b.Field {
		return int(a.Field) - int(b.Field)
	}
	return strings.Compare(a.Value, b.Value)
}

// Terms returns the terms, the most selective field first. The caller must not change them.
func (f Filter) Terms() []Term { return f.terms }

// String returns the filter's one canonical text, which ParseFilter reads back.
func (f Filter) String() string {
	var b strings.Builder
	for i, t := range f.terms {
		if i > 0 {
			b.WriteString(" AND ")
		}
		fmt.Fprintf(&b, `%s = "%s"`, t.Field, t.Value)
	}
	return b.String()
}

// Hash identifies the filter in page tokens: SHA-256 of its canonical text.
func (f Filter) Hash() [32]byte { return sha256.Sum256([]byte(f.String())) }

// Match reports whether the filter selects the row.
func (f Filter) Match(r *Row) bool {
	for _, t := range f.terms {
		if !r.Has(t) {
			return false
		}
	}
	return true
}

type filterParser struct {
	text string
	at   int // what comes next
	mark int // where the last token began, for errors
}

func (p *filterParser) end() bool { return p.at == len(p.text) }

func (p *filterParser) fault(field, format string, args ...any) error {
	return &FilterError{Field: field, Offset: p.mark, Reason: fmt.Sprintf(format, args...)}
}

// skip passes white space and marks the beginning of what follows.
func (p *filterParser) skip() {
	for !p.end() && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	p.mark = p.at
}

func (p *filterParser) term() (Term, error) {
	name := p.word()
	field, ok := parseField(name)
	if !ok {
		known, _ := Fields()
		return Term{}, p.fault(name, "unknown field %q, known are %s", name, strings.Join(known, ", "))
	}
	start := p.mark
	p.mark = p.at
	if p.end() || p.text[p.at] != '=' {
		return Term{}, p.fault(name, "no = after %s, the only comparison there is", name)
	}
	p.at++
	p.skip()
	value, err := p.value(name)
	if err != nil {
		return Term{}, err
	}
	if value == "" {
		p.mark = start
		return Term{}, p.fault(name, "%s has an empty value, which no entry has", name)
	}
	canonical, err := field.Canonical(value)
	if err != nil {
		return Term{}, p.fault(name, "%s: %v", name, err)
	}
	end := p.at
	p.skip()
	if p.at == end && !p.end() {
		return Term{}, p.fault(name, "no space after the value of %s", name)
	}
	return Term{field, canonical}, nil
}

// word reads a run of word characters and the white space after it. It leaves the mark on the word.
func (p *filterParser) word() string {
	p.skip()
	for !p.end() && isWordByte(p.text[p.at]) {
		p.at++
	}
	word, mark := p.text[p.mark:p.at], p.mark
	p.skip()
	p.mark = mark
	return word
}

func (p *filterParser) value(field string) (string, error) {
	if !p.end() && p.text[p.at] == '"' {
		return p.quoted(field)
	}
	start := p.at
	for !p.end() && isWordByte(p.text[p.at]) {
		p.at++
	}
	switch word := p.text[start:p.at]; word {
	case "":
		return "", p.fault(field, "%s has no value, want a word or text in double quotes", field)
	case "AND", "OR", "NOT":
		return "", p.fault(field, "the value of %s is the reserved word %s; in quotes it is a value", field, word)
	default:
		return word, nil
	}
}

func (p *filterParser) quoted(field string) (string, error) {
	body := p.text[p.at+1:]
	n := strings.IndexByte(body, '"')
	if n < 0 {
		return "", p.fault(field, "the quote before the value of %s is not closed", field)
	}
	if i := strings.IndexFunc(body[:n], func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }); i >= 0 {
		return "", p.fault(field, "the value of %s contains %q, which no value does", field, body[i])
	}
	p.at += n + 2
	return body[:n], nil
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-/:@+", c) >= 0
}
