package dataset_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

var update = flag.Bool("update", false, "write what is computed into the vectors")

const vectorsFile = "../testdata/vectors/dataset/datasets.json"

// vectors is datasets.json, which other implementations read as well.
type vectors struct {
	About string   `json:"about"`
	Cases []vector `json:"cases"`
}

type vector struct {
	Name    string   `json:"name"`
	Root    string   `json:"root,omitempty"`
	Ignored []string `json:"ignored,omitempty"`
	Split   string   `json:"split"`
	// SeedFile, of a salted data set, tells the seed: whoever copies it has no secret.
	SeedFile string       `json:"seedFile,omitempty"`
	Files    []vectorFile `json:"files"`
	Want     *vectorWant  `json:"want,omitempty"`
	Error    string       `json:"error,omitempty"`
}

type vectorWant struct {
	DatasetDigest string `json:"datasetDigest"`
	Root          string `json:"root"`
	FileCount     int    `json:"fileCount"`
	RecordCount   uint64 `json:"recordCount"`
	ByteCount     uint64 `json:"byteCount"`
}

type vectorFile struct {
	Path  string `json:"path"`
	Link  string `json:"link,omitempty"`
	Parts []struct {
		Text   string `json:"text,omitempty"`
		Base64 []byte `json:"base64,omitempty"`
		Noise  *struct {
			Seed string `json:"seed"`
			Size int    `json:"size"`
		} `json:"noise,omitempty"`
	} `json:"parts,omitempty"`
}

func (f vectorFile) content() []byte {
	var out []byte
	for _, p := range f.Parts {
		out = append(append(out, p.Text...), p.Base64...)
		if p.Noise == nil {
			continue
		}
		var noise []byte
		for i := 0; len(noise) < p.Noise.Size; i++ {
			sum := sha256.Sum256([]byte(p.Noise.Seed + u64(i)))
			noise = append(noise, sum[:]...)
		}
		out = append(out, noise[:p.Noise.Size]...)
	}
	return out
}

func TestVectors(t *testing.T) {
	b, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var all vectors
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	for i := range all.Cases {
		t.Run(all.Cases[i].Name, func(t *testing.T) { testVector(t, &all.Cases[i]) })
	}
	if *update {
		writeJSON(t, vectorsFile, all)
	}
}

func testVector(t *testing.T, c *vector) {
	fsys := fstest.MapFS{}
	for _, f := range c.Files {
		fsys[f.Path] = &fstest.MapFile{Data: f.content()}
		if f.Link != "" {
			fsys[f.Path] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(f.Link)}
		}
	}
	o := dataset.Options{Tree: filetree.Options{Root: c.Root, Ignored: c.Ignored}}
	if c.Split == dataset.Lines.String() {
		o.Split = dataset.Lines
	}
	if c.SeedFile != "" {
		s, err := dataset.ParseSeedFile([]byte(c.SeedFile))
		if err != nil {
			t.Fatal(err)
		}
		o.Salts = s.Salts
	}
	d, err := dataset.Digest(t.Context(), fsys, o)
	if got := code(err); got != c.Error {
		t.Fatalf("got error %v (%q), want %q", err, got, c.Error)
	}
	if err != nil {
		return
	}
	got := vectorWant{fmt.Sprintf("sha256:%x", d.Digest), fmt.Sprintf("sha256:%x", d.Root), len(d.Files), d.Records, d.Bytes}
	if *update {
		c.Want = &got
	}
	if c.Want == nil || got != *c.Want {
		t.Errorf("got %+v, want %+v", got, c.Want)
	}
}

// code is the stable name of a refusal.
func code(err error) string {
	var tree *filetree.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &tree):
		return string(tree.Fault)
	}
	return fmt.Sprintf("unnamed: %v", err)
}

func writeJSON(t *testing.T, name string, all any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
