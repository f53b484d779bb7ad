package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// maxCertificateFile bounds a file of certificates, in bytes: more than the list
// of all authorities that a system trusts.
const maxCertificateFile = 1 << 20

// omsError gives an error of OpenSSF Model Signing its exit code, while a
// signature is verified: nothing that a bundle holds is the caller's mistake.
func omsError(attempted string, err error) error {
	var e *oms.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &e):
		return cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", attempted, err)
	}
	out := cli.Fail(cli.ExitProof, string(e.Fault), attempted, err)
	switch e.Fault {
	case oms.ErrFiles, oms.ErrLink, oms.ErrIrregular:
		out.Code = cli.ExitDifference
	case oms.ErrUntrusted, oms.ErrExpired, oms.ErrUsage, oms.ErrKeyHint, oms.ErrMethod:
		out.Code = cli.ExitPolicy
	case oms.ErrUnsupported, oms.ErrChanged:
		out.Code = cli.ExitUnknown
	case oms.ErrIgnored:
		out.Code = cli.ExitUsage
	}
	if e.Fault == oms.ErrMethod {
		out.Hint = "--method says how it was signed"
	}
	return out
}

// omsInputError is omsError for what is to be published or signed: exit 2 for
// what cannot be, as it is.
func omsInputError(attempted string, err error) error {
	var e *oms.Error
	switch {
	case errors.Is(err, entry.ErrTooLarge):
		return cli.Fail(cli.ExitUsage, "ENTRY_TOO_LARGE", attempted, err).
			WithHint("a log holds statements of up to %d bytes, some 400 files", entry.MaxForeignSize)
	case !errors.As(err, &e) || e.Fault == oms.ErrChanged:
		return omsError(attempted, err)
	}
	return cli.Fail(cli.ExitUsage, string(e.Fault), attempted, err)
}

// readOMS reads a signature without believing it.
func readOMS(file string) (*oms.Bundle, error) {
	text, err := readBounded(file, oms.MaxBundleSize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "BUNDLE_UNREADABLE", "reading the signature", err)
	}
	b, err := oms.ParseBundle(text)
	if err != nil {
		return nil, omsError("reading "+file, err)
	}
	return b, nil
}

// An omsVerify is one run of verify-oms.
type omsVerify struct {
	method, model, bundle string
	publicKey             string
	chain                 []string
	ignore                []string
	ignoreUnsigned        bool
	receipt, logTime      string
}

func verifyOMSCommand(s *session) *cobra.Command {
	var v omsVerify
	cmd := &cobra.Command{
		Use:   "verify-oms --model-path PATH --bundle FILE (--public-key KEY | --method certificate --cert-chain FILE ...)",
		Short: "Verify a signature of OpenSSF Model Signing, offline",
		Long: `Verifies a detached signature (model.sig) of OpenSSF Model Signing v1.0 by any
tool: that it is by the key or the certificate that you trust, and that the model
is exactly what was signed, file by file, hashed as the signer says.

A certificate runs out, and the signature does not tell when it was made. If it
was logged here, --receipt names the bundle of that entry: the certificate must
then have been valid at the time that the log's cosigners state.`,
		Example: `  hallmark verify-oms --model-path ./tiny --bundle tiny/model.sig --public-key signer.key.pub
  hallmark verify-oms --model-path ./tiny --bundle tiny/model.sig --method certificate --cert-chain ca.pem`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := requireFlags(cmd, "model-path", "bundle"); err != nil {
				return err
			}
			return v.run(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.Var(newChoice(&v.method, string(oms.MethodKey), string(oms.MethodCertificate)), "method", "how it was signed: key or certificate")
	flags.StringVar(&v.model, "model-path", "", "model folder or file")
	flags.StringVar(&v.bundle, "bundle", "", "the signature; left out of the model if it lies inside")
	flags.StringVar(&v.publicKey, "public-key", "", "the signer's public key, for the method key")
	flags.StringArrayVar(&v.chain, "cert-chain", nil, "certificates to trust, for the method certificate; one at least must be a root; may be repeated")
	flags.StringArrayVar(&v.ignore, "ignore-paths", nil, "path inside the model to leave out, with all below it; may be repeated")
	flags.BoolVar(&v.ignoreUnsigned, "ignore-unsigned-files", false, "let files stand in the model that nobody signed")
	flags.StringVar(&v.receipt, "receipt", "", "bundle of the entry under which the signature was logged; needs --policy")
	flags.StringVar(&v.logTime, "log-time", "", "when the signature is known to have existed, as 2026-11-22T10:00:00Z, if you know it otherwise")
	return cmd
}

func (v *omsVerify) run(ctx context.Context, s *session) error {
	b, err := readOMS(v.bundle)
	if err != nil {
		return err
	}
	trust, err := v.trust()
	if err != nil {
		return err
	}
	if trust.LogTime, err = v.time(ctx, s, b); err != nil {
		return err
	}
	f, err := openOMSFolder(v.model)
	if err != nil {
		return err
	}
	defer f.Close()
	ignore, err := ignoredPaths(f, v.ignore, v.bundle, v.receipt)
	if err != nil {
		return err
	}
	p := s.progress("hashing")
	report, err := b.Verify(ctx, trust, f, oms.Options{Ignore: ignore, IgnoreUnsigned: v.ignoreUnsigned, Progress: p.update})
	p.finish()
	for _, w := range report.Warnings {
		s.status("warning: %s", printable(w))
	}
	if err != nil {
		if len(report.Differences) > 0 {
			if err := s.showOMS(report, false); err != nil {
				return err
			}
		}
		return omsError("verifying "+v.model, err)
	}
	return s.showOMS(report, true)
}

// trust reads what the caller believes in.
func (v *omsVerify) trust() (t oms.Trust, err error) {
	t.Method = oms.Method(v.method)
	if t.Method == oms.MethodCertificate {
		if len(v.chain) == 0 || v.publicKey != "" {
			return t, cli.Usage("the method certificate takes --cert-chain and no --public-key")
		}
		t.Anchors, err = readCertificates(v.chain)
		return t, err
	}
	if v.publicKey == "" || len(v.chain) > 0 {
		return t, cli.Usage("the method key takes --public-key and no --cert-chain").WithHint("--method certificate for a signature by certificate")
	}
	t.Key, err = readPublicKey(v.publicKey)
	return t, err
}

// time returns when the signature is known to have existed, or zero.
func (v *omsVerify) time(ctx context.Context, s *session, b *oms.Bundle) (t time.Time, err error) {
	switch {
	case v.receipt != "" && v.logTime != "":
		return t, cli.Usage("both --receipt and --log-time: a receipt proves its own")
	case v.logTime != "":
		if t, err = time.Parse(time.RFC3339, v.logTime); err != nil {
			return t, cli.Usage("--log-time %q, want a time such as 2026-11-22T10:00:00Z", v.logTime)
		}
		return t, nil
	case v.receipt == "":
		return t, nil
	}
	policy, err := s.policy()
	if err != nil {
		return t, err
	}
	text, err := readBounded(v.receipt, bundle.MaxSize)
	if err != nil {
		return t, cli.Fail(cli.ExitUnknown, "BUNDLE_UNREADABLE", "reading the receipt", err)
	}
	r, err := verifier.Verify(ctx, text, verifier.Trust{Policy: policy, AnyPublisher: true}, nil)
	if err != nil {
		return t, err
	}
	if d := r.Decisive(); d != nil {
		return t, cli.Fail(int(d.Class), d.Reason, "verifying the receipt "+v.receipt, errors.New(d.Message))
	}
	if err := receiptOf(text, b); err != nil {
		return t, cli.Fail(cli.ExitProof, "RECEIPT_OTHER", "verifying the receipt "+v.receipt, err)
	}
	if r.Facts.Time.IsZero() {
		s.status("warning: the signature is logged, at entry %d of %s; the policy asks no cosigner for a time", r.Facts.Index, printable(r.Facts.Origin))
	}
	return r.Facts.Time, nil
}

// receiptOf checks that a verified bundle is about this very signature: another
// one over the same statement may be as old as it likes.
func receiptOf(text []byte, b *oms.Bundle) error {
	receipt, err := bundle.Parse(text)
	if err != nil {
		return err
	}
	e, err := entry.Parse(receipt.Entry)
	if err != nil {
		return err
	}
	if e.Type() != b.PayloadType || !bytes.Equal(e.Body(), b.Payload) {
		return errors.New("it is of another statement than the one that was signed")
	}
	for _, sig := range e.Signatures() {
		if bytes.Equal(sig.Sig, b.Signature) {
			return nil
		}
	}
	return errors.New("it is of the same statement under another signature")
}

func openOMSFolder(path string) (*oms.Folder, error) {
	f, err := oms.OpenFolder(path)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "opening the model", err)
	}
	return f, nil
}

// ignoredPaths takes ignored paths as relative to the model, and absolute ones as
// what they are. Files that describe the model, if they lie inside, are no part
// of it.
func ignoredPaths(f *oms.Folder, paths []string, about ...string) ([]string, error) {
	var out []string
	for _, p := range paths {
		rel := filepath.ToSlash(filepath.Clean(p))
		if filepath.IsAbs(p) {
			var ok bool
			if rel, ok = f.Inside(p); !ok {
				return nil, cli.Usage("--ignore-paths %s: not inside the model", p)
			}
		}
		if err := oms.CheckIgnored(rel); err != nil {
			return nil, cli.Usage("--ignore-paths: %v", err)
		}
		out = append(out, rel)
	}
	for _, name := range about {
		if rel, ok := f.Inside(name); name != "" && ok {
			out = append(out, rel)
		}
	}
	return out, nil
}

// An omsReport is the result of verify-oms. Its members are stable.
type omsReport struct {
	Verified    bool     `json:"verified"`
	Method      string   `json:"method"`
	KeyID       string   `json:"key_id"`
	Certificate string   `json:"certificate,omitempty"` // its subject
	Root        string   `json:"root"`                  // as model-signing prints it, with sha256: before it
	Files       int      `json:"files"`
	Bytes       uint64   `json:"bytes"`
	Hash        string   `json:"hash"`
	ShardSize   uint64   `json:"shard_size,omitempty"`
	Ignored     []string `json:"ignored"`     // by the signer: nobody signed what is there
	Unsigned    []string `json:"unsigned"`    // present and let pass
	Differences []string `json:"differences"` // "path: missing", changed or unsigned
	Warnings    []string `json:"warnings"`
}

func (s *session) showOMS(r *oms.Report, verified bool) error {
	m := r.Manifest
	out := omsReport{
		Verified: verified, Method: string(oms.MethodKey), KeyID: r.Signer.Key.ID().String(), Root: digestText(m.Root),
		Files: r.Files, Bytes: r.Bytes, Hash: m.Hash, ShardSize: m.ShardSize,
		Ignored: append([]string{}, m.IgnorePaths...), Unsigned: append([]string{}, r.Unsigned...),
		Differences: []string{}, Warnings: append([]string{}, r.Warnings...),
	}
	signedBy := "key " + out.KeyID
	if c := r.Signer.Certificate; c != nil {
		out.Method, out.Certificate = string(oms.MethodCertificate), c.Subject.String()
		signedBy = fmt.Sprintf("%s, certificate valid at %s", out.Certificate, r.Signer.CheckedAt.UTC().Format(time.RFC3339))
	}
	fields := []field{
		{"signed by", signedBy},
		{"root", out.Root},
		{"files", fmt.Sprintf("%d, %s, by %s of %s", r.Files, verifier.Bytes(r.Bytes), m.Hash, m.Method)},
		{"ignored", strings.Join(out.Ignored, ", ")},
		{"unsigned", strings.Join(out.Unsigned, ", ")},
	}
	for _, d := range r.Differences {
		out.Differences = append(out.Differences, d.String())
		fields = append(fields, field{d.What, d.Path})
	}
	verdict := "not verified"
	if verified {
		verdict = "verified"
	}
	return s.show(out, append(fields, field{"verdict", verdict})...)
}

// fileExists reports whether a path is there, for warnings.
func fileExists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
