package weights_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

var update = flag.Bool("update", false, "write what is computed into the vectors")

const vectorsDir = "../testdata/vectors/weights/"

// modelVectors is models.json, which other implementations read as well.
type modelVectors struct {
	About string        `json:"about"`
	Cases []modelVector `json:"cases"`
}

type modelVector struct {
	Name    string       `json:"name"`
	Root    string       `json:"root,omitempty"`
	Follow  bool         `json:"follow,omitempty"`
	Ignored []string     `json:"ignored,omitempty"`
	Raw     []string     `json:"raw,omitempty"`
	Files   []vectorFile `json:"files"`
	Want    *modelWant   `json:"want,omitempty"`
	Error   string       `json:"error,omitempty"`
}

type modelWant struct {
	ModelDigest string `json:"modelDigest"`
	FileRoot    string `json:"fileRoot"`
	WeightsRoot string `json:"weightsRoot"`
	TensorCount uint64 `json:"tensorCount"`
	ByteCount   uint64 `json:"byteCount"`
	Manifest    string `json:"manifest"`
}

type vectorFile struct {
	Path  string       `json:"path"`
	Link  string       `json:"link,omitempty"`
	Parts []vectorPart `json:"parts,omitempty"`
}

type vectorPart struct {
	Text   string       `json:"text,omitempty"`
	Base64 string       `json:"base64,omitempty"`
	U64LE  *uint64      `json:"u64le,omitempty"`
	Noise  *vectorNoise `json:"noise,omitempty"`
}

type vectorNoise struct {
	Seed string `json:"seed"`
	Size int    `json:"size"`
}

func (p vectorPart) bytes() []byte {
	b, err := base64.StdEncoding.DecodeString(p.Base64)
	if err != nil {
		panic(err)
	}
	b = append(b, p.Text...)
	if p.U64LE != nil {
		b = binary.LittleEndian.AppendUint64(b, *p.U64LE)
	}
	if p.Noise != nil {
		for i := 0; len(b) < p.Noise.Size; i++ {
			sum := sha256.Sum256(concat(p.Noise.Seed, u64(i)))
			b = append(b, sum[:]...)
		}
		b = b[:p.Noise.Size]
	}
	return b
}

func vectorFS(files []vectorFile) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, f := range files {
		entry := &fstest.MapFile{}
		for _, p := range f.Parts {
			entry.Data = append(entry.Data, p.bytes()...)
		}
		if f.Link != "" {
			entry = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(f.Link)}
		}
		fsys[f.Path] = entry
	}
	return fsys
}

// code is the stable name of a refusal.
func code(err error) string {
	var tree *filetree.Error
	switch {
	case errors.As(err, &tree):
		return string(tree.Fault)
	}
	return string(faultOf(err))
}

func text(h [32]byte) string { return fmt.Sprintf("sha256:%x", h) }

func TestModelVectors(t *testing.T) {
	var all modelVectors
	readVectors(t, "models.json", &all)
	if *update {
		all.Cases = slices.DeleteFunc(all.Cases, func(c modelVector) bool {
			return strings.HasPrefix(c.Name, "GGUF") || strings.HasPrefix(c.Name, "index")
		})
		all.Cases = slices.Concat(all.Cases, indexCases(), ggufCases())
	}
	for i := range all.Cases {
		c := &all.Cases[i]
		t.Run(c.Name, func(t *testing.T) {
			m, err := weights.Digest(t.Context(), vectorFS(c.Files), weights.Options{
				Tree:    filetree.Options{Root: c.Root, FollowLinks: c.Follow, Ignored: c.Ignored},
				Raw:     c.Raw,
				Workers: 2,
			})
			if got := code(err); got != c.Error {
				t.Fatalf("got error %v (%q), want %q", err, got, c.Error)
			}
			if err != nil {
				return
			}
			manifest, err := m.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			got := modelWant{text(m.Digest), text(m.FileRoot), text(m.WeightsRoot), m.TensorCount, m.ByteCount, string(manifest.Bytes())}
			if *update {
				c.Want = &got
			}
			if c.Want == nil || got != *c.Want {
				t.Errorf("got %+v, want %+v", got, c.Want)
			}
		})
	}
	writeVectors(t, "models.json", all)
}

// indexCases are the vectors of sharded models.
func indexCases() []modelVector {
	one := func(weightMap string, fault weights.Fault, name string) modelVector {
		c := modelVector{Name: "index: " + name, Error: string(fault), Files: []vectorFile{
			{Path: "model.safetensors.index.json", Parts: []vectorPart{{Text: `{"metadata":{"total_size":3},"weight_map":` + weightMap + "}"}}},
		}}
		for path, content := range map[string][]byte{"1.safetensors": shard("a", "b"), "2.safetensors": shard("c")} {
			c.Files = append(c.Files, vectorFile{Path: path, Parts: []vectorPart{{Base64: base64.StdEncoding.EncodeToString(content)}}})
		}
		slices.SortFunc(c.Files, func(a, b vectorFile) int { return strings.Compare(a.Path, b.Path) })
		return c
	}
	const good = `{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}`
	inList := one(`{"a":"9.safetensors"}`, "", "a wrong one in the raw list")
	inList.Raw = []string{"model.safetensors.index.json"}
	return []modelVector{
		one(good, "", "it agrees with two files"),
		one(`{"c":"2.safetensors"}`, "", "a file that it does not name"),
		inList,
		one(`{"a":"1.safetensors","b":"2.safetensors","c":"2.safetensors"}`, weights.IndexedTensor, "a tensor for the wrong file"),
		one(`{"a":"1.safetensors","c":"2.safetensors"}`, weights.IndexedTensor, "a tensor not listed"),
		one(`{"d":"2.safetensors","c":"2.safetensors"}`, weights.IndexedTensor, "a tensor that is not there"),
		one(`{"a":"3.safetensors"}`, weights.IndexedFile, "a file that is not there"),
		one(`{"a":"model.safetensors.index.json"}`, weights.IndexedFile, "a file without tensors"),
		one(`{"a":"../1.safetensors"}`, weights.BadIndex, "a path that leads out"),
		one(`{"a":["1.safetensors"]}`, weights.BadIndex, "a list of files"),
		one(`{"c":"2.safetensors","c":"1.safetensors"}`, weights.DuplicateName, "a tensor twice"),
		one(`{},"x":`, weights.BadJSON, "no JSON"),
	}
}

// ggufCases are the vectors of GGUF files, which no one writes by hand.
func ggufCases() []modelVector {
	good := goodGGUF()
	small := func(name string, n int) ggufTensor {
		return ggufTensor{name: name, typ: 24, dims: []uint64{uint64(n)}, data: []byte(strings.Repeat(name, n)[:n])}
	}
	split := func(list ...ggufTensor) []byte { return ggufFile{tensors: list}.bytes() }
	flip := func(file []byte, at int) []byte {
		if at < 0 {
			at += len(file)
		}
		file[at] ^= 1
		return file
	}
	var cases []modelVector
	add := func(name string, fault weights.Fault, files ...[]byte) {
		c := modelVector{Name: "GGUF: " + name, Error: string(fault)}
		for i, f := range files {
			path := "m.gguf"
			if len(files) > 1 {
				path = fmt.Sprintf("m-%05d-of-%05d.gguf", i+1, len(files))
			}
			c.Files = append(c.Files, vectorFile{Path: path, Parts: []vectorPart{{Base64: base64.StdEncoding.EncodeToString(f)}}})
		}
		cases = append(cases, c)
	}
	add("two tensors with padding between and behind", "", good.bytes())
	add("no padding behind the last tensor", "", ggufFile{end: "bare", tensors: good.tensors}.bytes())
	add("version 2", "", ggufFile{version: 2, tensors: good.tensors}.bytes())
	add("an alignment of 8", "", ggufFile{tensors: good.tensors}.aligned(8).bytes())
	add("metadata alone, not padded", "", ggufFile{end: "bare"}.key("general.name", 8, ltext("x")).bytes())
	add("empty tensors", "", split(small("z", 0), small("a", 1), small("y", 0)))
	add("a scalar", "", split(ggufTensor{name: "a", data: []byte("1234")}))
	add("the name of the metadata in safetensors", "", split(small("__metadata__", 1)))
	add("three tensors in one file", "", split(small("a", 3), small("b", 40), small("c", 5)))
	add("the same three in two files: the same weights root", "", split(small("c", 5)), split(small("a", 3), small("b", 40)))

	add("fewer bytes than every file has", weights.HeaderMissing, []byte("GGUF"))
	add("another magic", weights.BadMagic, ggufFile{magic: "GGML"}.bytes())
	add("version 1", weights.BadVersion, ggufFile{version: 1}.bytes())
	add("big-endian", weights.BigEndian, ggufFile{version: 3 << 24}.bytes())
	add("2^60 keys", weights.TooManyKeys, ggufFile{keyCount: at(1 << 60)}.bytes())
	add("2^60 tensors", weights.ShortFile, ggufFile{tensorCount: at(1 << 60)}.bytes())
	add("a key twice", weights.DuplicateKey, ggufFile{}.key("a", 0, []byte{1}).key("a", 0, []byte{1}).bytes())
	add("a key beyond ASCII", weights.BadKey, ggufFile{}.key("é", 0, []byte{1}).bytes())
	add("a truth value of 2", weights.BadValue, ggufFile{}.key("a", 7, []byte{2}).bytes())
	add("an unknown type of value", weights.BadValue, ggufFile{}.key("a", 13, nil).bytes())
	add("an array of 2^63 numbers", weights.ShortFile, ggufFile{}.key("a", 9, slices.Concat(le32(10), le64(1<<63))).bytes())
	add("an alignment of 24", weights.BadAlignment, ggufFile{}.key("general.alignment", 4, le32(24)).bytes())
	add("a name twice", weights.DuplicateName, split(small("a", 1), small("a", 1)))
	add("a name with NUL", weights.BadName, split(small("a\x00", 1)))
	add("a name of 65 bytes", weights.NameTooLong, split(small(strings.Repeat("n", 65), 1)))
	add("five dimensions", weights.RankTooHigh, split(ggufTensor{name: "a", typ: 24, dims: []uint64{1, 1, 1, 1, 1}, data: []byte("x")}))
	add("a product that wraps round to nothing", weights.ShapeOverflow, split(ggufTensor{name: "a", dims: []uint64{1 << 32, 1 << 32}}))
	add("part of a block", weights.ShapeMisaligned, split(ggufTensor{name: "a", typ: 2, dims: []uint64{16, 2}, data: make([]byte, 18)}))
	add("a type that was withdrawn", weights.UnknownDtype, split(ggufTensor{name: "a", typ: 4, dims: []uint64{32}, data: make([]byte, 20)}))
	add("an offset between the multiples", weights.OffsetMisaligned, split(small("a", 1), ggufTensor{name: "b", typ: 24, dims: []uint64{1}, data: []byte("b"), offset: at(8)}))
	add("a hole", weights.Hole, split(small("a", 1), ggufTensor{name: "b", typ: 24, dims: []uint64{1}, data: make([]byte, 33), offset: at(64)}))
	add("an overlap", weights.Overlap, split(small("a", 40), ggufTensor{name: "b", typ: 24, dims: []uint64{1}, offset: at(32)}))
	add("tensors in another order than they are listed in", weights.TensorOrder,
		split(ggufTensor{name: "a", typ: 24, dims: []uint64{1}, data: []byte("a"), offset: at(32)}, ggufTensor{name: "b", typ: 24, dims: []uint64{1}, data: []byte("b"), offset: at(0)}))
	add("the last tensor cut short", weights.ShortFile, ggufFile{end: "bare", tensors: []ggufTensor{{name: "a", dims: []uint64{2}, data: make([]byte, 7)}}}.bytes())
	add("a second padding behind the last tensor", weights.TrailingBytes, split(ggufTensor{name: "a", dims: []uint64{2}, data: make([]byte, 64)}))
	add("padding of the header that is not zero", weights.PaddingNotZero, ggufFile{pad: 1, tensors: good.tensors}.bytes())
	add("padding behind the last tensor that is not zero", weights.PaddingNotZero, flip(good.bytes(), -1))
	add("padding between two tensors that is not zero", weights.PaddingNotZero, flip(split(small("a", 1), small("b", 1)), -63))
	return cases
}

func readVectors(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(vectorsDir + name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func writeVectors(t *testing.T, name string, v any) {
	t.Helper()
	if !*update {
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsDir+name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
