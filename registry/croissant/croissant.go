// Package croissant reads what others have written down about a data set in
// the Croissant format (MLCommons, versions 1.0 and 1.1), so that it can be
// published with the data and need not be told a second time.
//
//	metadata.json                     what becomes of it
//	  license                         the statement's licence, as SPDX
//	  url, isBasedOn, wasDerivedFrom  the statement's sources
//	  distribution                    compared with the files, by their SHA-256
//	  all of it                       the statement names its SHA-256
//
// Croissant is JSON-LD, in which a document may rename every term. This reader
// knows the terms as the specification's own context spells them, with or
// without their prefix, and fetches no context: what is spelt otherwise it does
// not see. What it sees it reads strictly.
package croissant

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxSize is the most bytes of a document that is read. Those with small
// examples inside take some hundred kilobytes.
const MaxSize = 16 << 20

// maxFiles bounds the files that a document describes one by one; what has more
// describes them as a FileSet.
const maxFiles = 100_000

// ErrMalformed says that a document is no Croissant that this reader knows.
var ErrMalformed = errors.New("malformed Croissant document")

// A Document is what the reader takes from one.
type Document struct {
	Digest   [32]byte // SHA-256 of the document's bytes
	Version  string   // "1.0" or "1.1"
	Licenses []string // as they stand there: URLs, mostly
	Sources  []string // URLs of the data set and of what it was made from, each once
	Files    []File   // in their order
}

// A File is a FileObject: one file that the document describes.
type File struct {
	ID     string // "@id", or its name
	URL    string // contentUrl: an address, or a path relative to the document
	SHA256 [32]byte
	// Hashed says that the document gives a SHA-256.
	Hashed bool
	// Contained says that the file lies in another, such as an archive, and
	// that the path is relative to that.
	Contained bool
}

// Parse reads a document. The error wraps ErrMalformed.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrMalformed, len(text), MaxSize)
	}
	if !jsontext.Value(text).IsValid() {
		return nil, fmt.Errorf("%w: not JSON in UTF-8 without members that stand twice", ErrMalformed)
	}
	var top object
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	d := &Document{Digest: sha256.Sum256(text)}
	if err := d.read(top); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return d, nil
}

func (d *Document) read(top object) error {
	if types := top.texts("@type"); !slices.ContainsFunc(types, isTerm("Dataset", schemaOrg)) {
		return fmt.Errorf("@type is %q, want sc:Dataset", types)
	}
	conforms := top.texts("conformsTo", "dct:conformsTo", "http://purl.org/dc/terms/conformsTo")
	for _, c := range conforms {
		_, c, _ = strings.Cut(c, "://")
		if v, ok := strings.CutPrefix(c, "mlcommons.org/croissant/"); ok && (v == "1.0" || v == "1.1") {
			d.Version = v
		}
	}
	if d.Version == "" {
		return fmt.Errorf("conformsTo is %q, want http://mlcommons.org/croissant/1.0 or 1.1", conforms)
	}
	d.Licenses = top.texts(schemaTerms("license")...)
	for _, s := range slices.Concat(top.texts(schemaTerms("url")...), top.texts(schemaTerms("isBasedOn")...),
		top.texts("prov:wasDerivedFrom", "wasDerivedFrom", "http://www.w3.org/ns/prov#wasDerivedFrom")) {
		if !slices.Contains(d.Sources, s) {
			d.Sources = append(d.Sources, s)
		}
	}
	for i, v := range top.values(schemaTerms("distribution")...) {
		if i == maxFiles {
			return fmt.Errorf("describes more than %d files", maxFiles)
		}
		if err := d.distribution(v); err != nil {
			return fmt.Errorf("distribution %d: %w", i, err)
		}
	}
	return nil
}

// distribution reads a FileObject. A FileSet is a pattern: it gives no hash.
func (d *Document) distribution(v any) error {
	inner, ok := v.(map[string]any)
	if !ok {
		return errors.New("want an object")
	}
	o := object(inner)
	types := o.texts("@type")
	if slices.ContainsFunc(types, isTerm("FileSet", vocabulary)) {
		return nil
	}
	if !slices.ContainsFunc(types, isTerm("FileObject", vocabulary)) {
		return fmt.Errorf("@type is %q, want cr:FileObject or cr:FileSet", types)
	}
	f := File{Contained: len(o.values("containedIn", "cr:containedIn", "sc:containedIn")) > 0}
	var err error
	if f.ID, err = o.one("@id", "name", "sc:name"); err != nil {
		return err
	}
	if f.URL, err = o.one(schemaTerms("contentUrl")...); err != nil {
		return fmt.Errorf("%q: %w", f.ID, err)
	}
	sums := o.texts(append(schemaTerms("sha256"), "cr:sha256")...)
	switch {
	case len(sums) == 1 && len(sums[0]) == 2*len(f.SHA256):
		if _, err := hex.Decode(f.SHA256[:], []byte(sums[0])); err != nil {
			return fmt.Errorf("%q: sha256: %w", f.ID, err)
		}
		f.Hashed = true
	case len(sums) > 0:
		return fmt.Errorf("%q: sha256 is %.100q, want 64 hex digits", f.ID, sums)
	}
	d.Files = append(d.Files, f)
	return nil
}

// The vocabularies whose terms are read, as their prefixes and addresses.
var (
	schemaOrg  = []string{"", "sc:", "schema:", "http://schema.org/", "https://schema.org/"}
	vocabulary = []string{"", "cr:", "http://mlcommons.org/croissant/", "sc:"} // sc: by a slip that is common
)

func isTerm(name string, prefixes []string) func(string) bool {
	return func(s string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return s == p+name })
	}
}

func schemaTerms(name string) []string {
	terms := make([]string, len(schemaOrg))
	for i, p := range schemaOrg {
		terms[i] = p + name
	}
	return terms
}

// An object is one of JSON. Its names are compared exactly.
type object map[string]any

// values returns the values of a property, by whichever of its names they
// stand. A list stands for its elements.
func (o object) values(terms ...string) (all []any) {
	for _, t := range terms {
		switch v := o[t].(type) {
		case nil:
		case []any:
			all = append(all, v...)
		default:
			all = append(all, v)
		}
	}
	return all
}

// texts returns those values that are text, or an object that stands for one:
// a reference, a typed value, or a thing that is known by its address.
func (o object) texts(terms ...string) (all []string) {
	for _, v := range o.values(terms...) {
		if inner, ok := v.(map[string]any); ok {
			for _, t := range []string{"@id", "@value", "url", "name"} {
				if v = inner[t]; v != nil {
					break
				}
			}
		}
		if s, ok := v.(string); ok && s != "" {
			all = append(all, s)
		}
	}
	return all
}

// one returns the first of several properties that has a value.
func (o object) one(terms ...string) (string, error) {
	if all := o.texts(terms...); len(all) > 0 {
		return all[0], nil
	}
	return "", fmt.Errorf("has no %s", terms[0])
}
