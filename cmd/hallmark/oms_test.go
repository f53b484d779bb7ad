package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// omsExits is the exit code of every case of the conformance suite that must
// fail: what kind of no it is.
var omsExits = map[string]int{
	"certificate-simple-wrong-ca_fail":  cli.ExitPolicy,
	"key-simple-corrupted-bundle_fail":  cli.ExitProof,
	"key-simple-extra-file_fail":        cli.ExitDifference,
	"key-simple-missing-file_fail":      cli.ExitDifference,
	"key-simple-no-signature_fail":      cli.ExitProof,
	"key-simple-tampered-content_fail":  cli.ExitDifference,
	"key-simple-truncated-bundle_fail":  cli.ExitProof,
	"key-simple-wrong-key_fail":         cli.ExitPolicy,
	"malformed-empty-resources_fail":    cli.ExitProof,
	"malformed-no-predicate_fail":       cli.ExitProof,
	"malformed-wrong-payload-type_fail": cli.ExitProof,
	"malformed-wrong-predicate_fail":    cli.ExitProof,
}

// The conformance suite of OpenSSF Model Signing names an adapter's flags; ours
// have the same names, so the command is its own adapter.
func TestVerifyOMSIsItsOwnAdapter(t *testing.T) {
	const corpus = "../../../shared/corpora/oms"
	if _, err := os.Stat(corpus); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no conformance suite of OpenSSF Model Signing at %s", corpus)
	}
	configs, err := filepath.Glob(filepath.Join(corpus, "verify", "*", "*", "config.json"))
	if want := 10 + len(omsExits); err != nil || len(configs) != want {
		t.Errorf("%d cases, %v; want %d", len(configs), err, want)
	}
	for _, config := range configs {
		name := filepath.Base(filepath.Dir(config))
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append([]string{"verify-oms"}, omsArguments(t, corpus, config)...)
			if got, want := run(t.Context(), args, nil, &stdout, &stderr), omsExits[name]; got != want {
				t.Errorf("hallmark %q: exit code %d, want %d\n%s%s", args, got, want, &stdout, &stderr)
			}
		})
	}
}

// omsArguments turns a case into a command line over a changed copy of its model.
func omsArguments(t *testing.T, corpus, config string) []string {
	t.Helper()
	var c struct {
		Method, Model string
		RelativeTo    string `json:"model_relative_to"`
		Modifications struct {
			Delete         []string
			Inject, Tamper map[string]string
		} `json:"model_modifications"`
		Verify struct {
			PublicKey      string   `json:"public_key"`
			CertChain      []string `json:"cert_chain"`
			IgnorePaths    []string `json:"ignore_paths"`
			IgnoreUnsigned bool     `json:"ignore_unsigned_files"`
		}
	}
	text, err := os.ReadFile(config)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(corpus, c.Model)
	if c.RelativeTo == "test_dir" {
		model = filepath.Join(filepath.Dir(config), c.Model)
	}
	if info, err := os.Stat(model); err == nil && info.IsDir() {
		copied := filepath.Join(t.TempDir(), "model")
		err := os.CopyFS(copied, os.DirFS(model))
		for _, name := range c.Modifications.Delete {
			err = errors.Join(err, os.Remove(filepath.Join(copied, name)))
		}
		for _, files := range []map[string]string{c.Modifications.Inject, c.Modifications.Tamper} {
			for name, text := range files {
				os.Remove(filepath.Join(copied, name)) // if it is there: the copy may be read-only
				err = errors.Join(err, os.WriteFile(filepath.Join(copied, name), []byte(text), 0o644))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		model = copied
	}
	args := []string{"--method", c.Method, "--model-path", model, "--bundle", filepath.Join(filepath.Dir(config), "bundle.sig")}
	if c.Verify.PublicKey != "" {
		args = append(args, "--public-key", filepath.Join(corpus, c.Verify.PublicKey))
	}
	for _, name := range c.Verify.CertChain {
		args = append(args, "--cert-chain", filepath.Join(corpus, name))
	}
	for _, name := range c.Verify.IgnorePaths {
		args = append(args, "--ignore-paths", name)
	}
	if c.Verify.IgnoreUnsigned {
		args = append(args, "--ignore-unsigned-files")
	}
	return args
}
