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
	case errors.Is(err, weights.ErrGGUF):
		return "gguf-not-supported"
	}
	return string(faultOf(err))
}

func text(h [32]byte) string { return fmt.Sprintf("sha256:%x", h) }

func TestModelVectors(t *testing.T) {
	var all modelVectors
	readVectors(t, "models.json", &all)
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
