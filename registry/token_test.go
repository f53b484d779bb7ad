package registry_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// mintOf builds the mint entry for a published credit.
func (s *site) mintOf(ref string, edit func(*ledger.Mint), signer string) (bundle, raw []byte) {
	s.t.Helper()
	bundle, err := s.Bundle(context.Background(), ref, registry.BundleOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := verifier.Verify(context.Background(), bundle, verifier.Trust{Policy: s.policy, AnyPublisher: true}, nil)
	if err != nil || !r.Verified() {
		s.t.Fatalf("the credit's bundle: %v", err)
	}
	c := r.Ledger.(*ledger.Credit)
	m := &ledger.Mint{Ledger: s.ledger, Class: c.Class, Serial: c.Serial, Index: r.Facts.Index, Size: r.Facts.Size, Root: r.Trace.Root}
	if edit != nil {
		edit(m)
	}
	return bundle, s.body(m, signer)
}

func TestMint(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	credit := &ledger.Credit{Ledger: s.ledger, Class: "data", Serial: 1, Subject: s.datasetDigest(1), Beneficiary: account(t, "ada"), Work: 1000, Evidence: [32]byte{2}}
	first, err := s.SubmitLedger(ctx, s.body(credit, "evaluator"))
	if err != nil || !first.Outcome.Accepted() {
		t.Fatalf("the credit: %+v, %v", first, err)
	}
	ref := fmt.Sprint(first.Receipt.Index)
	for _, c := range []struct {
		story  string
		edit   func(*ledger.Mint)
		signer string
		want   string
	}{
		{"by somebody else", nil, "ben", "MINT_NOT_BENEFICIARY"},
		{"naming another index", func(m *ledger.Mint) { m.Index-- }, "ada", "MINT_INDEX"},
		{"naming another serial", func(m *ledger.Mint) { m.Serial++ }, "ada", "MINT_NO_CREDIT"},
		{"naming a size that it does not prove", func(m *ledger.Mint) { m.Size++ }, "ada", "MINT_ROOT"},
		{"naming another root", func(m *ledger.Mint) { m.Root[0] ^= 1 }, "ada", "MINT_ROOT"},
		{"on another ledger", func(m *ledger.Mint) { m.Ledger[0] ^= 1 }, "ada", "LEDGER_OTHER"},
	} {
		bundle, raw := s.mintOf(ref, c.edit, c.signer)
		if _, err := s.Mint(ctx, bundle, raw); reason(err) != c.want {
			t.Errorf("%s: %v, want %s", c.story, err, c.want)
		}
	}
	bundle, raw := s.mintOf(ref, nil, "ada")
	if got, err := s.Mint(ctx, bundle, raw); err != nil || !got.Outcome.Accepted() {
		t.Fatalf("the mint: %+v, %v", got, err)
	}
	a, err := s.Account(ctx, account(t, "ada").String())
	if want := ledger.NewAmount(1000 * 10_000); err != nil || a.Balance != want {
		t.Errorf("Ada has %s, %v; want %s", a.Balance, err, want)
	}
	// The same entry again is a repeat; another one over the same credit is refused.
	if again, err := s.Mint(ctx, bundle, raw); err != nil || !again.Receipt.Existing {
		t.Errorf("the same mint again: %+v, %v", again, err)
	}
	bundle, raw = s.mintOf(ref, nil, "ada")
	if _, err := s.Mint(ctx, bundle, raw); reason(err) != "ALREADY_MINTED" {
		t.Errorf("a second mint of one credit: %v, want ALREADY_MINTED", err)
	}
	credit.Work = 2000
	if _, err := s.SubmitLedger(ctx, s.body(credit, "evaluator")); reason(err) != "SERIAL_USED" {
		t.Errorf("the serial with another amount: %v, want SERIAL_USED", err)
	}
	supply, err := s.Supply(ctx)
	if err != nil || !supply.Supply.Holds || supply.Supply.Issued != a.Balance {
		t.Errorf("supply %+v, %v", supply.Supply, err)
	}
}

func (s *site) transfer(from, to string, nonce uint64, amount uint64) []byte {
	return s.body(&ledger.Transfer{Spend: ledger.Spend{Ledger: s.ledger, Account: account(s.t, from), Nonce: nonce, Expires: 1 << 40},
		To: account(s.t, to), Amount: ledger.NewAmount(amount)}, from)
}

func TestTransfer(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	credit := &ledger.Credit{Ledger: s.ledger, Class: "data", Serial: 1, Subject: s.datasetDigest(1), Beneficiary: account(t, "ada"), Work: 100, Evidence: [32]byte{2}}
	first, err := s.SubmitLedger(ctx, s.body(credit, "evaluator"))
	if err != nil {
		t.Fatal(err)
	}
	bundle, raw := s.mintOf(fmt.Sprint(first.Receipt.Index), nil, "ada")
	if _, err := s.Mint(ctx, bundle, raw); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SubmitLedger(ctx, s.transfer("ada", "ben", 0, 2_000_000)); reason(err) != "INSUFFICIENT_BALANCE" {
		t.Errorf("more than there is: %v", err)
	}
	if _, err := s.SubmitLedger(ctx, s.transfer("ada", "ben", 1, 1)); reason(err) != "NONCE_MISMATCH" {
		t.Errorf("a gap in the nonces: %v", err)
	}
	if got, err := s.SubmitLedger(ctx, s.transfer("ada", "ben", 0, 400_000)); err != nil || !got.Outcome.Accepted() {
		t.Fatalf("%+v, %v", got, err)
	}
	ben, err := s.Account(ctx, account(t, "ben").String())
	if err != nil || ben.Balance != ledger.NewAmount(400_000) {
		t.Errorf("Ben has %s, %v", ben.Balance, err)
	}
}
