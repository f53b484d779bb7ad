package index_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/index"
)

const hexDigest = "3f9a0000000000000000000000000000000000000000000000000000000000aa"

func TestParseFilter(t *testing.T) {
	for _, c := range []struct{ story, text, want string }{
		{"empty", "", ""},
		{"white space alone", " \t\n", ""},
		{"a quoted value", `name = "acme/tiny"`, `name = "acme/tiny"`},
		{"a bare word", `version=1.0.0-rc.1+build`, `version = "1.0.0-rc.1+build"`},
		{"a field name as a value", `license = name`, `license = "name"`},
		{"the kind of a ledger entry", `kind = credit-revoke`, `kind = "credit-revoke"`},
		{"a kind that is no kind of statement", `kind = malformed`, `kind = "malformed"`},
		{"a rejection code", `code = NAME_BOUND`, `code = "NAME_BOUND"`},
		{"a reserved word in quotes", `license = "AND"`, `license = "AND"`},
		{"a value with spaces", `license="MIT OR Apache-2.0"`, `license = "MIT OR Apache-2.0"`},
		{"terms in another order", `kind = model AND name = "a/b"`, `name = "a/b" AND kind = "model"`},
		{"a term twice", `kind = model AND kind = "model"`, `kind = "model"`},
		{"two values of one field", `kind = model AND kind = dataset`, `kind = "dataset" AND kind = "model"`},
		{"a digest without its prefix", `digest = ` + hexDigest, `digest = "sha256:` + hexDigest + `"`},
		{"a key id with a prefix", `publisher = "sha256:` + hexDigest + `"`, `publisher = "` + hexDigest + `"`},
		{"line ends between tokens", "kind\n=\nmodel\nAND\ncode = ACCEPTED", `kind = "model" AND code = "ACCEPTED"`},
	} {
		t.Run(c.story, func(t *testing.T) {
			f, err := index.ParseFilter(c.text)
			if err != nil {
				t.Fatalf("ParseFilter(%q): %v", c.text, err)
			}
			if got := f.String(); got != c.want {
				t.Errorf("ParseFilter(%q) = %s, want %s", c.text, got, c.want)
			}
		})
	}
}

func TestParseFilterRefuses(t *testing.T) {
	for _, c := range []struct {
		story, text, field string
		offset             int
		reason             string // part of it
	}{
		{"an unknown field", `kind = model AND colour = red`, "colour", 17, `unknown field "colour", known are entry, statement, file`},
		{"a field in another case", `Kind = model`, "Kind", 0, "unknown field"},
		{"a key that is not of the language", `field(8) = x`, "field", 0, "unknown field"},
		{"another comparison", `kind != model`, "kind", 5, "no = after kind"},
		{"a has-operator", `kind:model`, "kind:model", 0, "unknown field"},
		{"no value", `kind =`, "kind", 6, "no value"},
		{"an empty value", `kind = ""`, "kind", 0, "empty value"},
		{"OR", `kind = model OR kind = dataset`, "", 13, `got "OR" after a term`},
		{"no AND", `kind = model code = X`, "", 13, `got "code" after a term`},
		{"AND at the end", `kind = model AND `, "", 13, "ends after AND"},
		{"AND at the beginning", `AND kind = model`, "AND", 0, `unknown field "AND"`},
		{"a reserved word as a value", `kind = NOT`, "kind", 7, "reserved word NOT"},
		{"an open quote", `name = "a/b`, "name", 7, "not closed"},
		{"an escape", `name = "a\"b"`, "name", 7, `contains '\\'`},
		{"a control character", "name = \"a\x00b\"", "name", 7, `contains '\x00'`},
		{"text right after a quote", `name = "a/b"AND kind = model`, "name", 12, "no space after the value"},
		{"parentheses", `(kind = model)`, "", 0, `unknown field ""`},
		{"a short digest", `digest = sha256:3f9a`, "digest", 9, "want 64 lower-case hex digits"},
		{"an upper-case digest", `entry = ` + strings.ToUpper(hexDigest), "entry", 8, "want 64 lower-case hex digits"},
		{"an account with a wrong checksum", `account = hmk1qqqqqqqq`, "account", 10, "account"},
		{"a kind that there is not", `kind = modle`, "kind", 7, `got "modle", want one of malformed, model, dataset`},
		{"a kind in another case", `kind = Model`, "kind", 7, "want one of"},
		{"a name with its version", `name = "acme/tiny@1.0.0"`, "name", 7, `want no version in it: name = "acme/tiny" AND version = "1.0.0"`},
		{"a name without its namespace", `name = tiny`, "name", 7, "want namespace/name"},
		{"a name that nothing can have", `name = "Acme/tiny"`, "name", 7, "want namespace/name"},
		{"a code that there is not", `code = REJECTED`, "code", 7, "want ACCEPTED or a rejection code such as NAME_BOUND"},
		{"too many terms", strings.Repeat("kind = model AND ", index.MaxFilterTerms) + "kind = model", "", 17 * index.MaxFilterTerms, "more than 12 terms"},
		{"too long", `name = "` + strings.Repeat("a", index.MaxFilterSize) + `"`, "", index.MaxFilterSize, "want at most 2048"},
	} {
		t.Run(c.story, func(t *testing.T) {
			_, err := index.ParseFilter(c.text)
			var fault *index.FilterError
			if !errors.As(err, &fault) {
				t.Fatalf("ParseFilter(%q): got error %v, want a *FilterError", c.text, err)
			}
			if fault.Field != c.field || fault.Offset != c.offset || !strings.Contains(fault.Reason, c.reason) {
				t.Errorf("ParseFilter(%q):\n got field %q, at %d: %s\nwant field %q, at %d: ...%s...",
					c.text, fault.Field, fault.Offset, fault.Reason, c.field, c.offset, c.reason)
			}
		})
	}
}

func TestFilterMatch(t *testing.T) {
	row := index.Row{
		Kind: "model", Name: "acme/tiny@1", Code: "ACCEPTED", Digest: "sha256:" + hexDigest,
		Terms: []index.Term{{Field: index.FieldLicense, Value: "MIT"}},
	}
	for text, want := range map[string]bool{
		``:                                 true,
		`name = "acme/tiny"`:               true,
		`name = "acme/tiny2"`:              false,
		`namespace = acme AND version = 1`: true,
		`license = MIT AND code = ACCEPTED AND digest = ` + hexDigest: true,
		`subject = ` + hexDigest:          false,
		`license = MIT AND kind = credit`: false,
	} {
		f, err := index.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(&row); got != want {
			t.Errorf("%q matches %+v: %v, want %v", text, row, got, want)
		}
	}
}

func TestFields(t *testing.T) {
	names, says := index.Fields()
	for i, name := range names {
		if says[i] == "" {
			t.Errorf("field %s says nothing", name)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, text := range []string{``, `kind = model AND name = "a/b"`, `license = "MIT OR X"`, `digest = ` + hexDigest, `a = "`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := index.ParseFilter(text)
		if err != nil {
			return
		}
		again, err := index.ParseFilter(filter.String())
		if len(filter.String()) <= index.MaxFilterSize && (err != nil || again.String() != filter.String()) {
			t.Errorf("ParseFilter(%q) = %s, which parses to %s, %v", text, filter, again, err)
		}
	})
}
