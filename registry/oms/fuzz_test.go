package oms_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/oms"
)

// FuzzParseBundle looks for bytes that make the reader panic, and for a bundle
// that it accepts and could not have a signature.
func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(signStatement(statement(filesSHA256, resource{"a", "sha256", sha256Of("1")}))))
	names, err := filepath.Glob(filepath.Join(corpus, "verify", "*", "*", "bundle.sig"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := oms.ParseBundle(text)
		if err != nil {
			wantError(t, err)
			return
		}
		if b.Method == oms.MethodCertificate && len(b.Chain) == 0 || b.Method == oms.MethodKey && b.Key == nil && b.Hint == "" {
			t.Errorf("accepted without a signer: %+v", b)
		}
		fuzzManifest(t, b.Payload)
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(statement(filesSHA256, resource{"a", "sha256", sha256Of("1")}, resource{"b/c", "sha256", sha256Of("2")})))
	f.Add([]byte(statement(`{"method":"shards","hash_type":"sha256","shard_size":2,"allow_symlinks":false}`,
		resource{"a:0:2", "sha256", sha256Of("1")}, resource{"a:2:3", "sha256", sha256Of("2")})))
	f.Fuzz(fuzzManifest)
}

// fuzzManifest holds an accepted manifest to what it promises.
func fuzzManifest(t *testing.T, payload []byte) {
	m, err := oms.ParseManifest(payload)
	if err != nil {
		wantError(t, err)
		return
	}
	if len(m.Resources) == 0 {
		t.Error("accepted without a resource")
	}
	names := make(map[string]bool)
	for _, r := range m.Resources {
		if names[r.Name] || r.Path != "." && !filepath.IsLocal(r.Path) || len(r.Digest) != 32 && len(r.Digest) != 64 {
			t.Errorf("accepted the resource %+v", r)
		}
		names[r.Name] = true
	}
}

func wantError(t *testing.T, err error) {
	t.Helper()
	if _, ok := err.(*oms.Error); !ok {
		t.Errorf("got %v (%T), want an *oms.Error", err, err)
	}
}
