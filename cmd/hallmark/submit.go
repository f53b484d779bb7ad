package main

import (
	"context"
	"errors"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A ledgerResult is what became of a ledger entry: where it is logged, which was
// verified, and what the fold decided, which a replay can check. Its members are
// stable; those that do not concern an entry of its kind are absent.
type ledgerResult struct {
	Kind        string `json:"kind"`
	Code        string `json:"code"` // ACCEPTED, or the rule that it broke
	Class       string `json:"class,omitempty"`
	Serial      string `json:"serial,omitempty"` // decimal: JSON numbers are exact to 2^53 only
	Subject     string `json:"subject,omitempty"`
	Account     string `json:"account,omitempty"`
	To          string `json:"to,omitempty"`
	Amount      string `json:"amount,omitempty"` // base units
	Balance     string `json:"balance,omitempty"`
	Index       uint64 `json:"index"`
	TreeSize    uint64 `json:"tree_size"`
	EntryID     string `json:"entry_id"`
	StatementID string `json:"statement_id"`
	Existing    bool   `json:"existing"`
	Bundle      string `json:"bundle"`

	shownAmount, shownBalance string // in whole tokens
}

// submit sends a ledger entry and shows what became of it.
func (c *connection) submit(ctx context.Context, attempted string, e *entry.Entry, out string, r ledgerResult) error {
	got, err := call(ctx, c.session, attempted, func(ctx context.Context) (*client.LedgerResult, error) { return c.SubmitLedger(ctx, e) })
	if err != nil {
		return err
	}
	return c.showOutcome(attempted, e, got, out, r)
}

// showOutcome shows a receipt and its outcome. An entry that is logged and
// rejected is a no: recorded is not accepted.
func (c *connection) showOutcome(attempted string, e *entry.Entry, got *client.LedgerResult, out string, r ledgerResult) error {
	r.Kind, r.Code = got.Kind, got.Code
	r.Index, r.TreeSize, r.Existing = got.Receipt.Index, got.Receipt.Checkpoint.Size, got.Receipt.Existing
	r.EntryID, r.StatementID = digestText(e.ID()), digestText(e.StatementID())
	if out != "" {
		if err := c.writeBundle(out, e, got.Receipt, nil); err != nil {
			return err
		}
		r.Bundle = out
	}
	existing := "no"
	if r.Existing {
		existing = "yes: it was logged before"
	}
	err := c.show(r,
		field{r.Kind, r.Code},
		field{"class", r.Class},
		field{"serial", r.Serial},
		field{"subject", r.Subject},
		field{"account", r.Account},
		field{"to", r.To},
		field{"amount", r.shownAmount},
		field{"balance", r.shownBalance},
		field{"entry", number(r.Index) + " of " + number(r.TreeSize)},
		field{"entry id", r.EntryID},
		field{"statement", r.StatementID},
		field{"existing", existing},
		field{"bundle", r.Bundle})
	if err == nil && !got.Accepted() {
		why := got.Detail
		if why == "" {
			why = "the entry is logged and does not count"
		}
		err = cli.Fail(cli.ExitPolicy, got.Code, attempted, errors.New(got.Code+": "+why))
	}
	return err
}

// tokens shows an amount as people read it.
func tokens(a ledger.Amount, decimals int, symbol string) string {
	return a.FormatDecimal(decimals) + " " + symbol
}
