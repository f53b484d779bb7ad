package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// maxEntryFile bounds a file that holds an entry, in bytes: what an entry bundle
// of the log can carry.
const maxEntryFile = 1<<16 - 1

func signCommand(s *session) *cobra.Command {
	var keys []string
	var out string
	cmd := &cobra.Command{
		Use:   "sign FILE --key KEY",
		Short: "Add a signature to an unsigned or partly signed entry",
		Long: `Signs an entry that needs several signers, each on a machine of their own: one
writes it (hallmark credit --draft FILE), each adds a signature, the last sends
it (hallmark publish entry FILE). It shows what is being signed.

FILE is replaced in one step, unless -o names another. Signing twice with the
same key changes nothing.`,
		Example: "  hallmark sign credit.entry --key evaluator.key",
		Args:    arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "key"); err != nil {
				return err
			}
			if out == "" {
				out = args[0]
			}
			return s.sign(args[0], out, keys)
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "private key to sign with; may be repeated")
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write instead of FILE")
	return cmd
}

// A signedEntry is the result of sign.
type signedEntry struct {
	StatementID string   `json:"statement_id"`
	EntryID     string   `json:"entry_id"` // changes with every signature; empty without any
	Type        string   `json:"type"`
	Signers     []string `json:"signers"` // key ids
	File        string   `json:"file"`
}

func (s *session) sign(file, out string, keyFiles []string) error {
	raw, e, err := readDraft(file)
	if err != nil {
		return err
	}
	keys, err := readKeys(keyFiles)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if e, err = entry.AddSignature(raw, k); err != nil {
			return cli.Fail(cli.ExitUsage, "ENTRY_MALFORMED", "signing "+file, err)
		}
		raw = e.Raw()
	}
	if err := e.Verify(); err != nil { // another signer's may be bad
		return cli.Fail(cli.ExitUsage, "SIGNATURE_INVALID", "signing "+file, err)
	}
	if err := writeFile(out, raw); err != nil {
		return err
	}
	return s.showSigned(e, out)
}

func (s *session) showSigned(e *entry.Entry, file string) error {
	result := signedEntry{StatementID: digestText(e.StatementID()), Type: e.Type(), Signers: signersOf(e), File: file}
	if len(result.Signers) > 0 {
		result.EntryID = digestText(e.ID())
	}
	fields := append([]field{{"statement", result.StatementID}}, describe(e)...)
	return s.show(result, append(fields, field{"signers", strings.Join(result.Signers, ", ")}, field{"file", file})...)
}

// readDraft reads an entry that may lack signatures.
func readDraft(file string) ([]byte, *entry.Entry, error) {
	raw, err := readEntryFile(file)
	if err != nil {
		return nil, nil, err
	}
	e, err := entry.ParseDraft(raw)
	if err != nil {
		return nil, nil, cli.Fail(cli.ExitUsage, entryReason(err), "reading "+file, err)
	}
	return raw, e, nil
}

func readEntryFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "ENTRY_UNREADABLE", "reading the entry", err)
	}
	if info.Size() > maxEntryFile {
		return nil, cli.Fail(cli.ExitUsage, "ENTRY_TOO_LARGE", "reading "+file,
			fmt.Errorf("%d bytes, a log carries at most %d", info.Size(), maxEntryFile))
	}
	raw, err := readBounded(file, maxEntryFile)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "ENTRY_UNREADABLE", "reading the entry", err)
	}
	return raw, nil
}

// entryReason names a refusal as the registry would.
func entryReason(err error) string {
	switch {
	case errors.Is(err, entry.ErrTooLarge):
		return "ENTRY_TOO_LARGE"
	case errors.Is(err, entry.ErrSignature):
		return "SIGNATURE_INVALID"
	}
	return "ENTRY_MALFORMED"
}

func signersOf(e *entry.Entry) []string {
	ids := []string{}
	for _, sig := range e.Signatures() {
		ids = append(ids, sig.Key.ID().String())
	}
	return ids
}
