package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// ManifestType is the mediaType member of every manifest.
	ManifestType = "application/vnd.hallmark.manifest+json;version=1"
	// MaxManifest is the most bytes of a manifest that is read: a safetensors header of the greatest length takes
	// about twice as many bytes here, and leaves as much for all other files.
	MaxManifest = 512 << 20
)

// Manifest is a model's tree written down: all of Model but what follows from it. It says nothing by itself: it
// belongs to a model when the digest of its Model is that model's. Its SHA256 values alone don't enter the model digest;
// who signs the manifest's digest signs them as well.
type Manifest struct {
	Files []File // ascending by path bytes; without chunk lists
}

// Manifest returns the model's manifest. A model that was hashed with Options.Fast has none, for want of the files'
// SHA-256.
func (m *Model) Manifest() (*Manifest, error) {
	out := &Manifest{Files: slices.Clone(m.Files)}
	for i := range out.Files {
		f := &out.Files[i]
		if f.SHA256 == [32]byte{} {
			return nil, errors.New("a manifest has the SHA-256 of each file, which was left out (Options.Fast)")
		}
		f.Chunks = nil
		f.Tensors = slices.Clone(f.Tensors)
		for j := range f.Tensors {
			f.Tensors[j].Chunks = nil
		}
	}
	return out, nil
}

// Model computes the digests that the manifest describes.
func (m *Manifest) Model() *Model { return join(m.Files) }

// Digest is the SHA-256 of the manifest's bytes.
func (m *Manifest) Digest() [32]byte { return sha256.Sum256(m.Bytes()) }

// Bytes writes the manifest canonically (RFC 8785): no white space, members by name.
//
//	{"files":[{"header":{"leaf":"sha256:…","size":104},"kind":"safetensors","path":"model.safetensors","root":"sha256:…",
//	"sha256":"sha256:…","size":112,"tensors":[{"begin":0,"dtype":"F32","end":8,"name":"w","root":"sha256:…","shape":[2]}]}],
//	"mediaType":"application/vnd.hallmark.manifest+json;version=1"}
func (m *Manifest) Bytes() []byte {
	b := []byte(`{"files":[`)
	for i := range m.Files {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFile(b, &m.Files[i])
	}
	b = append(b, `],"mediaType":`...)
	b = appendString(b, ManifestType)
	return append(b, '}')
}

func appendFile(b []byte, f *File) []byte {
	b = append(b, '{')
	if f.Kind != Raw {
		b = appendHash(append(b, `"header":{"leaf":`...), f.Header.Leaf)
		b = appendNumber(append(b, `,"size":`...), f.Header.Size)
		b = append(b, `},`...)
	}
	b = appendString(append(b, `"kind":`...), f.Kind.String())
	b = appendString(append(b, `,"path":`...), f.Path)
	b = appendHash(append(b, `,"root":`...), f.Root)
	b = appendHash(append(b, `,"sha256":`...), f.SHA256)
	b = appendNumber(append(b, `,"size":`...), f.Size)
	b = append(b, `,"tensors":[`...)
	for i := range f.Tensors {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTensor(b, &f.Tensors[i])
	}
	return append(b, `]}`...)
}

func appendTensor(b []byte, t *Tensor) []byte {
	b = appendNumber(append(b, `{"begin":`...), t.Begin)
	b = appendString(append(b, `,"dtype":`...), t.Dtype)
	b = appendNumber(append(b, `,"end":`...), t.End)
	b = appendString(append(b, `,"name":`...), t.Name)
	b = appendHash(append(b, `,"root":`...), t.Root)
	b = append(b, `,"shape":[`...)
	for i, dim := range t.Shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, dim)
	}
	return append(b, `]}`...)
}

// hashTag stands before the 64 lower-case hex digits of every hash in text.
const hashTag = "sha256:"

func appendHash(b []byte, h [32]byte) []byte {
	return append(hex.AppendEncode(append(b, `"`+hashTag...), h[:]), '"')
}

func appendNumber(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

func appendString(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s) // minimal escapes, which is RFC 8785, section 3.2.2.2
	if err != nil {
		panic(err) // only for invalid UTF-8, which no path and no header gets past its reader with
	}
	return b
}

// CheckRaw holds the manifest against the raw list of the signed statement: a file whose suffix promises tensors is hashed as
// raw exactly if its path stands in that list. The error is a *FormatError.
func (m *Manifest) CheckRaw(raw []string) error {
	for i := range m.Files {
		f := &m.Files[i]
		if want := kindOf(f.Path, raw); f.Kind != want {
			return inFile(fault(BadKind, "kind is %v, want %v, as the raw list has it", f.Kind, want), f.Path)
		}
	}
	return nil
}
