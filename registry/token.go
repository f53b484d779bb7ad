package registry

import (
	"context"
	"fmt"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// SubmitLedger publishes a ledger entry and waits for what the fold decides.
// A receipt alone says that the entry is recorded; the outcome says whether it
// counts.
func (r *Registry) SubmitLedger(ctx context.Context, raw []byte) (*LedgerResult, error) {
	in := ledger.Read(raw)
	if in.Entry() != nil && in.Body() == nil {
		if err := r.rules(in); err != nil {
			return nil, err
		}
		return nil, &Error{Code: InvalidArgument, Reason: "NOT_LEDGER", Message: "this entry is a statement, want a ledger entry", Hint: "publish it instead"}
	}
	receipt, err := r.Publish(ctx, raw, PublishOptions{})
	if err != nil {
		return nil, err
	}
	return r.outcome(ctx, receipt)
}

// outcome waits until the fold has judged the entry of a receipt.
func (r *Registry) outcome(ctx context.Context, receipt *Receipt) (*LedgerResult, error) {
	if _, err := r.settleAt(ctx, receipt.Index+1); err != nil {
		return nil, loggedBehind(receipt.Index, err)
	}
	row, err := r.Index.Get(ctx, receipt.Index)
	if err != nil {
		return nil, internal("reading the index", err)
	}
	code, err := codeNamed(row.Code)
	if err != nil {
		return nil, internal("reading the index", err)
	}
	return &LedgerResult{Receipt: *receipt, Outcome: ledger.Outcome{Index: receipt.Index, Kind: row.Kind, Code: code}}, nil
}

func codeNamed(name string) (ledger.Code, error) {
	for _, c := range ledger.Codes() {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("unknown outcome %q", name)
}

// Mint turns one proven credit into units. The credit's bundle is verified as
// a stranger would, and the mint entry must name that credit, at the index and
// under the checkpoint that the bundle proves; the fold then decides, and
// anybody who replays the log decides the same without the bundle.
func (r *Registry) Mint(ctx context.Context, bundle, raw []byte) (*LedgerResult, error) {
	in := ledger.Read(raw)
	mint, ok := in.Body().(*ledger.Mint)
	if !ok {
		if err := r.rules(in); err != nil {
			return nil, err
		}
		return nil, &Error{Code: InvalidArgument, Reason: "NOT_MINT", Message: "this entry is no mint"}
	}
	if err := r.checkCredit(ctx, bundle, mint); err != nil {
		return nil, err
	}
	return r.SubmitLedger(ctx, raw)
}

func (r *Registry) checkCredit(ctx context.Context, bundle []byte, mint *ledger.Mint) error {
	report, err := verifier.Verify(ctx, bundle, verifier.Trust{Policy: r.Trust, AnyPublisher: true}, nil)
	if err != nil {
		return internal("verifying the credit's bundle", err)
	}
	if d := report.Decisive(); d != nil {
		return &Error{Code: InvalidArgument, Reason: d.Reason, Message: fmt.Sprintf("the credit's bundle does not hold: %s: %s", d.Name, d.Message)}
	}
	credit, ok := report.Ledger.(*ledger.Credit)
	if !ok {
		return &Error{Code: InvalidArgument, Reason: "NOT_CREDIT", Message: fmt.Sprintf("the bundle proves a %s entry, want a credit", report.Facts.Kind)}
	}
	f := report.Facts
	if credit.Class != mint.Class || credit.Serial != mint.Serial {
		return refusal(ledger.MintNoCredit, fmt.Sprintf("the mint names credit %s/%d, its bundle proves %s/%d", mint.Class, mint.Serial, credit.Class, credit.Serial))
	}
	if mint.Index != f.Index {
		return refusal(ledger.MintIndex, fmt.Sprintf("the mint names index %d, its bundle proves %d", mint.Index, f.Index))
	}
	if mint.Size != f.Size || mint.Root != report.Trace.Root {
		return refusal(ledger.MintRoot, "the mint names another checkpoint than its bundle proves")
	}
	return nil
}

// rootsOf answers the fold's questions about earlier roots from the tiles.
type rootsOf struct {
	prover      *tlog.Prover
	publication *tlog.Publication
}

// Roots returns what the fold asks for the log's earlier roots.
func Roots(p *tlog.Prover, w *tlog.Publication) ledger.Roots { return rootsOf{p, w} }

// RootAt implements ledger.Roots. The fold asks on the follower's goroutine,
// which has no caller whose context could bound the read of a few tiles.
func (r rootsOf) RootAt(size uint64) ([32]byte, error) {
	head := r.publication.Latest()
	if head == nil {
		return [32]byte{}, fmt.Errorf("nothing is published yet")
	}
	return r.prover.Root(context.Background(), size, head)
}

// Account returns an account. One that the ledger has never heard of has no
// balance and nonce 0, as every account begins.
func (r *Registry) Account(ctx context.Context, text string) (AccountView, error) {
	id, err := ledger.ParseAccountID(text)
	if err != nil {
		return AccountView{}, invalid("ACCOUNT_MALFORMED", err)
	}
	if _, err := r.settle(ctx); err != nil {
		return AccountView{}, err
	}
	v := AccountView{ID: id.String()}
	err = r.ledger(func(s *ledger.State) {
		a, _ := s.Account(id)
		v.Balance, v.Nonce, v.Size = a.Balance, a.Nonce, s.Size()
		v.Symbol, v.Decimals = s.Genesis().Symbol, s.Genesis().Decimals
	})
	return v, err
}

// Supply returns the supply statement.
func (r *Registry) Supply(ctx context.Context) (SupplyView, error) {
	if _, err := r.settle(ctx); err != nil {
		return SupplyView{}, err
	}
	var v SupplyView
	err := r.ledger(func(s *ledger.State) {
		v = SupplyView{Supply: s.Supply(), Size: s.Size(), Digest: s.Digest()}
	})
	return v, err
}

// Policy returns the policy in force, the epoch, and the tree size as of which
// that holds.
func (r *Registry) Policy(ctx context.Context) (text string, epoch, size uint64, err error) {
	if _, err := r.settle(ctx); err != nil {
		return "", 0, 0, err
	}
	err = r.ledger(func(s *ledger.State) {
		text, epoch, size = s.Policy().String(), s.Epoch(), s.Size()
	})
	return text, epoch, size, err
}

// ledger looks at the fold of a log that founded a ledger.
func (r *Registry) ledger(look func(*ledger.State)) (err error) {
	r.State.View(func(s *ledger.State) {
		if s.Genesis() == nil {
			err = &Error{Code: FailedPrecondition, Reason: "NO_LEDGER", Message: "entry 0 of this log founded no ledger"}
			return
		}
		look(s)
	})
	return err
}
