package verifier_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// TestOnePartOfAModel: in the folder tensor b and the notes differ from what was logged, and config.json is missing.
func TestOnePartOfAModel(t *testing.T) {
	w := newWorld(t)
	header := int(w.model.Files[1].Header.Size)
	data := w.folder["model.safetensors"].Data
	data[len(data)-1] ^= 1
	w.folder["notes/readme.txt"] = &fstest.MapFile{Data: []byte("other")}
	delete(w.folder, "config.json")
	span := func(path string, begin, end int) verifier.Part {
		return verifier.Part{Range: &verifier.Range{Path: path, Begin: uint64(begin), End: uint64(end)}}
	}
	withChunks := func(p verifier.Part, list [32]byte) verifier.Part {
		p.Chunks = list[:]
		return p
	}
	fromManifest := func(edit func(*weights.Manifest)) func(*bundle.Bundle) {
		return func(b *bundle.Bundle) {
			m := must(weights.ParseManifest(b.Manifest))
			edit(m)
			b.Manifest = m.Bytes()
		}
	}
	for _, c := range []struct {
		story   string
		part    verifier.Part
		evil    func(b *bundle.Bundle)
		reason  string
		class   verifier.Class
		message string
	}{
		{story: "a tensor that is as published", part: verifier.Part{Tensor: "a"},
			message: "tensor a (F32 [2 2], 16 B) of model.safetensors as published; nothing else of its 3 files and 2 tensors was compared"},
		{story: "a tensor that differs", part: verifier.Part{Tensor: "b"}, reason: "FILES_DIFFER", class: verifier.ClassDifference, message: "model.safetensors: tensor b: changed"},
		{story: "a tensor that the model has not", part: verifier.Part{Tensor: "c"}, reason: "NO_SUCH_TENSOR", class: verifier.ClassUsage},
		{story: "the header and what is of a", part: span("model.safetensors", 0, header+16),
			message: "bytes 0 to"},
		{story: "a byte of b that is right beside one that is wrong", part: span("model.safetensors", header+16, header+17), reason: "FILES_DIFFER", class: verifier.ClassDifference, message: "model.safetensors: tensor b: changed"},
		{story: "the notes", part: span("notes/readme.txt", 0, 5), reason: "FILES_DIFFER", class: verifier.ClassDifference, message: "notes/readme.txt: changed"},
		{story: "a range of a with its chunk list", part: withChunks(span("model.safetensors", header+1, header+2), w.model.Files[1].Tensors[0].Root), message: "bytes"},
		{story: "another's chunk list", part: withChunks(span("model.safetensors", header+1, header+2), w.model.Files[1].Tensors[1].Root), reason: "CHUNKS_INVALID", class: verifier.ClassProof},
		{story: "a chunk list for more than it is of", part: withChunks(span("model.safetensors", header+1, header+20), w.model.Files[1].Tensors[0].Root), reason: "CHUNKS_INVALID", class: verifier.ClassProof},
		{story: "a file that is not there", part: span("config.json", 0, 1), reason: "FILES_DIFFER", class: verifier.ClassDifference, message: "config.json: missing"},
		{story: "a file that the model has not", part: span("x", 0, 1), reason: "NO_SUCH_FILE", class: verifier.ClassUsage},
		{story: "more bytes than there are", part: span("config.json", 0, 1000), reason: "NO_SUCH_RANGE", class: verifier.ClassUsage},
		{story: "no byte", part: span("config.json", 1, 1), reason: "NO_SUCH_RANGE", class: verifier.ClassUsage},
		{story: "no manifest", part: verifier.Part{Tensor: "a"}, evil: func(b *bundle.Bundle) { b.Manifest = nil }, reason: "MANIFEST_MISSING", class: verifier.ClassUsage},
		{story: "no manifest at all", part: verifier.Part{Tensor: "a"}, evil: func(b *bundle.Bundle) { b.Manifest = []byte("{}") }, reason: "MANIFEST_INVALID", class: verifier.ClassProof},
		{story: "the manifest of another model", part: verifier.Part{Tensor: "a"}, evil: fromManifest(func(m *weights.Manifest) { m.Files = m.Files[1:] }), reason: "MANIFEST_INVALID", class: verifier.ClassProof},
	} {
		t.Run(c.story, func(t *testing.T) {
			b := w.bundle(3)
			if c.evil != nil {
				c.evil(b)
			}
			s := w.subject()
			s.Part = &c.part
			got := w.verify(b, w.trust(), s).Check("files")
			if got.Reason != c.reason || got.Class != c.class || !strings.Contains(got.Message, c.message) {
				t.Errorf("got %+v, want reason %q, class %d, message %q", got, c.reason, c.class, c.message)
			}
		})
	}
}

// TestRawListDecidesAboutTheManifest: the model was hashed as raw, and nobody signed that it should be.
func TestRawListDecidesAboutTheManifest(t *testing.T) {
	w := newWorld(t)
	w.model = must(weights.Digest(t.Context(), w.folder, weights.Options{Raw: []string{"model.safetensors"}}))
	w.leaves[w.at] = w.modelEntry().Raw()
	s := w.subject()
	s.Part = &verifier.Part{Range: &verifier.Range{Path: "model.safetensors", Begin: 0, End: 1}}
	if got := w.verify(w.bundle(3), w.trust(), s).Check("files"); got.Reason != "MANIFEST_INVALID" {
		t.Errorf("got %+v, want MANIFEST_INVALID", got)
	}
}

// TestOnePartReadsNoOtherFile than the one that has it.
func TestOnePartReadsNoOtherFile(t *testing.T) {
	w := newWorld(t)
	opened := openedFS{w.folder, new([]string)}
	s := w.subject()
	s.FS, s.Part = opened, &verifier.Part{Tensor: "a"}
	if r := w.verify(w.bundle(3), w.trust(), s); !r.Verified() {
		t.Fatal(r.Text())
	}
	if got := strings.Join(*opened.names, " "); got != "model.safetensors" {
		t.Errorf("read %s, want model.safetensors alone", got)
	}
}

// openedFS notes which files are opened.
type openedFS struct {
	fs.FS
	names *[]string
}

func (o openedFS) Open(name string) (fs.File, error) {
	f, err := o.FS.Open(name)
	if _, file := f.(io.ReaderAt); err == nil && file {
		*o.names = append(*o.names, name)
	}
	return f, err
}

// shortGGUF is a GGUF file of one tensor of 40 bytes, which begins at the first
// multiple of 32, and 24 bytes of padding behind it.
func shortGGUF() []byte {
	u32, u64 := binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
	b := u32([]byte("GGUF"), 3)
	b = u64(u64(b, 1), 0)      // a tensor, no metadata
	b = append(u64(b, 1), 'w') // its name
	b = u64(u32(b, 1), 10)     // one dimension
	b = u64(u32(b, 0), 0)      // F32, at the beginning of the data
	b = append(b, make([]byte, 32-len(b)%32)...)
	return append(append(b, bytes.Repeat([]byte("0123456789"), 4)...), make([]byte, 24)...)
}

// TestRangeOfAMovedTensor: a manifest that moves the tensor has the signed model
// digest too, and the bytes asked for are what it says. They were never published there.
func TestRangeOfAMovedTensor(t *testing.T) {
	for _, signed := range []bool{false, true} {
		w := newWorld(t)
		good := shortGGUF()
		w.folder = fstest.MapFS{"m.gguf": {Data: good}}
		w.model = w.digest()
		st := must(statement.Parse(w.modelEntry().Body()))
		if !signed {
			st.Model.Manifest = statement.Digest{}
		}
		w.leaves[w.at] = w.sign(st).Raw()
		b := w.bundle(3)
		m := must(weights.ParseManifest(b.Manifest))
		m.Files[0].Header.Size += 24
		begin := m.Files[0].Header.Size
		b.Manifest = m.Bytes()
		evil := bytes.Repeat([]byte("E"), len(good))
		copy(evil[begin:], bytes.Repeat([]byte("0123456789"), 4))
		w.folder = fstest.MapFS{"m.gguf": {Data: evil}}
		s := w.subject()
		s.Part = &verifier.Part{Range: &verifier.Range{Path: "m.gguf", Begin: begin, End: begin + 40}}
		want := "FILES_DIFFER"
		if signed {
			want = "MANIFEST_INVALID"
		}
		if got := w.verify(b, w.trust(), s).Check("files"); got.Reason != want {
			t.Errorf("manifest digest signed %t: got %+v, want %s", signed, got, want)
		}
	}
}

// TestManifestIsTheSignedOne: its sha256 members are in no model digest.
func TestManifestIsTheSignedOne(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(3)
	m := must(weights.ParseManifest(b.Manifest))
	m.Files[0].SHA256[0] ^= 1
	b.Manifest = m.Bytes()
	s := w.subject()
	s.Part = &verifier.Part{Tensor: "a"}
	if got := w.verify(b, w.trust(), s).Check("files"); got.Reason != "MANIFEST_INVALID" {
		t.Errorf("got %+v, want MANIFEST_INVALID", got)
	}
}
