package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
// has been verified. Nothing is acknowledged earlier. It keeps raw.
//
// Publishing the same entry again returns the receipt of where it stands (but
// see admit). If ctx ends first the entry is logged all the same, unless it is
// refused, and repeating the call finds it.
func (r *Registry) Publish(ctx context.Context, raw []byte, o PublishOptions) (*Receipt, error) {
	in := ledger.Read(raw)
	if in.Entry() == nil || (in.Body() == nil && in.Statement() == nil) {
		return nil, r.rules(in) // unreadable, however far the fold is: it names why
	}
	if err := r.await(ctx, r.inherited); err != nil {
		return nil, behind(err)
	}
	if o.ValidateOnly {
		return r.validate(in)
	}
	f := &flight{in: in, claims: r.claimsOf(in), placed: make(chan struct{})}
	joined, err := r.flights.enter(ctx, f)
	switch {
	case err != nil:
		return nil, err
	case joined != nil:
		f = joined
	default:
		r.aloft.Go(func() { r.fly(f) })
	}
	select {
	case <-f.placed:
	case <-ctx.Done():
		return nil, late(ctx)
	}
	if f.err != nil {
		return nil, f.err
	}
	receipt, err := r.receipt(ctx, in.Entry(), f.index, f.existing || joined != nil)
	if st := in.Statement(); err == nil && st != nil && st.Namespace != nil {
		// Who has this receipt goes on to publish under the new keys, which no claim
		// in flight tells from strangers': admission must know them by then.
		if err := r.await(ctx, receipt.Index+1); err != nil {
			return nil, loggedBehind(receipt.Index, err)
		}
	}
	return receipt, err
}

// fly ends the flight that it is given, by place or by fail. It belongs to no
// call: the engine takes nothing back when a caller leaves, and a flight that
// left the table with its caller would let the same entry be logged again.
func (r *Registry) fly(f *flight) {
	done, err := r.append(r.life, f)
	if done || err != nil {
		r.flights.fail(f, err)
		return
	}
	// Placed and durable. A crash from here on loses the receipt, never the
	// entry: the same publish, repeated, finds it.
	r.flights.place(f, f.index)
}

// append brings an entry into the log and sets its index. It is done with the
// flight when index and fold have the entry already.
func (r *Registry) append(ctx context.Context, f *flight) (done bool, err error) {
	defer func() { // a defect in one entry's way must not keep its slot and claims for ever
		if p := recover(); p != nil {
			r.Logger.Error("publishing panicked", "panic", p, "stack", string(debug.Stack()))
			err = internal("publishing", fmt.Errorf("panic: %v", p))
		}
	}()
	f.index, f.existing, err = r.admit(ctx, f.in)
	if err != nil || f.existing {
		return f.existing, err
	}
	positions, err := r.Log.Append(ctx, [][]byte{f.in.Entry().Raw()})
	switch {
	case errors.Is(err, tlog.ErrUnknown):
		f.index, err = r.lookAgain(ctx, f, err)
		return true, err
	case err != nil:
		return false, appendError(err)
	}
	f.index = positions[0]
	return false, nil
}

// lookAgain finds out whether an entry was logged whose append came to an unknown
// end. It stays in flight until index and fold cover all that the log can hold of
// it: admission does not see it earlier, and would log it twice.
func (r *Registry) lookAgain(ctx context.Context, f *flight, unknown error) (uint64, error) {
	size, err := r.integrated(ctx)
	if err == nil && size > 0 {
		_, err = r.Publication.Await(ctx, size-1)
	}
	if err == nil {
		err = r.await(ctx, size)
	}
	if err != nil { // the log has stopped, or we are closing
		return 0, appendError(fmt.Errorf("%w, and it cannot be looked up: %w", unknown, err))
	}
	at, logged, err := r.admit(ctx, f.in)
	if err != nil || logged {
		return at, err
	}
	return 0, appendError(unknown)
}

// integrated asks for the log's size until it is told, or ctx ends.
func (r *Registry) integrated(ctx context.Context) (uint64, error) {
	for {
		size, err := r.Log.IntegratedSize(ctx)
		if err == nil || ctx.Err() != nil {
			return size, err
		}
		r.Logger.Warn("reading the log's size", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryFollow):
		}
	}
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
