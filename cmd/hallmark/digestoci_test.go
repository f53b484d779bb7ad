package main

import (
	"encoding/json"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func TestLayersAreTypedBySuffix(t *testing.T) {
	for file, want := range map[string]string{
		"model-00001-of-00002.safetensors": rawWeight,
		"q/TINY.GGUF":                      rawWeight,
		"model.safetensors.index.json":     rawConfig,
		"tokenizer.model":                  rawConfig,
		"merges.txt":                       rawConfig,
		"README.md":                        rawDoc,
		"LICENSE":                          rawDoc,
		"docs/Notice.txt":                  rawDoc,
		"modeling_tiny.py":                 rawCode,
	} {
		if got, tested := layerType(file); got != want || !tested {
			t.Errorf("%s: got %s, tested %t; want %s", file, got, tested, want)
		}
	}
}

// What the table does not name is a guess, and says so.
func TestLayersOfOtherSuffixesAreUntested(t *testing.T) {
	for _, file := range []string{"vocab", "a.xyz", "license.d/terms", ".json/x"} {
		if got, tested := layerType(file); got != rawConfig || tested {
			t.Errorf("%s: got %s, tested %t; want %s as a guess", file, got, tested, rawConfig)
		}
	}
	got, err := json.Marshal(ociLayer(weights.File{Path: "a.xyz", Size: 7}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"mediaType":"application/vnd.cncf.model.weight.config.v1.raw",` +
		`"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":7,` +
		`"annotations":{"org.cncf.model.file.mediatype.untested":"true","org.cncf.model.filepath":"a.xyz"}}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
