package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier"
)

func exportCommand(s *session) *cobra.Command {
	return group("export", "Write what other tools read", exportOMSCommand(s), exportCycloneDXCommand(s))
}

// An omsExport is one run of export oms.
type omsExport struct {
	key, out, name string
	method         string
	chain          []string
	ignore         []string
	followLinks    bool
	shardSize      uint64
}

func exportOMSCommand(s *session) *cobra.Command {
	var x omsExport
	cmd := &cobra.Command{
		Use:   "oms PATH --key KEY -o FILE",
		Short: "Sign a model for tools of OpenSSF Model Signing",
		Long: `Writes a detached signature of OpenSSF Model Signing v1.0, which the tools of that
project verify, and "hallmark verify-oms" too. The key is on P-256 ("hallmark
keygen --type p256"), P-384 or P-521.

The same folder, key and arguments give the same bytes. Every path that is left
out stands in the signature, except those of git, which always are, and whether or
not it is there. "hallmark publish statement FILE" logs the signature.`,
		Example: `  hallmark keygen signer.key --type p256
  hallmark export oms ./tiny --key signer.key -o tiny/model.sig`,
		Args: arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "key", "output"); err != nil {
				return err
			}
			return x.run(cmd.Context(), s, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&x.key, "key", "", "private key to sign with")
	flags.StringVarP(&x.out, "output", "o", "", "write the signature to this file; left out of the model if it lies inside")
	flags.Var(newChoice(&x.method, string(oms.MethodKey), string(oms.MethodCertificate)), "method", "how verifiers find the signer: key or certificate")
	flags.StringArrayVar(&x.chain, "cert-chain", nil, "certificates, the signer's own first, for the method certificate; may be repeated")
	flags.StringVar(&x.name, "name", "", "name of the model in the signature (default: the folder's); it proves nothing")
	flags.StringArrayVar(&x.ignore, "ignore-paths", nil, "path inside the model to leave out, with all below it; may be repeated")
	flags.BoolVar(&x.followLinks, "follow-links", false, "sign the targets of symbolic links that stay inside the folder")
	flags.Var(&whole[uint64]{"shard-size", &x.shardSize, 0}, "shard-size", fmt.Sprintf("sign pieces of so many bytes (%d is usual) in place of whole files; empty files are then not covered", oms.DefaultShardSize))
	return cmd
}

// An omsSignature is the result of export oms. Its members are stable.
type omsSignature struct {
	Name      string `json:"name"`
	Root      string `json:"root"`
	Resources int    `json:"resources"` // files, or their shards
	KeyID     string `json:"key_id"`
	File      string `json:"file"`
}

func (x *omsExport) run(ctx context.Context, s *session, path string) error {
	q := oms.Request{Name: x.name, ShardSize: x.shardSize, FollowLinks: x.followLinks}
	var err error
	switch certified := x.method == string(oms.MethodCertificate); {
	case certified != (len(x.chain) > 0):
		return cli.Usage("--method certificate and --cert-chain belong together")
	case certified:
		if q.Chain, err = readCertificates(x.chain); err != nil {
			return err
		}
	}
	if q.Key, err = readKey(x.key); err != nil {
		return err
	}
	f, err := openOMSFolder(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if q.Ignore, err = ignoredPaths(f, x.ignore, x.out); err != nil {
		return err
	}
	p := s.progress("hashing")
	q.Progress = p.update
	text, m, err := oms.Sign(ctx, f, q)
	p.finish()
	if err != nil {
		return explainOMS("signing "+path, err)
	}
	for _, i := range x.ignore {
		if !filepath.IsAbs(i) && !fileExists(filepath.Join(path, i)) {
			s.status("warning: --ignore-paths %s: there is no such path in the model", printable(i))
		}
	}
	if err := writeFile(x.out, text); err != nil {
		return err
	}
	out := omsSignature{Name: m.Name, Root: digestText(m.Root), Resources: len(m.Resources), KeyID: q.Key.Public().ID().String(), File: x.out}
	return s.show(out,
		field{"model", out.Name},
		field{"root", out.Root},
		field{"signed", fmt.Sprintf("%d digests, %s", out.Resources, verifier.Bytes(uint64(len(text))))},
		field{"key id", out.KeyID},
		field{"file", out.File})
}

// explainOMS adds the command that helps.
func explainOMS(attempted string, err error) error {
	var e *cli.Error
	out := omsInputError(attempted, err)
	if !errors.As(out, &e) {
		return out
	}
	switch e.Reason {
	case string(oms.ErrKey):
		return e.WithHint("hallmark keygen FILE --type p256 makes such a key")
	case string(oms.ErrLink):
		return e.WithHint("--follow-links takes the targets of links that stay inside the folder")
	}
	return out
}

// readCertificates reads the certificates of PEM files, in the order given.
func readCertificates(files []string) (all []*x509.Certificate, err error) {
	for _, name := range files {
		text, err := readBounded(name, maxCertificateFile)
		if err != nil {
			return nil, cli.Fail(cli.ExitUsage, "CERTIFICATE_UNREADABLE", "reading --cert-chain", err)
		}
		some, err := oms.ParseCertificates(text)
		if err != nil {
			return nil, cli.Fail(cli.ExitUsage, "CERTIFICATE_MALFORMED", "reading --cert-chain "+name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}
