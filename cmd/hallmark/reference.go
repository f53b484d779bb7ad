package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A connection is a client together with the policy by which what it brings is
// verified.
type connection struct {
	*session
	*client.Client
	trust verifier.Trust
}

// open connects for commands that verify what they get. Before anything is
// hashed or signed for it, the log must be one that the policy believes.
func (s *session) open(ctx context.Context) (*connection, error) {
	p, err := s.policy()
	if err != nil {
		return nil, err
	}
	c, err := s.connect(p)
	if err != nil {
		return nil, err
	}
	_, err = call(ctx, s, "reaching the registry at "+s.server, func(ctx context.Context) ([]byte, error) {
		note, _, err := c.Checkpoint(ctx)
		return note, err
	})
	if err != nil {
		return nil, err
	}
	return &connection{s, c, verifier.Trust{Policy: p, AnyPublisher: true}}, nil
}

// fetch returns the bundle of what ref names, and what it proves under the
// policy. A server that answers with the proof of something else is caught.
func (c *connection) fetch(ctx context.Context, ref string, o client.BundleOptions) ([]byte, *verifier.Report, error) {
	attempted := "fetching " + ref
	text, err := call(ctx, c.session, attempted, func(ctx context.Context) ([]byte, error) {
		return c.Bundle(ctx, ref, o)
	})
	if err != nil {
		return nil, nil, err
	}
	report, err := c.verify(ctx, attempted, text)
	if err != nil {
		return nil, nil, err
	}
	if !answers(ref, report.Facts) {
		return nil, nil, cli.Fail(cli.ExitProof, "ANSWER_MISMATCH", attempted,
			fmt.Errorf("the server proved entry %d (%s %s %s) instead", report.Facts.Index, report.Facts.Kind, report.Facts.Name, report.Facts.Digest))
	}
	return text, report, nil
}

// verify asks of a bundle whether the log holds its entry. Who signed it is not
// asked: that is for the rules, and for whoever reads the result. Nor does it
// matter here that it was revoked since: its proof holds all the same.
func (c *connection) verify(ctx context.Context, attempted string, bundle []byte) (*verifier.Report, error) {
	report, err := verifier.Verify(ctx, bundle, c.trust, nil)
	if err != nil {
		return nil, err
	}
	if d := report.Decisive(); d != nil && d.Reason != "REVOKED" {
		e := cli.Fail(int(d.Class), d.Reason, attempted, fmt.Errorf("the bundle does not hold: %s: %s", d.Name, d.Message))
		e.Hint = d.Hint
		return nil, e
	}
	return report, nil
}

// answers reports whether what was proven is what ref names.
func answers(ref string, f verifier.Facts) bool {
	if strings.HasPrefix(ref, "sha256:") {
		return ref == f.Digest || ref == digestText(f.EntryID) || ref == digestText(f.StatementID)
	}
	return ref == f.Name || ref == number(f.Index)
}

// A referent is a model or dataset that a statement or a credit points at.
type referent struct {
	digest statement.Digest
	name   statement.Name // as its entry binds it; zero when it was given by its digest
}

// resolve turns a REF into a digest, on the word of a bundle that holds under the
// policy. A digest that the log does not know is taken as it is: the edge stands
// and is shown as unregistered. It gets no name even when the log knows one, so
// that a statement does not depend on when it was made. kinds are those that fit.
func (c *connection) resolve(ctx context.Context, ref string, kinds ...statement.Kind) (r referent, err error) {
	asDigest := strings.HasPrefix(ref, "sha256:")
	if asDigest {
		if r.digest, err = statement.ParseDigest(ref); err != nil {
			return r, cli.Fail(cli.ExitUsage, "REF_MALFORMED", "", err)
		}
	}
	_, report, err := c.fetch(ctx, ref, client.BundleOptions{})
	if asDigest && isNotFound(err) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	st := report.Statement
	if st == nil || !fits(st.Kind, kinds) {
		return r, cli.Usage("%s is a %s, want a %s", ref, report.Facts.Kind, kindsText(kinds))
	}
	subject := st.Subjects[0]
	if asDigest {
		if subject.Digest != r.digest {
			return r, cli.Usage("%s is the id of entry %d, want a digest of what that entry is about", ref, report.Facts.Index).
				WithHint("name %s", subject.Digest)
		}
		return r, nil
	}
	name, err := statement.ParseName(subject.Name)
	return referent{subject.Digest, name}, err
}

func fits(k statement.Kind, kinds []statement.Kind) bool {
	for _, want := range kinds {
		if k == want {
			return true
		}
	}
	return false
}

func kindsText(kinds []statement.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.String())
	}
	return strings.Join(names, " or ")
}

func isNotFound(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Code == codes.NotFound
}

// genesis returns the genesis of the log's ledger, which is entry 0, and its id.
// A server could name another ledger: what is signed for it would be worth
// nothing here.
func (c *connection) genesis(ctx context.Context) (*ledger.Genesis, ledger.LedgerID, error) {
	_, report, err := c.fetch(ctx, "0", client.BundleOptions{})
	if err != nil {
		return nil, ledger.LedgerID{}, err
	}
	g, ok := report.Ledger.(*ledger.Genesis)
	if !ok {
		return nil, ledger.LedgerID{}, cli.Fail(cli.ExitPolicy, "NO_LEDGER", "reading entry 0", fmt.Errorf("it is a %s, and only a genesis founds a ledger", report.Facts.Kind))
	}
	return g, report.Facts.StatementID, nil
}
