package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func tokenCommand(s *session) *cobra.Command {
	return group("token", "Mint, move and count tokens",
		mintCommand(s), transferCommand(s), balanceCommand(s), supplyCommand(s),
		group("policy", "Show or check a token policy", policyShowCommand(s), policyCheckCommand(s)))
}

func mintCommand(s *session) *cobra.Command {
	var key, out string
	cmd := &cobra.Command{
		Use:   "mint BUNDLE --key KEY",
		Short: "Turn a credit into tokens of its beneficiary",
		Long: `Takes the bundle of a credit (hallmark credit -o, or hallmark bundle), verifies it
here, and mints the credit: once, as it was first accepted, to its beneficiary,
whose key signs. The registry verifies the bundle again, and so can anybody who
replays the log.`,
		Example: "  hallmark token mint credit.hallmark --key ann.key",
		Args:    arguments("BUNDLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "key"); err != nil {
				return err
			}
			if err := checkOutput(out); err != nil {
				return err
			}
			k, err := readKey(key)
			if err != nil {
				return err
			}
			text, err := readBounded(args[0], bundle.MaxSize)
			if err != nil {
				return cli.Fail(cli.ExitUnknown, "BUNDLE_UNREADABLE", "reading the bundle", err)
			}
			return s.mint(cmd.Context(), args[0], text, k, out)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "beneficiary's private key")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the mint's bundle to this file")
	return cmd
}

func (s *session) mint(ctx context.Context, file string, text []byte, key *entry.PrivateKey, out string) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	attempted := "minting " + file
	report, err := c.verify(ctx, attempted, text)
	if err != nil {
		return err
	}
	credit, ok := report.Ledger.(*ledger.Credit)
	if !ok {
		return cli.Fail(cli.ExitUsage, "NOT_CREDIT", attempted, fmt.Errorf("the bundle is of a %s, want a credit", report.Facts.Kind))
	}
	mint, err := ledger.Sign(&ledger.Mint{
		Ledger: credit.Ledger, Class: credit.Class, Serial: credit.Serial,
		Index: report.Facts.Index, Size: report.Facts.Size, Root: report.Trace.Root,
	}, key)
	if err != nil {
		return cli.Fail(cli.ExitUsage, "BODY_MALFORMED", attempted, err)
	}
	got, err := call(ctx, s, attempted, func(ctx context.Context) (*client.LedgerResult, error) { return c.Mint(ctx, text, mint) })
	if err != nil {
		return err
	}
	result := ledgerResult{Class: credit.Class, Serial: number(credit.Serial), Subject: digestText(credit.Subject), To: credit.Beneficiary.String()}
	if err := c.addBalance(ctx, &result, credit); err != nil {
		s.status("warning: the mint is logged; its amount is not known: %s", printable(err.Error()))
	}
	return c.showOutcome(attempted, mint, got, out, result)
}

// addBalance asks what the mint came to.
func (c *connection) addBalance(ctx context.Context, r *ledgerResult, credit *ledger.Credit) error {
	a, err := c.askAccount(ctx, credit.Beneficiary)
	if err != nil {
		return err
	}
	r.Balance, r.shownBalance = a.Balance.String(), tokens(a.Balance, int(a.Decimals), a.Symbol)
	policy, err := call(ctx, c.session, "asking for the token policy", c.Policy)
	if err != nil {
		return err
	}
	if worth, ok := worth(policy, credit); ok {
		r.Amount, r.shownAmount = worth.String(), tokens(worth, int(a.Decimals), a.Symbol)
	}
	return nil
}

func (c *connection) askAccount(ctx context.Context, id ledger.AccountID) (*client.Account, error) {
	return askAccount(ctx, c.session, c.Client, id)
}

func askAccount(ctx context.Context, s *session, c *client.Client, id ledger.AccountID) (*client.Account, error) {
	return call(ctx, s, "asking for account "+id.String(), func(ctx context.Context) (*client.Account, error) {
		return c.Account(ctx, id.String())
	})
}

// transferLife is for how many entries of the log a transfer that was signed can
// still take effect: long enough for any retry, and an end.
const transferLife = 1_000_000

// A transferRun is one run of token transfer.
type transferRun struct {
	to, amount, key, out string
	nonce                uint64
	nonceGiven           bool
}

func transferCommand(s *session) *cobra.Command {
	var r transferRun
	cmd := &cobra.Command{
		Use:   "transfer --to ACCOUNT --amount DECIMAL --key KEY",
		Short: "Move tokens to another account",
		Long: `Moves tokens from the account of KEY. The amount is in whole tokens, such as 12 or
0.5. A transfer takes effect once: it carries the account's next nonce, and is
void 1,000,000 entries from now.

If it fails, whether the outcome is unknown (a timeout, a broken connection) or the
server refuses it, repeat the command with the --nonce that it printed: then at
most one of the two takes effect.`,
		Example: "  hallmark token transfer --to bob.key.pub --amount 2.5 --key ann.key",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := requireFlags(cmd, "to", "amount", "key"); err != nil {
				return err
			}
			r.nonceGiven = cmd.Flags().Changed("nonce")
			return r.run(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.to, "to", "", "an account, or the file of a public key")
	flags.StringVar(&r.amount, "amount", "", "how many tokens, in decimal")
	flags.StringVar(&r.key, "key", "", "private key of the account that pays")
	flags.Var(&whole[uint64]{"nonce", &r.nonce, 0}, "nonce", "nonce of the transfer (default: the account's next)")
	flags.StringVarP(&r.out, "output", "o", "", "write the transfer's bundle to this file")
	return cmd
}

func (r *transferRun) run(ctx context.Context, s *session) error {
	if err := checkOutput(r.out); err != nil {
		return err
	}
	key, err := readKey(r.key)
	if err != nil {
		return err
	}
	from, err := accountOf(key.Public())
	if err != nil {
		return err
	}
	to, err := account(r.to)
	if err != nil {
		return err
	}
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	genesis, id, err := c.genesis(ctx)
	if err != nil {
		return err
	}
	amount, err := ledger.ParseDecimal(r.amount, int(genesis.Decimals))
	if err != nil {
		return cli.Usage("--amount: %v", err)
	}
	expires, err := c.expiry(ctx)
	if err != nil {
		return err
	}
	if !r.nonceGiven {
		a, err := c.askAccount(ctx, from)
		if err != nil {
			return err
		}
		r.nonce = a.Nonce
	}
	e, err := ledger.Sign(&ledger.Transfer{
		Spend: ledger.Spend{Ledger: id, Account: from, Nonce: r.nonce, Expires: expires},
		To:    to, Amount: amount,
	}, key)
	if err != nil {
		return cli.Fail(cli.ExitUsage, "BODY_MALFORMED", "signing the transfer", err)
	}
	s.status("nonce %d, void from entry %d on", r.nonce, expires)
	err = c.submit(ctx, "transferring "+r.amount, e, r.out, ledgerResult{
		Account: from.String(), To: to.String(), Amount: amount.String(),
		shownAmount: tokens(amount, int(genesis.Decimals), genesis.Symbol)})
	return r.againHint(err)
}

// expiry returns the entry from which on a transfer signed now is void. It counts
// from a checkpoint that holds under the policy: a size that the server merely
// says could keep the transfer alive for ever.
func (c *connection) expiry(ctx context.Context) (uint64, error) {
	head, err := call(ctx, c.session, "asking for the checkpoint", func(ctx context.Context) (*checkpoint.Verified, error) {
		_, head, err := c.Checkpoint(ctx)
		return head, err
	})
	if err != nil {
		return 0, err
	}
	if head.Size > math.MaxUint64-transferLife {
		return 0, cli.Fail(cli.ExitPolicy, "LOG_FULL", "signing the transfer", fmt.Errorf("the log has %d entries, and no transfer can end after %d more", head.Size, transferLife))
	}
	return head.Size + transferLife, nil
}

// againHint keeps a transfer from being made twice. It is for every failure after
// the signature, since whoever has the entry can log it: that the server refuses
// it is the server's word.
func (r *transferRun) againHint(err error) error {
	if err == nil {
		return nil
	}
	var e *cli.Error
	if !errors.As(err, &e) {
		e = cli.Fail(cli.ExitUnknown, "UNKNOWN", "transferring "+r.amount, err)
	}
	before := ""
	if e.Hint != "" {
		before = e.Hint + "; "
	}
	return e.WithHint("%sit may still take effect: repeat it with --nonce %d, and at most one of the two does", before, r.nonce)
}

func balanceCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "balance ACCOUNT",
		Short: "Show an account's balance",
		Long:  "ACCOUNT is hmk1..., or the file of a public key.",
		Args:  arguments("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := account(args[0])
			if err != nil {
				return err
			}
			c, err := s.ask()
			if err != nil {
				return err
			}
			a, err := askAccount(cmd.Context(), s, c, id)
			if err != nil {
				return err
			}
			return s.showBalance(a)
		},
	}
}

func (s *session) showBalance(a *client.Account) error {
	return s.show(struct {
		Account  string `json:"account"`
		Balance  string `json:"balance"` // base units
		Tokens   string `json:"tokens"`  // the same in whole tokens
		Symbol   string `json:"symbol"`
		Decimals uint32 `json:"decimals"`
		Nonce    uint64 `json:"nonce"`
		TreeSize uint64 `json:"tree_size"`
	}{a.ID, a.Balance.String(), a.Balance.FormatDecimal(int(a.Decimals)), a.Symbol, a.Decimals, a.Nonce, a.TreeSize},
		field{"account", a.ID},
		field{"balance", tokens(a.Balance, int(a.Decimals), a.Symbol)},
		field{"nonce", number(a.Nonce)},
		field{"as of", "tree size " + number(a.TreeSize)})
}
