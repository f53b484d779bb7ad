package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// ParseManifest reads a manifest. It accepts one encoding of each manifest only, the one that Bytes writes, and only
// manifests that some folder could have: every rule for paths, safetensors and GGUF files holds, and every root that follows
// from others is checked. The error is a *FormatError.
func ParseManifest(b []byte) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, fault(ManifestTooLong, "manifest has %d bytes, want at most %d", len(b), MaxManifest)
	}
	r := manifestReader{in: jsontext.NewDecoder(bytes.NewBuffer(b))}
	m := r.manifest()
	if r.err != nil {
		return nil, r.err
	}
	if got := m.Bytes(); !bytes.Equal(got, b) {
		at := 0
		for at < min(len(got), len(b)) && got[at] == b[at] {
			at++
		}
		return nil, fault(NotCanonical, "manifest is not written canonically at byte %d", at)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// manifestReader reads the members in the one order that they can have. Its first error sticks, and every later read
// returns a zero value. What it leaves open (white space, escapes, trailing bytes) falls to the comparison in
// ParseManifest.
type manifestReader struct {
	in  *jsontext.Decoder
	err error
}

func (r *manifestReader) manifest() *Manifest {
	m := new(Manifest)
	r.open('{')
	r.member("files")
	r.open('[')
	for r.more() {
		m.Files = append(m.Files, r.file())
	}
	r.close()
	r.member("mediaType")
	if got := r.text(); got != ManifestType {
		r.fail(ManifestSyntax, "mediaType is %.200q, want %q", got, ManifestType)
	}
	r.close()
	return m
}

func (r *manifestReader) file() (f File) {
	r.open('{')
	first := r.text()
	if first == "header" {
		r.open('{')
		f.Header.Leaf = r.hash("leaf")
		f.Header.Size = r.number("size")
		r.close()
		first = r.text()
	}
	if first != "kind" {
		r.fail(ManifestSyntax, "member %.200q, want \"kind\"", first)
	}
	f.Kind = r.kind(f.Header.Size > 0)
	r.member("path")
	f.Path = r.text()
	f.Root = r.hash("root")
	f.SHA256 = r.hash("sha256")
	f.Size = r.number("size")
	r.member("tensors")
	r.open('[')
	for r.more() {
		f.Tensors = append(f.Tensors, r.tensor())
	}
	r.close()
	r.close()
	return f
}

func (r *manifestReader) kind(header bool) Kind {
	switch got := r.text(); {
	case got == Safetensors.String() && header:
		return Safetensors
	case got == GGUF.String() && header:
		return GGUF
	case got == Raw.String() && !header:
		return Raw
	case got == Safetensors.String() || got == GGUF.String() || got == Raw.String():
		r.fail(BadHeaderSize, "a %s file with a header: got %t, want %t", got, header, !header)
	default:
		r.fail(BadKind, "unknown kind %.200q, want %q, %q or %q", got, Raw, Safetensors, GGUF)
	}
	return Raw
}

func (r *manifestReader) tensor() (t Tensor) {
	r.open('{')
	t.Begin = r.number("begin")
	r.member("dtype")
	t.Dtype = r.text()
	t.End = r.number("end")
	r.member("name")
	t.Name = r.text()
	t.Root = r.hash("root")
	r.member("shape")
	r.open('[')
	for r.more() {
		t.Shape = append(t.Shape, r.numberValue())
	}
	r.close()
	r.close()
	return t
}

func (r *manifestReader) fail(f Fault, format string, args ...any) {
	if r.err == nil {
		bad := fault(f, format, args...)
		bad.Detail = "manifest: " + bad.Detail
		r.err = bad
	}
}

// token reads the next token, which must be of the given kind.
func (r *manifestReader) token(kind jsontext.Kind) (t jsontext.Token, ok bool) {
	if r.err != nil {
		return t, false
	}
	t, err := r.in.ReadToken()
	if err != nil {
		r.fail(ManifestSyntax, "%v", err)
		return t, false
	}
	if t.Kind() != kind {
		r.fail(ManifestSyntax, "got %v at byte %d, want %v", t.Kind(), r.in.InputOffset(), kind)
		return t, false
	}
	return t, true
}

func (r *manifestReader) open(kind jsontext.Kind) { r.token(kind) }

// close reads the end of the innermost object or array.
func (r *manifestReader) close() {
	if kind, _ := r.in.StackIndex(r.in.StackDepth()); kind == '{' {
		r.token('}')
	} else {
		r.token(']')
	}
}

// more says whether the array that is being read has another value.
func (r *manifestReader) more() bool {
	return r.err == nil && r.in.PeekKind() != ']'
}

func (r *manifestReader) member(name string) {
	if got := r.text(); got != name {
		r.fail(ManifestSyntax, "member %.200q, want %q", got, name)
	}
}

func (r *manifestReader) text() string {
	t, ok := r.token('"')
	if !ok {
		return ""
	}
	return t.String()
}

func (r *manifestReader) number(member string) uint64 {
	r.member(member)
	return r.numberValue()
}

func (r *manifestReader) numberValue() uint64 {
	t, ok := r.token('0')
	if !ok {
		return 0
	}
	n, err := t.Uint()
	if err != nil || n > MaxNumber {
		r.fail(BadNumber, "got %.40s, want a whole number up to %d", t, uint64(MaxNumber))
	}
	return n
}

func (r *manifestReader) hash(member string) (h [32]byte) {
	r.member(member)
	s := r.text()
	digits, ok := strings.CutPrefix(s, hashTag)
	if b, err := hex.DecodeString(digits); ok && err == nil && len(b) == len(h) {
		return [32]byte(b)
	}
	r.fail(ManifestSyntax, "%s is %.100q, want %s and 64 lower-case hex digits", member, s, hashTag)
	return h
}

// check holds the manifest against the rules for folders and files.
func (m *Manifest) check() error {
	if len(m.Files) == 0 {
		return fault(ManifestSyntax, "manifest has no file, want at least one")
	}
	total := uint64(0)
	for i := range m.Files {
		f := &m.Files[i]
		if i > 0 && m.Files[i-1].Path >= f.Path {
			return fault(FileOrder, "manifest has %q behind %q, want paths ascending", f.Path, m.Files[i-1].Path)
		}
		if err := f.check(); err != nil {
			return inFile(err, f.Path)
		}
		if total += f.Size; total > MaxNumber { // each of both is at most MaxNumber, so the sum is exact
			return fault(BadNumber, "manifest has files of %d bytes and more, want at most %d", total, uint64(MaxNumber))
		}
	}
	return nil
}

func (f *File) check() error {
	if err := filetree.CheckPath(f.Path); err != nil {
		return fault(BadPath, "%v", err)
	}
	if f.SHA256 == [32]byte{} {
		return fault(ManifestSyntax, "sha256 is all zeros, which stands for none")
	}
	if f.Kind == Raw {
		return f.checkRaw()
	}
	if !strings.HasSuffix(f.Path, "."+f.Kind.String()) {
		return fault(BadKind, "kind is %v, which the path does not end in", f.Kind)
	}
	least, most := uint64(lengthSize+2), uint64(lengthSize+MaxHeader)
	if f.Kind == GGUF {
		least, most = ggufFixed, MaxHeader
	}
	if f.Header.Size < least || f.Header.Size > most || f.Header.Size > f.Size {
		return fault(BadHeaderSize, "header has %d bytes, want %d to %d and at most the file's %d", f.Header.Size, least, most, f.Size)
	}
	if f.Kind == GGUF && len(f.Tensors) > 0 && f.Header.Size%minAlignment != 0 {
		return fault(BadHeaderSize, "header has %d bytes, want a multiple of %d", f.Header.Size, minAlignment)
	}
	if err := f.checkTensors(); err != nil {
		return err
	}
	if f.Root != f.tensorsRoot() {
		return fault(RootMismatch, "root is not the one over the header and the tensors")
	}
	return nil
}

func (f *File) checkRaw() error {
	switch {
	case len(f.Tensors) > 0:
		return fault(BadKind, "a raw file has %d tensors, want none", len(f.Tensors))
	case f.Size == 0 && f.Root != emptyRoot:
		return fault(RootMismatch, "root of an empty file is not the empty root")
	}
	return nil
}

// checkTensors holds the tensors against what ParseHeader and ParseGGUF let pass.
func (f *File) checkTensors() error {
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if err := t.checkEntry(f.Kind); err != nil {
			err.Tensor = t.Name
			return err
		}
		if i > 0 && byPlace(f.Tensors[i-1], *t) >= 0 {
			return &FormatError{Tensor: t.Name, Fault: TensorOrder, Detail: "stands behind a tensor that it comes before, by begin, end and name"}
		}
	}
	if name, twice := duplicate(f.Tensors); twice {
		return &FormatError{Tensor: name, Fault: DuplicateName, Detail: "stands twice in one file"}
	}
	return checkPlaces(f.Kind, f.Tensors, f.Size-f.Header.Size, f.alignment())
}

// alignment finds an alignment by which a GGUF file is well formed: a manifest doesn't have the one that the header names.
// If there is none it is one by which checkPlaces finds the fault: in the file's size if it can be there.
func (f *File) alignment() uint64 {
	if f.Kind != GGUF {
		return 1
	}
	found := uint64(minAlignment)
	for align := uint64(minAlignment); align <= maxAlignment; align *= 2 {
		switch tensors, size := f.alignedTo(align); {
		case tensors && size:
			return align
		case tensors:
			found = align
		}
	}
	return found
}

// alignedTo says whether header and tensors are where a file of that alignment has them, and whether its size fits.
func (f *File) alignedTo(align uint64) (tensors, size bool) {
	if len(f.Tensors) > 0 && f.Header.Size%align != 0 {
		return false, false
	}
	next, end := uint64(0), uint64(0)
	for i := range f.Tensors {
		if f.Tensors[i].Begin != next {
			return false, false
		}
		end = f.Tensors[i].End
		next = alignUp(end, align)
	}
	data := f.Size - f.Header.Size
	return true, data == end || data == next
}

func (t *Tensor) checkEntry(k Kind) *FormatError {
	longest, highest := maxName, maxRank
	if k == GGUF {
		longest, highest = maxGGUFName, maxGGUFRank
	}
	_, known := k.layouts()[t.Dtype]
	switch {
	case !known:
		return fault(UnknownDtype, "unknown dtype %.200q", t.Dtype)
	case k == Safetensors && t.Name == metadataName:
		return fault(DuplicateName, "has the name of the metadata")
	case k == GGUF && strings.ContainsRune(t.Name, 0):
		return fault(BadName, "has a name with NUL")
	case len(t.Name) > longest:
		return fault(NameTooLong, "name has %d bytes, want at most %d", len(t.Name), longest)
	case len(t.Shape) > highest:
		return fault(RankTooHigh, "has %d dimensions, want at most %d", len(t.Shape), highest)
	case t.Begin == t.End && t.Root != emptyRoot:
		return fault(RootMismatch, "root of an empty tensor is not the empty root")
	}
	return nil
}

// emptyRoot is the root over no chunk (RFC 6962, section 2.1).
var emptyRoot = sha256.Sum256(nil)
