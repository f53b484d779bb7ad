package oms_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newKey makes a key that is the same in every run.
func newKey(alg entry.Alg, seed byte) *entry.PrivateKey {
	return must(entry.GenerateKey(alg, bytes.NewReader(bytes.Repeat([]byte{seed}, 128))))
}

var signer = newKey(entry.P256, 1)

func byKey(k *entry.PrivateKey) oms.Trust {
	return oms.Trust{Method: oms.MethodKey, Key: k.Public()}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write makes a folder of the files given, of which those that begin with "->"
// are links.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, link := strings.CutPrefix(text, "->"); link {
			err = errors.Join(err, os.Symlink(target, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openFolder(t testing.TB, path string) *oms.Folder {
	t.Helper()
	f, err := oms.OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func wantFault(t testing.TB, err error, want oms.Fault) {
	t.Helper()
	var e *oms.Error
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want success", err)
	case want != "" && !errors.As(err, &e):
		t.Errorf("got %v, want %s", err, want)
	case want != "" && e.Fault != want:
		t.Errorf("got %s (%v), want %s", e.Fault, err, want)
	}
}

// A resource is one of a predicate that a test writes by itself.
type resource struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Digest    string `json:"digest"`
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// statement writes a statement over resources with the right root, as JSON of
// another library than the package's.
func statement(serialization string, resources ...resource) string {
	h := sha256.New()
	for _, r := range resources {
		h.Write(must(hex.DecodeString(r.Digest)))
	}
	return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"model","digest":{"sha256":"%x"}}],`+
		`"predicateType":"https://model_signing/signature/v1.0","predicate":{"resources":%s,"serialization":%s}}`,
		h.Sum(nil), must(json.Marshal(resources)), serialization)
}

const filesSHA256 = `{"method":"files","hash_type":"sha256","allow_symlinks":false,"ignore_paths":[".git"]}`

const filesBLAKE3 = `{"method":"files","hash_type":"blake3","allow_symlinks":false}`

// sign wraps a payload into a key bundle.
func sign(key *entry.PrivateKey, payloadType, payload string) string {
	sig := must(key.Sign(entry.PAE(payloadType, []byte(payload))))
	return fmt.Sprintf(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"%s"}},`+
		`"dsseEnvelope":{"payload":"%s","payloadType":"%s","signatures":[{"sig":"%s"}]}}`,
		oms.Hint(key.Public()), base64.StdEncoding.EncodeToString([]byte(payload)), payloadType, base64.StdEncoding.EncodeToString(sig))
}

func signStatement(payload string) string { return sign(signer, entry.TypeStatement, payload) }

// verify reads and verifies a bundle against a folder.
func verify(ctx context.Context, bundle string, t oms.Trust, f *oms.Folder, o oms.Options) (*oms.Report, error) {
	b, err := oms.ParseBundle([]byte(bundle))
	if err != nil {
		return nil, err
	}
	return b.Verify(ctx, t, f, o)
}

func itoa(n int) string { return fmt.Sprint(n) }
