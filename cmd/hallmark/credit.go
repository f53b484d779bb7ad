package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A creditRun is one run of credit.
type creditRun struct {
	subject, to, class, evidence string
	units                        uint64
	serial                       string
	keys                         []string
	out, draft                   string
}

func creditCommand(s *session) *cobra.Command {
	var r creditRun
	cmd := &cobra.Command{
		Use:   "credit --subject REF --to ACCOUNT --class CLASS --units N --evidence FILE --key EVALUATOR",
		Short: "Say, as an evaluator, who contributed what",
		Long: `Signs a credit: that an account contributed so many units of a class of work to a
model or dataset, on the evidence of a file. The token policy names who may sign
for a class, and what a unit is worth.

A serial is used once in a class. Unless you choose one it is computed from the
other arguments, so the same command, repeated, finds the same credit, and no
contribution is credited twice by accident.

Where several evaluators must sign: --draft FILE writes the entry instead of
sending it, "hallmark sign" adds signatures, "hallmark publish entry" sends it.`,
		Example: "  hallmark credit --subject acme/data@1.0.0 --to ann.key.pub --class data --units 1500 --evidence review.md --key evaluator.key -o credit.hallmark",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			need := []string{"subject", "to", "class", "units", "evidence"}
			if r.draft == "" {
				need = append(need, "key")
			}
			if err := requireFlags(cmd, need...); err != nil {
				return err
			}
			if r.draft != "" && r.out != "" {
				return cli.Usage("both --draft and -o: a draft is not logged and has no bundle")
			}
			return r.run(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.subject, "subject", "", "REF of the model or dataset that the work went into")
	flags.StringVar(&r.to, "to", "", "who is credited: an account, or the file of a public key")
	flags.StringVar(&r.class, "class", "", "class of work, as the token policy has it")
	flags.Var(&whole[uint64]{"units", &r.units, 1}, "units", "how much work, in the class's unit")
	flags.StringVar(&r.evidence, "evidence", "", "file that shows the work; its SHA-256 is logged")
	flags.StringVar(&r.serial, "serial", "", "serial number in the class (default: computed from the other arguments)")
	flags.StringArrayVar(&r.keys, "key", nil, "evaluator's private key; may be repeated")
	flags.StringVarP(&r.out, "output", "o", "", "write the bundle to this file")
	flags.StringVar(&r.draft, "draft", "", "write the entry to this file, with the signatures of the keys given, and send nothing")
	return cmd
}

func (r *creditRun) run(ctx context.Context, s *session) error {
	credit, keys, err := r.read()
	if err == nil {
		err = checkOutput(cmp.Or(r.out, r.draft))
	}
	if err != nil {
		return err
	}
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	genesis, policy, err := r.complete(ctx, c, credit)
	if err != nil {
		return err
	}
	if r.draft != "" {
		return r.writeDraft(s, credit, keys)
	}
	e, err := ledger.Sign(credit, keys...)
	if err != nil {
		return cli.Fail(cli.ExitUsage, "BODY_MALFORMED", "signing the credit", err)
	}
	result := ledgerResult{Class: credit.Class, Serial: number(credit.Serial), Subject: digestText(credit.Subject), To: credit.Beneficiary.String()}
	if worth, ok := worth(policy, credit); ok {
		result.Amount, result.shownAmount = worth.String(), tokens(worth, int(genesis.Decimals), genesis.Symbol)
	}
	return c.submit(ctx, "crediting "+r.subject, e, r.out, result)
}

// read takes what needs no server.
func (r *creditRun) read() (credit *ledger.Credit, keys []*entry.PrivateKey, err error) {
	credit = &ledger.Credit{Class: r.class, Work: r.units}
	if credit.Beneficiary, err = account(r.to); err != nil {
		return nil, nil, err
	}
	if credit.Evidence, err = hashFile(r.evidence); err != nil {
		return nil, nil, cli.Fail(cli.ExitUsage, "EVIDENCE_UNREADABLE", "reading the evidence", err)
	}
	if r.serial != "" {
		if credit.Serial, err = strconv.ParseUint(r.serial, 10, 64); err != nil {
			return nil, nil, cli.Usage("--serial %q, want a number below 2^64", r.serial)
		}
	}
	keys, err = readKeys(r.keys)
	return credit, keys, err
}

// complete adds what the log knows: ledger, epoch, and what REF stands for.
func (r *creditRun) complete(ctx context.Context, c *connection, credit *ledger.Credit) (*ledger.Genesis, *client.Policy, error) {
	genesis, id, err := c.genesis(ctx)
	if err != nil {
		return nil, nil, err
	}
	policy, err := call(ctx, c.session, "asking for the token policy", c.Policy)
	if err != nil {
		return nil, nil, err
	}
	subject, err := c.resolve(ctx, r.subject, statement.KindModel, statement.KindDataset)
	if err != nil {
		return nil, nil, notFoundHint(err)
	}
	credit.Ledger, credit.Epoch, credit.Subject = id, policy.Epoch, subject.digest
	if r.serial == "" {
		credit.Serial = serialOf(credit)
	}
	return genesis, policy, nil
}

func (r *creditRun) writeDraft(s *session, credit *ledger.Credit, keys []*entry.PrivateKey) error {
	body, err := credit.Marshal()
	if err != nil {
		return cli.Fail(cli.ExitUsage, "BODY_MALFORMED", "writing the draft", err)
	}
	raw := entry.Draft(entry.TypeLedger, body)
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
	if err := writeFile(r.draft, raw); err != nil {
		return err
	}
	return s.showSigned(e, r.draft)
}

// serialOf makes a serial of what a credit says, so that saying it twice is one
// credit. The epoch has no part in it: the same work, credited again in the next
// epoch, is refused as well.
func serialOf(c *ledger.Credit) uint64 {
	h := sha256.New()
	h.Write([]byte("hallmark/serial/v1\n"))
	h.Write(c.Ledger[:])
	h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(c.Class))))
	h.Write([]byte(c.Class))
	h.Write(c.Subject[:])
	h.Write(c.Beneficiary[:])
	h.Write(binary.BigEndian.AppendUint64(nil, c.Work))
	h.Write(c.Evidence[:])
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// worth returns what a credit is worth, if the policy of its epoch is at hand and
// its class has a fixed rate. The amount that counts is the fold's; this one is
// for people, by the same rule.
func worth(p *client.Policy, credit *ledger.Credit) (ledger.Amount, bool) {
	policy, err := ledger.ParsePolicy(p.Text)
	if err != nil || p.Epoch != credit.Epoch {
		return ledger.Amount{}, false
	}
	for _, class := range policy.Classes {
		if class.ID == credit.Class && !class.Rate.ProRata() {
			return class.Rate.Value(credit.Work), true
		}
	}
	return ledger.Amount{}, false
}

func hashFile(name string) (sum [32]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, fmt.Errorf("reading %s: %w", name, err)
	}
	return [32]byte(h.Sum(nil)), nil
}
