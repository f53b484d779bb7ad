package weights_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// manifestVectors is manifests.json: texts, and the model they describe or the code of their refusal.
type manifestVectors struct {
	About string           `json:"about"`
	Cases []manifestVector `json:"cases"`
}

type manifestVector struct {
	Name        string `json:"name"`
	Manifest    string `json:"manifest"`
	ModelDigest string `json:"modelDigest,omitempty"`
	Error       string `json:"error,omitempty"`
}

func TestManifestVectors(t *testing.T) {
	all := manifestVectors{About: "Manifests. Each differs in one thing from one that is accepted, and is refused with the code error; or it describes the model modelDigest."}
	if *update {
		all.Cases = manifestCases(t)
	} else {
		readVectors(t, "manifests.json", &all)
	}
	for i := range all.Cases {
		c := &all.Cases[i]
		t.Run(c.Name, func(t *testing.T) {
			m, err := weights.ParseManifest([]byte(c.Manifest))
			if got := code(err); got != c.Error {
				t.Fatalf("got error %v (%q), want %q\n%s", err, got, c.Error, c.Manifest)
			}
			if err != nil {
				return
			}
			if got := text(m.Model().Digest); *update {
				c.ModelDigest = got
			} else if got != c.ModelDigest {
				t.Errorf("got model digest %s, want %s", got, c.ModelDigest)
			}
		})
	}
	writeVectors(t, "manifests.json", all)
}

// manifestCases edits a good manifest in one place at a time.
func manifestCases(t *testing.T) []manifestVector {
	files := map[string][]byte{
		"config.json":   []byte("{}\n"),
		"empty":         nil,
		"m.safetensors": safetensors([]tensor{{"e", "U8", []int{0}, nil}, {"w", "F32", []int{1, 2}, []byte("12345678")}, {"\u20ac", "U8", []int{1}, []byte("9")}}),
	}
	m := digest(t, folder(files), weights.Options{})
	manifest, err := m.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	good := string(manifest.Bytes())
	hexOf := func(h [32]byte) string { return text(h) }
	config, empty, st := m.Files[0], m.Files[1], m.Files[2]
	zeros := "sha256:" + strings.Repeat("0", 64)
	fileText := func(path string) string { // the text of one file's object
		at := strings.Index(good, `"path":"`+path+`"`)
		begin := strings.LastIndex(good[:at], `{"kind"`)
		return good[begin : at+strings.Index(good[at:], `"tensors":[]}`)+len(`"tensors":[]}`)]
	}

	cases := []manifestVector{{Name: "a raw file, an empty one and three tensors", Manifest: good}}
	edit := func(name string, code weights.Fault, old, new string) {
		if strings.Count(good, old) == 0 {
			t.Fatalf("%s: %q is not in %s", name, old, good)
		}
		cases = append(cases, manifestVector{Name: name, Manifest: strings.Replace(good, old, new, 1), Error: string(code)})
	}
	edit("nothing", weights.ManifestSyntax, good, "")
	edit("null", weights.ManifestSyntax, good, "null")
	edit("cut short", weights.ManifestSyntax, good, good[:len(good)-1])
	edit("a newline at the end", weights.NotCanonical, good, good+"\n")
	edit("a second document", weights.NotCanonical, good, good+good)
	edit("a space", weights.NotCanonical, `,"mediaType"`, `, "mediaType"`)
	edit("an escape that need not be", weights.NotCanonical, "\u20ac", `\u20ac`)
	edit("capital hex digits", weights.NotCanonical, hexOf(config.Root), "sha256:"+strings.ToUpper(hexOf(config.Root)[7:]))
	edit("a number with an exponent", weights.BadNumber, `"size":3`, `"size":3e0`)
	edit("a number as a string", weights.ManifestSyntax, `"size":3`, `"size":"3"`)
	edit("a number of 2^53", weights.BadNumber, `"size":3`, `"size":9007199254740992`)
	edit("sizes of 2^53 in all", weights.BadNumber, `"size":3`, `"size":9007199254740991`)
	edit("members in another order", weights.ManifestSyntax, `"kind":"raw","path":"empty"`, `"path":"empty","kind":"raw"`)
	edit("a member twice", weights.ManifestSyntax, `"kind":"raw"`, `"kind":"raw","kind":"raw"`)
	edit("an unknown member at the end", weights.ManifestSyntax, `version=1"}`, `version=1","x":1}`)
	edit("an unknown member in a file", weights.ManifestSyntax, `"tensors":[]}`, `"tensors":[],"x":1}`)
	edit("a member missing", weights.ManifestSyntax, `"kind":"raw",`, ``)
	edit("another media type", weights.ManifestSyntax, "version=1", "version=2")
	edit("no file", weights.ManifestSyntax, good, `{"files":[],"mediaType":"`+weights.ManifestType+`"}`)
	edit("a hash without its tag", weights.ManifestSyntax, hexOf(config.Root), hexOf(config.Root)[7:])
	edit("a hash too short", weights.ManifestSyntax, hexOf(config.Root), hexOf(config.Root)[:69])
	edit("a file's SHA-256 left out", weights.ManifestSyntax, hexOf(config.SHA256), zeros)
	edit("a path that leads out", weights.BadPath, `"path":"empty"`, `"path":"e/../empty"`)
	edit("a path twice", weights.FileOrder, fileText("empty"), fileText("empty")+","+fileText("empty"))
	edit("paths descending", weights.FileOrder, `"path":"config.json"`, `"path":"empty0"`)
	edit("an unknown kind", weights.BadKind, `"kind":"raw"`, `"kind":"ggml"`)
	edit("safetensors without a header", weights.BadHeaderSize, `"kind":"raw"`, `"kind":"safetensors"`)
	edit("safetensors under another suffix", weights.BadKind, "m.safetensors", "m.safetensorz")
	edit("raw with a header", weights.BadHeaderSize, `"kind":"safetensors"`, `"kind":"raw"`)
	edit("raw with tensors", weights.BadKind, `"tensors":[]`, `"tensors":[{"begin":0,"dtype":"U8","end":0,"name":"x","root":"`+hexOf(empty.Root)+`","shape":[0]}]`)
	edit("an empty file with a root over something", weights.RootMismatch, `"path":"empty","root":"`+hexOf(empty.Root), `"path":"empty","root":"`+hexOf(config.Root))
	edit("an empty tensor with a root over something", weights.RootMismatch, `"name":"e","root":"`+hexOf(empty.Root), `"name":"e","root":"`+hexOf(config.Root))
	edit("another header leaf", weights.RootMismatch, hexOf(st.Header.Leaf), hexOf(config.Root))
	edit("another tensor root", weights.RootMismatch, hexOf(st.Tensors[1].Root), hexOf(config.Root))
	edit("another tensor name", weights.RootMismatch, `"name":"w"`, `"name":"v"`)
	edit("another shape of the same size", weights.RootMismatch, `"shape":[1,2]`, `"shape":[2,1]`)
	edit("another dtype of the same size", weights.RootMismatch, `"dtype":"F32"`, `"dtype":"I32"`)
	edit("a shape of another size", weights.ShapeMismatch, `"shape":[1,2]`, `"shape":[1,3]`)
	edit("a hole", weights.Hole, `{"begin":0,"dtype":"F32","end":8,`, `{"begin":1,"dtype":"F32","end":9,`)
	edit("an overlap", weights.Overlap, `{"begin":8,"dtype":"U8","end":9,`, `{"begin":7,"dtype":"U8","end":8,`)
	edit("offsets the wrong way round", weights.OffsetOverflow, `{"begin":8,"dtype":"U8","end":9,`, `{"begin":9,"dtype":"U8","end":8,`)
	edit("a tensor name twice", weights.DuplicateName, `"name":"w"`, `"name":"e"`)
	edit("the metadata as a tensor", weights.DuplicateName, `"name":"w"`, `"name":"__metadata__"`)
	edit("an unknown dtype", weights.UnknownDtype, `"dtype":"F32"`, `"dtype":"F31"`)
	edit("a header shorter than any", weights.BadHeaderSize, `"size":`+fmt.Sprint(st.Header.Size), `"size":9`)
	edit("a header longer than the file", weights.BadHeaderSize, `"size":`+fmt.Sprint(st.Header.Size), `"size":`+fmt.Sprint(st.Size+1))
	edit("a byte more in the header than before the tensors", weights.ShortFile, `"size":`+fmt.Sprint(st.Header.Size), `"size":`+fmt.Sprint(st.Header.Size+1))
	edit("a byte more in the file", weights.TrailingBytes, `"size":`+fmt.Sprint(st.Size), `"size":`+fmt.Sprint(st.Size+1))

	first, second := strings.Index(good, `{"begin":0,"dtype":"U8"`), strings.Index(good, `{"begin":0,"dtype":"F32"`)
	third := strings.Index(good, `{"begin":8`)
	swapped := good[:first] + good[second:third] + good[first:second] + good[third:]
	edit("tensors in another order", weights.TensorOrder, good, swapped)
	return append(cases, ggufManifestCases(t)...)
}

func ggufManifestCases(t *testing.T) []manifestVector {
	m := digest(t, folder(map[string][]byte{"m.gguf": goodGGUF().bytes()}), weights.Options{})
	manifest, err := m.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	good := string(manifest.Bytes())
	cases := []manifestVector{{Name: "GGUF: two tensors", Manifest: good}}
	edit := func(name string, code weights.Fault, old, new string) {
		if strings.Count(good, old) == 0 {
			t.Fatalf("%s: %q is not in %s", name, old, good)
		}
		cases = append(cases, manifestVector{Name: "GGUF: " + name, Manifest: strings.Replace(good, old, new, 1), Error: string(code)})
	}
	header, size := fmt.Sprintf(`"size":%d},"kind"`, m.Files[0].Header.Size), fmt.Sprintf(`"size":%d,"tensors"`, m.Files[0].Size)
	edit("without a header", weights.BadHeaderSize, string(good[strings.Index(good, `"header"`):strings.Index(good, `"kind"`)]), "")
	edit("under another suffix", weights.BadKind, "m.gguf", "m.ggml")
	edit("a header shorter than any", weights.BadHeaderSize, header, `"size":23},"kind"`)
	edit("a header of no multiple of 8", weights.BadHeaderSize, header, fmt.Sprintf(`"size":%d},"kind"`, m.Files[0].Header.Size-4))
	edit("a dtype of safetensors", weights.UnknownDtype, "GGML:F32", "F32")
	edit("a shape of part of a block", weights.ShapeMisaligned, `"shape":[32,2]`, `"shape":[2,32]`)
	edit("a name with NUL", weights.BadName, `"name":"output_norm.weight"`, `"name":"output_norm\u0000weight"`)
	edit("a name twice", weights.DuplicateName, `"name":"output_norm.weight"`, `"name":"token_embd.weight"`)
	edit("an offset between the multiples", weights.OffsetMisaligned, `"begin":96,"dtype":"GGML:F32","end":108`, `"begin":93,"dtype":"GGML:F32","end":105`)
	edit("a hole", weights.Hole, `"begin":96,"dtype":"GGML:F32","end":108`, `"begin":104,"dtype":"GGML:F32","end":116`)
	edit("a byte too many", weights.TrailingBytes, size, fmt.Sprintf(`"size":%d,"tensors"`, m.Files[0].Size+1))
	edit("another tensor name", weights.RootMismatch, `"name":"output_norm.weight"`, `"name":"output.weight"`)
	edit("no padding behind the last tensor: another file size alone", "", size, fmt.Sprintf(`"size":%d,"tensors"`, m.Files[0].Size-20))
	return cases
}

func TestManifestDescribesItsModel(t *testing.T) {
	for seed := range uint64(10) {
		files := randomFolder(rand.New(rand.NewPCG(seed, 1)))
		m := digest(t, folder(files), weights.Options{Chunks: true, Raw: []string{"raw.safetensors"}})
		written, err := m.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		read, err := weights.ParseManifest(written.Bytes())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(read, written) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, read, written)
		}
		got := read.Model()
		if got.Digest != m.Digest || got.FileRoot != m.FileRoot || got.WeightsRoot != m.WeightsRoot || got.ByteCount != m.ByteCount || got.TensorCount != m.TensorCount {
			t.Fatalf("seed %d: got %+v, want the digests of %+v", seed, got, m)
		}
		if diff := weights.Diff(read, m); diff != nil {
			t.Fatalf("seed %d: got differences %v", seed, diff)
		}
	}
}

func TestFastModelHasNoManifest(t *testing.T) {
	m := digest(t, folder(map[string][]byte{"a": nil}), weights.Options{Fast: true})
	if got, err := m.Manifest(); err == nil {
		t.Errorf("got %s, want an error", got.Bytes())
	}
}

// FuzzParseManifest: what is accepted is canonical, and its digests can be computed.
func FuzzParseManifest(f *testing.F) {
	var all manifestVectors
	readVectors(f, "manifests.json", &all)
	for _, c := range all.Cases {
		f.Add([]byte(c.Manifest))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := weights.ParseManifest(b)
		if err != nil {
			if strings.HasPrefix(string(faultOf(err)), "unnamed") {
				t.Fatalf("error without a fault: %v", err)
			}
			return
		}
		if got := m.Bytes(); !bytes.Equal(got, b) {
			t.Fatalf("accepted %s, which is written %s", b, got)
		}
		m.Model()
	})
}
