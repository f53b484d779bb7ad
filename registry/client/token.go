package client

import (
	"context"
	"crypto/sha256"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A LedgerResult says that a ledger entry is in the log, which was verified,
// and what the server's fold decided of it, which a replay can check.
type LedgerResult struct {
	Receipt *Receipt
	Kind    string // mint, transfer and so on
	Code    string // ACCEPTED, or the code of the rule that it broke
	Detail  string // what was got and wanted; empty when accepted
}

// Accepted reports whether the entry counts.
func (r *LedgerResult) Accepted() bool { return r.Code == ledger.Accepted.String() }

// Mint submits a mint entry together with the bundle of its credit.
func (c *Client) Mint(ctx context.Context, bundle []byte, mint *entry.Entry) (*LedgerResult, error) {
	if err := c.needPolicy(); err != nil {
		return nil, err
	}
	resp, err := call(ctx, c.token.Mint, &pb.MintRequest{Bundle: bundle, Entry: mint.Raw()})
	if err != nil {
		return nil, err
	}
	return c.ledgerResult(mint, resp)
}

// SubmitLedger submits a ledger entry.
func (c *Client) SubmitLedger(ctx context.Context, e *entry.Entry) (*LedgerResult, error) {
	if err := c.needPolicy(); err != nil {
		return nil, err
	}
	resp, err := call(ctx, c.token.SubmitLedgerEntry, &pb.SubmitLedgerEntryRequest{Entry: e.Raw()})
	if err != nil {
		return nil, err
	}
	return c.ledgerResult(e, resp)
}

func (c *Client) ledgerResult(e *entry.Entry, resp interface {
	GetReceipt() *pb.Receipt
	GetOutcome() *pb.LedgerOutcome
}) (*LedgerResult, error) {
	receipt, err := c.verify(e, resp.GetReceipt())
	if err != nil {
		return nil, err
	}
	o := resp.GetOutcome()
	if o.GetCode() == "" {
		return nil, responseInvalid("the ledger's outcome has no code")
	}
	return &LedgerResult{Receipt: receipt, Kind: o.GetKind(), Code: o.GetCode(), Detail: o.GetDetail()}, nil
}

// An Account is an account of the ledger as of TreeSize.
type Account struct {
	ID       string        // bech32m
	Balance  ledger.Amount // base units
	Nonce    uint64        // the account's next entry carries it
	Decimals uint32
	Symbol   string
	TreeSize uint64
}

// Account returns an account. One that no accepted entry touched is empty.
func (c *Client) Account(ctx context.Context, id string) (*Account, error) {
	resp, err := call(ctx, c.token.GetAccount, &pb.GetAccountRequest{Account: id})
	if err != nil {
		return nil, err
	}
	balance, err := ledger.ParseAmount(resp.GetBalance())
	if err != nil {
		return nil, responseInvalid("balance: %v", err)
	}
	return &Account{
		ID: resp.GetAccount(), Balance: balance, Nonce: resp.GetNonce(),
		Decimals: resp.GetDecimals(), Symbol: resp.GetSymbol(), TreeSize: resp.GetTreeSize(),
	}, nil
}

// A Supply is the supply statement as of TreeSize.
type Supply struct {
	Symbol              string
	Decimals            uint32
	Cap, Issued, Burned ledger.Amount
	Statement           []byte   // the whole of it as JSON; a replay gives the same bytes
	StateDigest         [32]byte // of the fold's state
	TreeSize            uint64
}

// Supply returns the supply statement.
func (c *Client) Supply(ctx context.Context) (*Supply, error) {
	resp, err := call(ctx, c.token.GetSupply, &pb.GetSupplyRequest{})
	if err != nil {
		return nil, err
	}
	s := &Supply{
		Symbol: resp.GetSymbol(), Decimals: resp.GetDecimals(),
		Statement: []byte(resp.GetStatement()), TreeSize: resp.GetTreeSize(),
	}
	for _, a := range []struct {
		name, text string
		to         *ledger.Amount
	}{
		{"cap", resp.GetCap(), &s.Cap},
		{"issued", resp.GetIssued(), &s.Issued},
		{"burned", resp.GetBurned(), &s.Burned},
	} {
		if *a.to, err = ledger.ParseAmount(a.text); err != nil {
			return nil, responseInvalid("%s: %v", a.name, err)
		}
	}
	if len(resp.GetStateDigest()) != sha256.Size {
		return nil, responseInvalid("state digest of %d bytes, want 32", len(resp.GetStateDigest()))
	}
	s.StateDigest = [32]byte(resp.GetStateDigest())
	return s, nil
}

// Policy is the token policy in force as of TreeSize.
type Policy struct {
	Text     string // canonical
	Epoch    uint64
	TreeSize uint64
}

// Policy returns the token policy in force.
func (c *Client) Policy(ctx context.Context) (*Policy, error) {
	resp, err := call(ctx, c.token.GetPolicy, &pb.GetPolicyRequest{})
	if err != nil {
		return nil, err
	}
	return &Policy{Text: resp.GetText(), Epoch: resp.GetEpoch(), TreeSize: resp.GetTreeSize()}, nil
}
