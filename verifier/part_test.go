package verifier_test

import (
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
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
