package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// signerFlags are what a statement has that may need several signers.
type signerFlags struct {
	keys       []string
	draft, out string
}

func (f *signerFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keys, "key", nil, "private key to sign with; may be repeated")
	flags.StringVarP(&f.out, "output", "o", "", "write the bundle to this file")
	flags.StringVar(&f.draft, "draft", "", "write the entry to this file, with the signatures of the keys given, and send nothing")
}

// read checks the flags and reads the keys.
func (f *signerFlags) read(cmd *cobra.Command) ([]*entry.PrivateKey, error) {
	if f.draft == "" {
		if err := requireFlags(cmd, "key"); err != nil {
			return nil, err
		}
	}
	if f.draft != "" && f.out != "" {
		return nil, cli.Usage("both --draft and -o: a draft is not logged and has no bundle")
	}
	return readKeys(f.keys)
}

// draftStatement writes an entry that lacks signatures.
func (s *session) draftStatement(file string, body []byte, keys []*entry.PrivateKey) error {
	raw := entry.Draft(entry.TypeStatement, body)
	for _, k := range keys {
		e, err := entry.AddSignature(raw, k)
		if err != nil {
			return cli.Fail(cli.ExitUsage, "ENTRY_MALFORMED", "signing the draft", err)
		}
		raw = e.Raw()
	}
	e, err := entry.ParseDraft(raw)
	if err != nil {
		return cli.Fail(cli.ExitUsage, "ENTRY_MALFORMED", "writing the draft", err)
	}
	if err := writeFile(file, raw); err != nil {
		return err
	}
	return s.showSigned(e, file)
}

// showCanonical prints what a statement would have to be that was refused for its
// form alone. It is not published in its author's stead: what is signed is what
// lies in the file.
func (s *session) showCanonical(file string, refused error) error {
	var e *cli.Error
	if !errors.Is(refused, statement.ErrNotCanonical) || !errors.As(refused, &e) {
		return refused
	}
	body, err := readBounded(file, entry.MaxForeignSize)
	if err != nil {
		return refused
	}
	canonical, err := statement.Canonical(body)
	if err != nil {
		return refused
	}
	if err := s.write(canonical); err != nil {
		return err
	}
	return e.WithHint("its canonical form is on standard output: put that into a file, and publish it")
}

// A said is a statement on its way: signed, published, and judged.
type said struct {
	published
	receipt *client.Receipt // nil for a draft
}

// say signs a statement and publishes it, or writes its draft.
func (c *connection) say(ctx context.Context, attempted string, st *statement.Statement, keys []*entry.PrivateKey, f *signerFlags) (out said, err error) {
	body, err := st.Marshal()
	if err != nil {
		return out, statementError(attempted, err)
	}
	if f.draft != "" {
		return out, c.draftStatement(f.draft, body, keys)
	}
	e, err := entry.Sign(entry.TypeStatement, body, keys...)
	if err != nil {
		return out, cli.Fail(cli.ExitUsage, "ENTRY_MALFORMED", attempted, err)
	}
	if out.receipt, err = call(ctx, c.session, attempted, func(ctx context.Context) (*client.Receipt, error) { return c.Publish(ctx, e) }); err != nil {
		return out, err
	}
	subject := st.Subjects[0]
	out.published = published{Kind: st.Kind.String(), Name: subject.Name, Digest: subject.Digest.String(),
		EntryID: digestText(e.ID()), StatementID: digestText(e.StatementID()), Bundle: f.out}
	out.logged(out.receipt)
	if f.out != "" {
		err = c.writeBundle(f.out, e, out.receipt, nil)
	}
	return out, err
}

// outcome asks what the rules made of an entry that was published: recorded is
// not accepted.
func (c *connection) outcome(ctx context.Context, attempted string, r *client.Receipt) error {
	e, err := call(ctx, c.session, attempted, func(ctx context.Context) (*client.Entry, error) { return c.Entry(ctx, number(r.Index)) })
	if err != nil {
		return err
	}
	if e.Code != "ACCEPTED" {
		return cli.Fail(cli.ExitPolicy, e.Code, attempted, fmt.Errorf("%s: entry %d is logged and does not count", e.Code, r.Index))
	}
	return nil
}

// lines are the fields of a result, the status's own after what every statement
// has.
func (s *said) lines(own ...field) []field {
	existing := "no"
	if s.Existing {
		existing = "yes: it was logged before"
	}
	fields := append([]field{{s.Kind, cmp.Or(s.Name, s.Digest)}}, own...)
	return append(fields,
		field{"entry", number(*s.Index) + " of " + number(*s.TreeSize)},
		field{"entry id", s.EntryID},
		field{"statement", s.StatementID},
		field{"existing", existing},
		field{"bundle", s.Bundle})
}

// target returns what a status about ref is about: a model's or dataset's digest,
// or the statement itself where ref names one by its id or is of another kind.
// It has a name only where ref gives it or an index leads to it: the same digest
// may have other names.
func (c *connection) target(ctx context.Context, ref string) (statement.Subject, error) {
	_, report, err := c.fetch(ctx, ref, client.BundleOptions{})
	if err != nil {
		return statement.Subject{}, err
	}
	st, f := report.Statement, report.Facts
	if st == nil {
		return statement.Subject{}, cli.Usage("%s is a %s, want a statement", ref, f.Kind)
	}
	own := statement.Subject{Alg: statement.AlgStatement, Digest: f.StatementID}
	if st.Kind != statement.KindModel && st.Kind != statement.KindDataset {
		return own, nil
	}
	subject := st.Subjects[0]
	switch ref {
	case digestText(f.StatementID), digestText(f.EntryID):
		own.Name = subject.Name
		return own, nil
	case f.Digest:
		subject.Name = ""
	}
	return subject, nil
}

// noEffect says that a status is logged and changes nothing.
func noEffect(attempted string, now client.Standing) error {
	if now.State != "" {
		return cli.Fail(cli.ExitPolicy, "NO_EFFECT", attempted, errors.New("NO_EFFECT: logged, and what stands is "+standingText(now)))
	}
	return cli.Fail(cli.ExitPolicy, "NO_EFFECT", attempted, errors.New("NO_EFFECT: logged as a dispute: its signers did not sign what it is about")).
		WithHint("sign with a key that signed it, or by name with enough keys of its namespace")
}
