package oms_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// corpus is a conformance suite made by other people, with bundles by other
// implementations.
const corpus = "../../../shared/corpora/oms"

// refusals says why each case that must fail fails. The malformed ones were
// changed after they were signed, so all but those whose form itself is broken
// end at the signature; evil_test.go signs such statements itself.
var refusals = map[string]oms.Fault{
	"certificate-simple-wrong-ca_fail":  oms.ErrUntrusted,
	"key-simple-corrupted-bundle_fail":  oms.ErrUnknownMember,
	"key-simple-extra-file_fail":        oms.ErrFiles,
	"key-simple-missing-file_fail":      oms.ErrFiles,
	"key-simple-no-signature_fail":      oms.ErrSignatureCount,
	"key-simple-tampered-content_fail":  oms.ErrFiles,
	"key-simple-truncated-bundle_fail":  oms.ErrNotJSON,
	"key-simple-wrong-key_fail":         oms.ErrKeyHint,
	"malformed-empty-resources_fail":    oms.ErrSignature,
	"malformed-no-predicate_fail":       oms.ErrSignature,
	"malformed-wrong-payload-type_fail": oms.ErrSignature,
	"malformed-wrong-predicate_fail":    oms.ErrSignature,
}

// A suiteCase is the config.json of a case.
type suiteCase struct {
	Method        oms.Method
	Model         string
	RelativeTo    string `json:"model_relative_to"`
	Modifications struct {
		Delete         []string
		Inject, Tamper map[string]string
	} `json:"model_modifications"`
	Verify struct {
		PublicKey           string   `json:"public_key"`
		CertChain           []string `json:"cert_chain"`
		IgnorePaths         []string `json:"ignore_paths"`
		IgnoreUnsignedFiles bool     `json:"ignore_unsigned_files"`
	}
	ExpectedSignedFiles []string `json:"expected_signed_files"`
}

func TestConformanceSuite(t *testing.T) {
	if _, err := os.Stat(corpus); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no conformance suite of OpenSSF Model Signing at %s", corpus)
	}
	for folder, want := range map[string]int{"positive": 5, "historical": 5, "negative": len(refusals)} {
		bundles, err := filepath.Glob(filepath.Join(corpus, "verify", folder, "*", "bundle.sig"))
		if err != nil || len(bundles) != want {
			t.Errorf("%s: got %d cases, %v; want %d", folder, len(bundles), err, want)
		}
		for _, file := range bundles {
			name := filepath.Base(filepath.Dir(file))
			t.Run(folder+"/"+name, func(t *testing.T) { runSuiteCase(t, file, refusals[name], folder == "negative") })
		}
	}
}

func runSuiteCase(t *testing.T, file string, want oms.Fault, negative bool) {
	var c suiteCase
	if err := json.Unmarshal(readFile(t, filepath.Join(filepath.Dir(file), "config.json")), &c); err != nil {
		t.Fatal(err)
	}
	base := corpus
	if c.RelativeTo == "test_dir" {
		base = filepath.Dir(file)
	}
	f := openFolder(t, c.change(t, filepath.Join(base, c.Model)))
	trust := oms.Trust{Method: c.Method}
	if c.Verify.PublicKey != "" {
		trust.Key = must(entry.ParsePublicKeyPEM(readFile(t, filepath.Join(corpus, c.Verify.PublicKey))))
	}
	for _, name := range c.Verify.CertChain {
		trust.Anchors = append(trust.Anchors, must(oms.ParseCertificates(readFile(t, filepath.Join(corpus, name))))...)
	}
	b, err := oms.ParseBundle(readFile(t, file))
	var r *oms.Report
	if err == nil {
		r, err = b.Verify(t.Context(), trust, f, oms.Options{Ignore: c.Verify.IgnorePaths, IgnoreUnsigned: c.Verify.IgnoreUnsignedFiles})
	}
	if negative {
		wantFault(t, err, want)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(c.ExpectedSignedFiles) > 0 && r.Files != len(c.ExpectedSignedFiles) {
		t.Errorf("%d files hold, want those of %q", r.Files, c.ExpectedSignedFiles)
	}
	if !c.Verify.IgnoreUnsignedFiles { // the folder is then what was signed
		root, _, err := oms.Digest(t.Context(), f, oms.Request{Ignore: c.Verify.IgnorePaths})
		if err != nil || root != r.Manifest.Root {
			t.Errorf("the folder hashes to %x, %v; others signed %x", root, err, r.Manifest.Root)
		}
	}
	if c.Method == oms.MethodCertificate && len(r.Warnings) == 0 {
		t.Error("no warning, though nobody knows when the certificate was used")
	}
}

// change copies the model and does to it what the case says.
func (c *suiteCase) change(t *testing.T, model string) string {
	t.Helper()
	info, err := os.Stat(model)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		return model
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	for _, changes := range []map[string]string{c.Modifications.Inject, c.Modifications.Tamper} {
		for name, text := range changes {
			path := filepath.Join(dir, name)
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // the corpus may be read-only
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range c.Modifications.Delete {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The suite's expired certificate is older than the authority that issued it, so
// no time makes it good.
func TestSuiteCertificates(t *testing.T) {
	if _, err := os.Stat(corpus); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no conformance suite of OpenSSF Model Signing at %s", corpus)
	}
	anchors := must(oms.ParseCertificates(readFile(t, corpus+"/keys/certificate/ca-cert.pem")))
	expired := must(oms.ParseCertificates(readFile(t, corpus+"/keys/expired/signing-key-cert.pem")))
	intermediate := must(oms.ParseCertificates(readFile(t, corpus+"/keys/certificate/int-ca-cert.pem")))
	b := &oms.Bundle{Method: oms.MethodCertificate, Chain: []*x509.Certificate{expired[0], intermediate[0]}}
	_, err := b.Authenticate(oms.Trust{Method: oms.MethodCertificate, Anchors: anchors})
	wantFault(t, err, oms.ErrExpired)
}
