// Package bundle reads and writes the offline bundle (`*.hallmark`): one entry,
// the proof that a log holds it, and what it rests on, in one JSON file.
//
// Nothing in a bundle is trusted. Reading one checks its form and nothing
// else; keys and policy come from whoever verifies, and package verifier
// draws the conclusions. A proof stands in it verbatim as c2sp.org/tlog-proof
// text, so that any C2SP tool can check that part alone.
//
// Bundles are written canonically and read strictly: no duplicate or unknown
// member, nothing after the object, base64 in its one padded form; white space
// and the order of members are free.
package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// MediaType is the first member's value. The version is part of it: a reader
// of version 1 refuses every other.
const MediaType = "application/vnd.hallmark.bundle+json;version=1"

// Bounds, checked while reading.
const (
	// MaxSize bounds a bundle in bytes: the largest manifest in base64, all
	// related entries with proofs, and white space.
	MaxSize = 64 << 20
	// MaxManifest bounds the decoded manifest, in bytes: about 100,000 tensors.
	MaxManifest = 16 << 20
	// MaxRelated bounds the related entries: a full ancestry of a large model.
	MaxRelated = 1024
	// MaxLookups bounds the answers of the state map in one bundle.
	MaxLookups = 1024

	maxEntry = 1<<16 - 1 // what a log leaf can hold
	maxProof = 128 << 10 // 64 hashes and 16 post-quantum cosignatures
)

// ErrMalformed says that the bytes are not a bundle. It wraps what and where.
var ErrMalformed = errors.New("malformed bundle")

// Proven is an entry with the proof that a log holds it.
type Proven struct {
	Entry []byte // the log leaf
	Proof []byte // c2sp.org/tlog-proof text, verbatim
}

// A Bundle is the content of a bundle file.
type Bundle struct {
	Proven
	Related  []Proven // datasets, bases, training, evaluations, statuses
	State    *State   // nil when absent
	Manifest []byte   // the manifest's bytes; nil when absent
}

// State is an answer of the log's state map: a logged state entry, the
// checkpoint as of which it is asked, and lookups proven against its root.
type State struct {
	Proven
	AsOf    []byte // a signed checkpoint note
	Lookups []Lookup
}

// A Lookup is one key's value in the state map, or its absence.
type Lookup struct {
	Kind   string
	Value  string
	Struct []byte // nil when the proof shows absence
	Proof  []byte
}

// Marshal returns the canonical form: members in the order of their
// definition, no white space, one final newline.
func (b *Bundle) Marshal() ([]byte, error) {
	var buf bytes.Buffer
	w := writer{enc: jsontext.NewEncoder(&buf)}
	w.token(jsontext.BeginObject)
	w.text("mediaType", MediaType)
	w.proven(b.Proven)
	if b.Related != nil {
		w.name("related")
		w.token(jsontext.BeginArray)
		for _, p := range b.Related {
			w.token(jsontext.BeginObject)
			w.proven(p)
			w.token(jsontext.EndObject)
		}
		w.token(jsontext.EndArray)
	}
	if b.State != nil {
		w.state(b.State)
	}
	if b.Manifest != nil {
		w.base64("manifest", b.Manifest)
	}
	w.token(jsontext.EndObject)
	if w.err != nil {
		return nil, fmt.Errorf("writing bundle: %w", w.err)
	}
	return buf.Bytes(), nil
}

// A writer keeps the first error, so that the shape of the file stays visible.
type writer struct {
	enc *jsontext.Encoder
	err error
}

func (w *writer) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.enc.WriteToken(t)
	}
}

func (w *writer) name(s string)                { w.token(jsontext.String(s)) }
func (w *writer) text(name, value string)      { w.name(name); w.token(jsontext.String(value)) }
func (w *writer) base64(name string, b []byte) { w.text(name, base64.StdEncoding.EncodeToString(b)) }

func (w *writer) proven(p Proven) {
	w.base64("entry", p.Entry)
	w.text("proof", string(p.Proof))
}

func (w *writer) state(s *State) {
	w.name("state")
	w.token(jsontext.BeginObject)
	w.proven(s.Proven)
	w.text("asOf", string(s.AsOf))
	w.name("lookups")
	w.token(jsontext.BeginArray)
	for _, l := range s.Lookups {
		w.token(jsontext.BeginObject)
		w.text("kind", l.Kind)
		w.text("value", l.Value)
		if l.Struct != nil {
			w.base64("struct", l.Struct)
		}
		w.base64("proof", l.Proof)
		w.token(jsontext.EndObject)
	}
	w.token(jsontext.EndArray)
	w.token(jsontext.EndObject)
}
