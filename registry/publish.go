package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// retryBusy is how long a publisher is asked to wait when the registry is
// full: about one batch.
const retryBusy = 200 * time.Millisecond

// Publish logs an entry and returns once it is published, with a receipt that
// has been verified. Nothing is acknowledged earlier.
//
// Publishing the same entry again returns the receipt of where it stands (but
// see admit). If
// ctx ends first the entry may still be published; repeating the call finds out.
func (r *Registry) Publish(ctx context.Context, raw []byte, o PublishOptions) (*Receipt, error) {
	in := ledger.Read(raw)
	if err := r.await(ctx, r.inherited); err != nil {
		return nil, behind(err)
	}
	if o.ValidateOnly {
		return r.validate(in)
	}
	if in.Entry() == nil || (in.Body() == nil && in.Statement() == nil) {
		return nil, r.rules(in) // unreadable: the fold names why
	}
	f := &flight{in: in, claims: r.claimsOf(in), placed: make(chan struct{})}
	if joined, err := r.flights.enter(ctx, f); err != nil {
		return nil, err
	} else if joined != nil {
		return r.join(ctx, joined)
	}
	// From here the flight is ours to end, by place or by fail.
	at, existing, err := r.admit(ctx, in)
	if err != nil || existing {
		f.existing, f.index = existing, at
		r.flights.fail(f, err)
		if err != nil {
			return nil, err
		}
		return r.receipt(ctx, in.Entry(), at, true)
	}
	positions, err := r.Log.Append(ctx, [][]byte{raw})
	if err != nil {
		err = appendError(err)
		r.flights.fail(f, err)
		return nil, err
	}
	// Placed and durable. A crash from here on loses the receipt, never the
	// entry: the same publish, repeated, finds it.
	r.flights.place(f, positions[0])
	receipt, err := r.receipt(ctx, in.Entry(), positions[0], false)
	if st := in.Statement(); err == nil && st != nil && st.Namespace != nil {
		// Who has this receipt goes on to publish under the new keys, which no claim
		// in flight tells from strangers': admission must know them by then.
		if err := r.await(ctx, receipt.Index+1); err != nil {
			return nil, behind(err)
		}
	}
	return receipt, err
}

// validate runs every check and logs nothing.
func (r *Registry) validate(in *ledger.Input) (*Receipt, error) {
	if err := r.rules(in); err != nil {
		return nil, err
	}
	return &Receipt{EntryID: in.Entry().ID()}, nil
}

// admit asks whether the entry is in the log already, and if not whether the
// fold would accept it now. One that has lost its name to a claim of the
// namespace by its own signers is logged again: the same model under the same
// name is the same entry, and could never be bound otherwise.
func (r *Registry) admit(ctx context.Context, in *ledger.Input) (at uint64, existing bool, err error) {
	at, err = r.Index.Lookup(ctx, in.Entry().ID())
	switch {
	case err == nil && r.bindsAnew(in, at):
		return 0, false, nil
	case err == nil:
		return at, true, nil
	case !errors.Is(err, index.ErrNotFound):
		return 0, false, internal("looking the entry up", err)
	}
	return 0, false, r.rules(in)
}

// rules asks the fold. A refusal here keeps what could only be rejected out of
// the log; what gets past it in a race is rejected by the fold all the same.
func (r *Registry) rules(in *ledger.Input) error {
	if o := r.State.Check(in); !o.Accepted() {
		return refusal(o.Code, o.Detail)
	}
	return nil
}

// join waits for the flight of the same entry.
func (r *Registry) join(ctx context.Context, f *flight) (*Receipt, error) {
	select {
	case <-f.placed:
	case <-ctx.Done():
		return nil, late(ctx)
	}
	if f.err != nil {
		return nil, f.err
	}
	return r.receipt(ctx, f.in.Entry(), f.index, true)
}

// receipt waits for publication, builds the proof, and verifies it as the
// publisher will. A receipt that does not verify is our fault and never sent.
func (r *Registry) receipt(ctx context.Context, e *entry.Entry, at uint64, existing bool) (*Receipt, error) {
	head, err := r.Publication.Await(ctx, at)
	if err != nil {
		return nil, publicationError(ctx, err)
	}
	proof, err := r.proof(ctx, at, head)
	if err != nil {
		return nil, err
	}
	if _, err := verifier.VerifyReceiptOf(e, proof, r.memo.Verify); err != nil {
		r.selfCheckFailures.Add(1)
		r.Logger.Error("a receipt does not verify", "index", at, "size", head.Size, "error", err)
		return nil, &Error{Code: DataLoss, Reason: "SELF_CHECK_FAILED", err: err,
			Message: fmt.Sprintf("the receipt for entry %d does not verify: %v", at, err)}
	}
	return &Receipt{Index: at, EntryID: e.ID(), Proof: proof, Existing: existing}, nil
}

// proof returns the tlog-proof of an entry under a published checkpoint.
func (r *Registry) proof(ctx context.Context, at uint64, head *tlog.Published) ([]byte, error) {
	hashes, err := r.Prover.Inclusion(ctx, at, head)
	if err != nil {
		return nil, internal("building the inclusion proof", err)
	}
	p := checkpoint.Proof{Index: at, Hashes: hashes, Checkpoint: head.Note}
	return p.Format(), nil
}
