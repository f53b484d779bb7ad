package bundle_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-registry/hallmark/verifier/bundle"
)

func example() *bundle.Bundle {
	return &bundle.Bundle{
		Proven:  bundle.Proven{Entry: []byte("entry"), Proof: []byte("c2sp.org/tlog-proof@v1\nindex 0\n\n…")},
		Related: []bundle.Proven{{Entry: []byte{0, 1, 2}, Proof: []byte("p")}},
		State: &bundle.State{
			Proven:  bundle.Proven{Entry: []byte("state"), Proof: []byte("p")},
			AsOf:    []byte("note"),
			Lookups: []bundle.Lookup{{Kind: "model", Value: "v", Struct: []byte("s"), Proof: []byte("m")}, {Kind: "status", Value: "v", Proof: []byte("m")}},
		},
		Manifest: []byte("{}"),
	}
}

func TestRoundTrip(t *testing.T) {
	for name, b := range map[string]*bundle.Bundle{
		"every member": example(),
		"the least":    {Proven: bundle.Proven{Entry: []byte("e"), Proof: []byte("p")}},
	} {
		text, err := b.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := bundle.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(b, back); diff != "" {
			t.Errorf("%s: came back otherwise (-want +got):\n%s", name, diff)
		}
	}
}

func TestFreedomsOfAReader(t *testing.T) {
	text := " {\n\"proof\": \"p\", \"entry\" : \"ZQ==\",\t\"mediaType\":\"" + bundle.MediaType + "\" } \r\n"
	b, err := bundle.Parse([]byte(text))
	if err != nil || string(b.Entry) != "e" || string(b.Proof) != "p" {
		t.Errorf("white space and another order: %+v, %v", b, err)
	}
}

func TestRefusals(t *testing.T) {
	media := `"mediaType":"` + bundle.MediaType + `"`
	ok := `{` + media + `,"entry":"ZQ==","proof":"p"}`
	if _, err := bundle.Parse([]byte(ok)); err != nil {
		t.Fatalf("the well-formed one: %v", err)
	}
	related := strings.Repeat(`{"entry":"ZQ==","proof":"p"},`, bundle.MaxRelated) + `{"entry":"ZQ==","proof":"p"}`
	for story, text := range map[string]string{
		"empty":                        "",
		"null":                         "null",
		"an array":                     "[" + ok + "]",
		"truncated":                    ok[:len(ok)-1],
		"something after it":           ok + "{}",
		"another version":              strings.Replace(ok, "version=1", "version=2", 1),
		"no media type":                `{"entry":"ZQ==","proof":"p"}`,
		"no entry":                     `{` + media + `,"proof":"p"}`,
		"no proof":                     `{` + media + `,"entry":"ZQ=="}`,
		"a duplicate member":           `{` + media + `,"entry":"ZQ==","entry":"ZQ==","proof":"p"}`,
		"an escaped duplicate":         `{` + media + `,"entry":"ZQ==","\u0065ntry":"ZQ==","proof":"p"}`,
		"an unknown member":            `{` + media + `,"entry":"ZQ==","proof":"p","policy":"x"}`,
		"a member in capitals":         `{` + media + `,"Entry":"ZQ==","proof":"p"}`,
		"entry is a number":            `{` + media + `,"entry":1,"proof":"p"}`,
		"base64 without padding":       `{` + media + `,"entry":"ZQ","proof":"p"}`,
		"base64 with trailing bits":    `{` + media + `,"entry":"ZR==","proof":"p"}`,
		"base64 with a line break":     `{` + media + `,"entry":"ZQ=\n=","proof":"p"}`,
		"URL-safe base64":              `{` + media + `,"entry":"_w==","proof":"p"}`,
		"invalid UTF-8":                `{` + media + `,"entry":"ZQ==","proof":"` + "\xff" + `"}`,
		"related with unknown member":  `{` + media + `,"entry":"ZQ==","proof":"p","related":[{"entry":"ZQ==","proof":"p","x":1}]}`,
		"too many related":             `{` + media + `,"entry":"ZQ==","proof":"p","related":[` + related + `]}`,
		"state without its checkpoint": `{` + media + `,"entry":"ZQ==","proof":"p","state":{"entry":"ZQ==","proof":"p","lookups":[]}}`,
		"an entry no leaf can hold":    `{` + media + `,"entry":"` + strings.Repeat("AAAA", 1<<15) + `","proof":"p"}`,
	} {
		if _, err := bundle.Parse([]byte(text)); !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", story, err)
		}
	}
}

// What Parse accepts has one canonical form, which reads back the same.
func FuzzParse(f *testing.F) {
	text, err := example().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"mediaType":"` + bundle.MediaType + `","entry":"","proof":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := bundle.Parse(text)
		if err != nil {
			return
		}
		canonical, err := b.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := bundle.Parse(canonical)
		if err != nil {
			t.Fatalf("its canonical form is refused: %v", err)
		}
		twice, err := again.Marshal()
		if err != nil || !bytes.Equal(canonical, twice) {
			t.Errorf("two canonical forms: %q, %q, %v", canonical, twice, err)
		}
	})
}
