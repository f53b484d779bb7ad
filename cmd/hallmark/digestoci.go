package main

import (
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// An ociDigest is one run of digest --oci: the files of a model as layers of a
// CNCF ModelPack artifact, one file a layer and as it is. The digest of such a
// layer is the SHA-256 of the file, so nothing is packed to know it.
type ociDigest struct{ asked bool }

func (d *ociDigest) define(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.asked, "oci", false, "an OCI descriptor for each file, as a raw layer of CNCF ModelPack; nothing is uploaded")
}

func (d *ociDigest) check(cmd *cobra.Command) error {
	if !d.asked {
		return nil
	}
	return beside(cmd, "oci", "dataset", "fast", "chunks")
}

// An ociDescriptor is that of the OCI image specification, descriptor.md.
type ociDescriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        uint64            `json:"size"` // bytes
	Annotations map[string]string `json:"annotations"`
}

// An ociResult is what digest --oci --json prints. Its members are stable.
type ociResult struct {
	ModelDigest string          `json:"model_digest"`
	Layers      []ociDescriptor `json:"layers"`
}

// Annotations of a layer (ModelPack, specs-go/v1/annotations.go).
const (
	annotationFilepath = "org.cncf.model.filepath"

	// annotationUntested says "true" of a media type that was guessed.
	annotationUntested = "org.cncf.model.file.mediatype.untested"
)

// Media types of layers that are neither archived nor compressed (ModelPack,
// specs-go/v1/mediatype.go).
const (
	rawWeight = "application/vnd.cncf.model.weight.v1.raw"
	rawConfig = "application/vnd.cncf.model.weight.config.v1.raw"
	rawDoc    = "application/vnd.cncf.model.doc.v1.raw"
	rawCode   = "application/vnd.cncf.model.code.v1.raw"
)

// layerTypes says what a file is by its suffix, in lower case. The list is closed:
// what it does not name is marked as untested, and a longer list would rename
// layers that others have already.
var layerTypes = []struct {
	mediaType string
	suffixes  []string
}{
	{rawWeight, []string{".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".msgpack", ".npz", ".tflite"}},
	{rawConfig, []string{".json", ".yaml", ".yml", ".toml", ".txt", ".model", ".tiktoken", ".jinja"}},
	{rawDoc, []string{".md", ".rst", ".pdf", ".html", ".png", ".jpg", ".jpeg", ".svg"}},
	{rawCode, []string{".py", ".ipynb", ".sh", ".c", ".h", ".cc", ".cpp", ".cu", ".go", ".rs", ".js", ".ts"}},
}

// docNames are the files that describe a model whatever their suffix is.
var docNames = []string{"license", "notice", "readme"}

// layerType returns the media type of a file; tested is false for a guess.
func layerType(file string) (mediaType string, tested bool) {
	name := strings.ToLower(path.Base(file))
	suffix := path.Ext(name)
	if slices.Contains(docNames, strings.TrimSuffix(name, suffix)) {
		return rawDoc, true
	}
	for _, t := range layerTypes {
		if slices.Contains(t.suffixes, suffix) {
			return t.mediaType, true
		}
	}
	return rawConfig, false
}

func ociLayer(f weights.File) ociDescriptor {
	mediaType, tested := layerType(f.Path)
	d := ociDescriptor{mediaType, digestText(f.SHA256), f.Size, map[string]string{annotationFilepath: f.Path}}
	if !tested {
		d.Annotations[annotationUntested] = "true"
	}
	return d
}

// show prints a descriptor a line, or all in one object.
func (d *ociDigest) show(s *session, m *weights.Model) error {
	out := ociResult{ModelDigest: digestText(m.Digest)}
	for _, f := range m.Files {
		out.Layers = append(out.Layers, ociLayer(f))
	}
	if s.format == "json" {
		return s.json(out)
	}
	for _, l := range out.Layers {
		if err := s.json(l); err != nil {
			return err
		}
	}
	return nil
}
