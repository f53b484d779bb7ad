package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

func publishCommand(s *session) *cobra.Command {
	return group("publish", "Publish a model, a dataset, a statement or a signed entry",
		publishModelCommand(s), publishDatasetCommand(s), publishStatementCommand(s), publishEntryCommand(s))
}

// subjectFlags are what every published model and dataset has.
type subjectFlags struct {
	name, version, license string
	key, out               string
	dryRun                 bool
}

func (f *subjectFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "what to call it, as NAMESPACE/NAME")
	flags.StringVar(&f.version, "version", "", "its version; a name@version keeps its digest for ever")
	flags.StringVar(&f.license, "license", "", "SPDX licence expression")
	flags.StringVar(&f.key, "key", "", "publisher's private key")
	flags.StringVarP(&f.out, "output", "o", "", "write the bundle to this file")
	flags.BoolVar(&f.dryRun, "dry-run", false, "run every check, log nothing")
}

// read checks name, output and key before anything is hashed.
func (f *subjectFlags) read(cmd *cobra.Command) (n statement.Name, key *entry.PrivateKey, err error) {
	if err = requireFlags(cmd, "name", "version", "key"); err != nil {
		return n, nil, err
	}
	if n, err = statement.ParseName(f.name + "@" + f.version); err != nil {
		return n, nil, statementError("reading --name and --version", err)
	}
	if err = checkOutput(f.out); err != nil {
		return n, nil, err
	}
	key, err = readKey(f.key)
	return n, key, err
}

// A published is the result of a publish. Its members are stable; index and
// tree_size are null when nothing was logged, and amends is there only when there
// is an entry that this one amends.
type published struct {
	Kind        string  `json:"kind"`
	Name        string  `json:"name"`
	Digest      string  `json:"digest"`
	Index       *uint64 `json:"index"`
	TreeSize    *uint64 `json:"tree_size"`
	EntryID     string  `json:"entry_id"`
	StatementID string  `json:"statement_id"`
	Existing    bool    `json:"existing"`
	Amends      *uint64 `json:"amends,omitempty"`
	Bundle      string  `json:"bundle"` // the file written, or empty
}

// publishStatement signs and publishes a statement. The same statement under the
// same key is the same entry, so a repeat finds the first one.
func (c *connection) publishStatement(ctx context.Context, st *statement.Statement, key *entry.PrivateKey, manifest []byte, f *subjectFlags) error {
	attempted := "publishing " + st.Subjects[0].Name
	body, err := st.Marshal()
	if err != nil {
		return statementError(attempted, err)
	}
	e, err := entry.Sign(entry.TypeStatement, body, key)
	if err != nil {
		return cli.Fail(cli.ExitUsage, "ENTRY_MALFORMED", attempted, err)
	}
	result := published{Kind: st.Kind.String(), Name: st.Subjects[0].Name, Digest: st.Subjects[0].Digest.String(),
		EntryID: digestText(e.ID()), StatementID: digestText(e.StatementID())}
	return c.send(ctx, attempted, e, manifest, f, result)
}

// send publishes an entry, or with --dry-run has it checked, and shows the result.
func (c *connection) send(ctx context.Context, attempted string, e *entry.Entry, manifest []byte, f *subjectFlags, result published) error {
	if err := c.amends(ctx, &result, e); err != nil {
		return err
	}
	if f.dryRun {
		return c.dryRun(ctx, attempted, e, result)
	}
	receipt, err := call(ctx, c.session, attempted, func(ctx context.Context) (*client.Receipt, error) { return c.Publish(ctx, e) })
	if err != nil {
		return err
	}
	result.logged(receipt)
	if f.out != "" {
		if err := c.writeBundle(f.out, e, receipt, manifest); err != nil {
			return err
		}
		result.Bundle = f.out
	}
	return c.showPublished(result)
}

func (c *connection) dryRun(ctx context.Context, attempted string, e *entry.Entry, result published) error {
	_, err := call(ctx, c.session, attempted, func(ctx context.Context) (struct{}, error) { return struct{}{}, c.Validate(ctx, e) })
	if err != nil {
		return err
	}
	c.status("every check holds; nothing was logged (--dry-run)")
	return c.showPublished(result)
}

func (p *published) logged(r *client.Receipt) {
	p.Index, p.TreeSize, p.Existing = &r.Index, &r.Checkpoint.Size, r.Existing
}

func (s *session) showPublished(p published) error {
	var where, existing string
	if p.Index != nil {
		where = fmt.Sprintf("%d of %d", *p.Index, *p.TreeSize)
		existing = "no"
		if p.Existing {
			existing = "yes: it was logged before"
		}
	}
	return s.show(p,
		field{p.Kind, p.Name},
		field{"digest", p.Digest},
		field{"entry", where},
		field{"entry id", p.EntryID},
		field{"statement", p.StatementID},
		field{"existing", existing},
		field{"amends", amendsText(p.Amends)},
		field{"bundle", p.Bundle})
}

// writeBundle writes what verifies offline: the entry as it was signed here, the
// proof that was verified here, and the manifest unless it is too large.
func (s *session) writeBundle(file string, e *entry.Entry, r *client.Receipt, manifest []byte) error {
	if len(manifest) > bundle.MaxManifest {
		s.status("the manifest has %d bytes, and a bundle carries at most %d: left out", len(manifest), bundle.MaxManifest)
		manifest = nil
	}
	b := &bundle.Bundle{Proven: bundle.Proven{Entry: e.Raw(), Proof: r.Proof}, Manifest: manifest}
	text, err := b.Marshal()
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "OUTPUT_FAILED", "writing "+file, err)
	}
	if err := writeAtomic(file, text, 0o644); err != nil { // there was room for it when the command began
		return cli.Fail(cli.ExitUnknown, "OUTPUT_FAILED", "writing "+file, err).
			WithHint("the entry is logged: hallmark bundle %d -o FILE fetches its bundle", r.Index)
	}
	return nil
}

func publishEntryCommand(s *session) *cobra.Command {
	var f subjectFlags
	cmd := &cobra.Command{
		Use:   "entry FILE",
		Short: "Publish an entry that was signed elsewhere",
		Long: `Sends a signed entry as it is: one that "hallmark sign" completed, or that
another program made. Its signatures are checked before it is sent.`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(f.out); err != nil {
				return err
			}
			e, err := readSigned(args[0])
			if err != nil {
				return err
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			return c.publishEntry(cmd.Context(), args[0], e, &f)
		},
	}
	cmd.Flags().StringVarP(&f.out, "output", "o", "", "write the bundle to this file")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "run every check, log nothing")
	return cmd
}

// readSigned reads an entry whose signatures hold. What it says is for the
// registry to judge, which names the rule that it breaks.
func readSigned(file string) (*entry.Entry, error) {
	raw, err := readEntryFile(file)
	if err != nil {
		return nil, err
	}
	e, err := entry.Parse(raw)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, entryReason(err), "reading "+file, err)
	}
	if err := e.Verify(); err != nil {
		return nil, cli.Fail(cli.ExitUsage, "SIGNATURE_INVALID", "reading "+file, err)
	}
	return e, nil
}

func (c *connection) publishEntry(ctx context.Context, file string, e *entry.Entry, f *subjectFlags) error {
	attempted := "publishing " + file
	result := published{EntryID: digestText(e.ID()), StatementID: digestText(e.StatementID())}
	if st, err := statement.Parse(e.Body()); e.Type() == entry.TypeStatement && err == nil {
		result.Kind = st.Kind.String()
		if len(st.Subjects) > 0 { // a foreign one may have none with a sha256
			result.Name, result.Digest = st.Subjects[0].Name, st.Subjects[0].Digest.String()
		}
	}
	if e.Type() == entry.TypeLedger && !f.dryRun {
		return c.submit(ctx, attempted, e, f.out, ledgerResult{})
	}
	return c.send(ctx, attempted, e, nil, f, result)
}

// splitRef splits REF:WORD at its last colon, since a digest has one of its own.
func splitRef(flag, s, word string) (ref, tail string, err error) {
	at := strings.LastIndexByte(s, ':')
	if at < 0 || s[:at] == "" || s[:at] == "sha256" {
		return "", "", cli.Usage("--%s %q, want REF:%s", flag, s, word).WithHint("hallmark help references")
	}
	return s[:at], s[at+1:], nil
}

// notFoundHint adds what a name that must resolve can be replaced by.
func notFoundHint(err error) error {
	var e *cli.Error
	if isNotFound(err) && errors.As(err, &e) && e.Hint == "" {
		return e.WithHint("publish it first, or name it by its digest: sha256:...")
	}
	return err
}
