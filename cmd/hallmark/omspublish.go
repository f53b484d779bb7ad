package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

func publishStatementCommand(s *session) *cobra.Command {
	var f subjectFlags
	var publicKey string
	cmd := &cobra.Command{
		Use:   "statement FILE [--key KEY]",
		Short: "Publish an OpenSSF model signature as it is, or sign an in-toto statement",
		Long: `Without --key, FILE is a signature of OpenSSF Model Signing (model.sig). What was
signed and the signature over it are logged byte for byte; nothing is signed anew,
and anybody who holds the signature can log it. The log then says since when it
exists. Its certificates are not logged: an entry names the key of the signer.

A signature by key names its key by a hint alone: --public-key is that key.

With --key, FILE is an in-toto statement of a kind that the log takes, and is
signed with that key. One of our own predicates must be in its canonical form,
which is printed if it is not: look at it, and publish that.`,
		Example: `  hallmark publish statement tiny/model.sig --public-key signer.key.pub
  hallmark publish statement evaluation.json --key me.key`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(f.out); err != nil {
				return err
			}
			e, err := statementEntry(args[0], f.key, publicKey)
			if err != nil {
				return s.showCanonical(args[0], err)
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			return c.publishEntry(cmd.Context(), args[0], e, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&publicKey, "public-key", "", "the key that made an OpenSSF model signature")
	flags.StringVar(&f.key, "key", "", "private key to sign a statement with")
	flags.StringVarP(&f.out, "output", "o", "", "write the bundle to this file")
	flags.BoolVar(&f.dryRun, "dry-run", false, "run every check, log nothing")
	return cmd
}

// statementEntry makes the entry of a file: signed now, or as it was signed.
func statementEntry(file, keyFile, publicKey string) (*entry.Entry, error) {
	if keyFile == "" {
		return omsEntry(file, publicKey)
	}
	if publicKey != "" {
		return nil, cli.Usage("both --key and --public-key: the first signs, the second says who did")
	}
	body, err := readBounded(file, entry.MaxForeignSize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "STATEMENT_UNREADABLE", "reading the statement", err)
	}
	if _, err := statement.Parse(body); err != nil {
		return nil, statementError("reading "+file, err)
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	e, err := entry.Sign(entry.TypeStatement, body, key)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, entryReason(err), "signing "+file, err)
	}
	return e, nil
}

// omsEntry makes the entry of a signature of OpenSSF Model Signing.
func omsEntry(file, publicKey string) (*entry.Entry, error) {
	attempted := "reading " + file
	text, err := readBounded(file, oms.MaxBundleSize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "BUNDLE_UNREADABLE", "reading the signature", err)
	}
	b, err := oms.ParseBundle(text)
	if err != nil {
		err = omsInputError(attempted, err)
		var e *cli.Error
		if _, notOurs := statement.Parse(text); notOurs == nil && errors.As(err, &e) {
			return nil, e.WithHint("it is a statement that nobody has signed: --key KEY signs it")
		}
		return nil, err
	}
	key, known, err := b.SignerKey()
	if err == nil && publicKey != "" {
		key, err = readPublicKey(publicKey)
	} else if err == nil && !known && b.Method == oms.MethodKey {
		err = cli.Usage("no --public-key: the signature names its key by the hint %s alone", b.Hint)
	}
	var usage *cli.Error
	if errors.As(err, &usage) {
		return nil, err
	}
	var e *entry.Entry
	if err == nil {
		e, err = b.Entry(key)
	}
	if err != nil {
		return nil, omsInputError(attempted, err)
	}
	return e, nil
}
