package client_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// grow logs n entries, so that proofs have some length.
func grow(t testing.TB, reg *rpctest.Registry, n int) {
	t.Helper()
	for i := range n {
		e := rpctest.Entry("growth " + string(rune('a'+i)))
		if _, err := reg.Publish(context.Background(), e.Raw(), registry.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPublish(t *testing.T) {
	reg := rpctest.New(1)
	grow(t, reg, 10)
	c := connect(t, reg)
	e := rpctest.Entry("mine")
	for i, existing := range []bool{false, true} {
		r, err := c.Publish(context.Background(), e)
		if err != nil {
			t.Fatal(err)
		}
		if r.Index != 11 || r.EntryID != e.ID() || r.Existing != existing || r.Checkpoint.Size != 12 {
			t.Errorf("publish %d: got %+v, want index 11, existing %t, under size 12", i+1, r, existing)
		}
		if p, err := checkpoint.ParseProof(r.Proof); err != nil || p.Index != 11 {
			t.Errorf("publish %d: the receipt's proof: %v, %v", i+1, p, err)
		}
	}
}

func TestValidate(t *testing.T) {
	reg := rpctest.New(1)
	c := newSite(t, reg).client(nil)
	if err := c.Validate(context.Background(), rpctest.Entry("mine")); err != nil {
		t.Error(err)
	}
	if _, size, _ := reg.Entries(context.Background(), 0, 1); size != 1 {
		t.Errorf("the log has %d entries, want 1", size)
	}
}

func TestWithoutAPolicyNothingIsPublished(t *testing.T) {
	reg := rpctest.New(1)
	c := newSite(t, reg).client(nil)
	ctx, e := context.Background(), rpctest.Entry("mine")
	_, publishErr := c.Publish(ctx, e)
	_, streamErr := c.PublishStream(ctx, 0, nil)
	_, mintErr := c.Mint(ctx, nil, e)
	_, submitErr := c.SubmitLedger(ctx, e)
	_, _, checkpointErr := c.Checkpoint(ctx)
	for _, err := range []error{publishErr, streamErr, mintErr, submitErr, checkpointErr} {
		refused(t, err, "POLICY_MISSING")
	}
	if _, size, _ := reg.Entries(ctx, 0, 1); size != 1 {
		t.Errorf("the log has %d entries, want 1", size)
	}
}

// reproof takes a receipt's proof apart and puts it together again.
func reproof(r *registry.Receipt, change func(*checkpoint.Proof)) {
	p, err := checkpoint.ParseProof(r.Proof)
	if err != nil {
		panic(err)
	}
	change(p)
	r.Proof = p.Format()
}

// resign has the log's own key sign another checkpoint.
func resign(seed byte, change func(*checkpoint.Checkpoint)) func(*checkpoint.Proof) {
	return func(p *checkpoint.Proof) {
		signer, err := checkpoint.NewSigner(rpctest.Origin, checkpoint.AlgEd25519, bytes.Repeat([]byte{seed}, 32))
		if err != nil {
			panic(err)
		}
		n, err := checkpoint.Parse(p.Checkpoint)
		if err != nil {
			panic(err)
		}
		c := n.Checkpoint
		change(&c)
		if p.Checkpoint, err = checkpoint.Sign(c, signer); err != nil {
			panic(err)
		}
	}
}

func TestTamperedReceiptsAreRefused(t *testing.T) {
	other := rpctest.Entry("another")
	tests := []struct {
		name   string
		tamper func(*registry.Receipt)
		cause  error // wrapped, if package checkpoint found it
	}{
		{"index of the receipt", func(r *registry.Receipt) { r.Index-- }, nil},
		{"index of the proof", func(r *registry.Receipt) { reproof(r, func(p *checkpoint.Proof) { p.Index-- }) }, nil},
		{"both indexes", func(r *registry.Receipt) {
			r.Index--
			reproof(r, func(p *checkpoint.Proof) { p.Index-- })
		}, checkpoint.ErrInclusion},
		{"an index beyond the size", func(r *registry.Receipt) {
			r.Index = 12
			reproof(r, func(p *checkpoint.Proof) { p.Index = 12 })
		}, checkpoint.ErrInclusion},
		{"size", func(r *registry.Receipt) {
			reproof(r, resign(1, func(c *checkpoint.Checkpoint) { c.Size++ }))
		}, checkpoint.ErrInclusion},
		{"size, with the signature of the true one", func(r *registry.Receipt) {
			reproof(r, func(p *checkpoint.Proof) {
				p.Checkpoint = bytes.Replace(p.Checkpoint, []byte("\n12\n"), []byte("\n13\n"), 1)
			})
		}, checkpoint.ErrLogSignature},
		{"a hash", func(r *registry.Receipt) {
			reproof(r, func(p *checkpoint.Proof) { p.Hashes[1][0] ^= 1 })
		}, checkpoint.ErrInclusion},
		{"hashes swapped", func(r *registry.Receipt) {
			reproof(r, func(p *checkpoint.Proof) { p.Hashes[0], p.Hashes[1] = p.Hashes[1], p.Hashes[0] })
		}, checkpoint.ErrInclusion},
		{"a hash missing", func(r *registry.Receipt) {
			reproof(r, func(p *checkpoint.Proof) { p.Hashes = p.Hashes[1:] })
		}, checkpoint.ErrInclusion},
		{"a hash too many", func(r *registry.Receipt) {
			reproof(r, func(p *checkpoint.Proof) { p.Hashes = append(p.Hashes, p.Hashes[0]) })
		}, checkpoint.ErrInclusion},
		{"root", func(r *registry.Receipt) {
			reproof(r, resign(1, func(c *checkpoint.Checkpoint) { c.Root[0] ^= 1 }))
		}, checkpoint.ErrInclusion},
		{"another log's key under the same name", func(r *registry.Receipt) {
			reproof(r, resign(2, func(*checkpoint.Checkpoint) {}))
		}, checkpoint.ErrLogSignature},
		{"another log", func(r *registry.Receipt) {
			reproof(r, func(p *checkpoint.Proof) {
				p.Checkpoint = bytes.ReplaceAll(p.Checkpoint, []byte(rpctest.Origin), []byte("log.example/other"))
			})
		}, checkpoint.ErrUnknownLog},
		{"another entry's id", func(r *registry.Receipt) { r.EntryID = other.ID() }, nil},
		{"no proof", func(r *registry.Receipt) { r.Proof = nil }, checkpoint.ErrMalformed},
		{"a proof with something after it", func(r *registry.Receipt) { r.Proof = append(r.Proof, '\n') }, checkpoint.ErrMalformed},
		{"a proof with extra data", func(r *registry.Receipt) {
			r.Proof = bytes.Replace(r.Proof, []byte("\nindex"), []byte("\nextra QQ==\nindex"), 1)
		}, checkpoint.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg := rpctest.New(1)
			grow(t, reg, 10)
			c := connect(t, reg)
			reg.Tamper = tt.tamper
			ctx, e := context.Background(), rpctest.Entry("mine")

			_, publishErr := c.Publish(ctx, e)
			_, mintErr := c.Mint(ctx, nil, e)
			_, submitErr := c.SubmitLedger(ctx, e)
			var streamErr error
			stream, err := c.PublishStream(ctx, 0, func(r result) { streamErr = r.Err })
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(stream.Send(e), stream.Close()); err != nil {
				t.Fatal(err)
			}
			for call, err := range map[string]error{"Publish": publishErr, "Mint": mintErr, "SubmitLedger": submitErr, "Stream": streamErr} {
				got := refused(t, err, "RECEIPT_INVALID")
				if got.Code != codes.DataLoss {
					t.Errorf("%s: code %v, want DATA_LOSS", call, got.Code)
				}
				if tt.cause != nil && !errors.Is(err, tt.cause) {
					t.Errorf("%s: %v, want one that wraps %v", call, err, tt.cause)
				}
			}
		})
	}
}

func TestAReceiptOfAnotherEntryIsRefused(t *testing.T) {
	// A true receipt with a true proof, of an entry that was not sent.
	reg := rpctest.New(1)
	theirs, err := reg.Publish(context.Background(), rpctest.Entry("theirs").Raw(), registry.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mine := rpctest.Entry("mine")
	for _, claimed := range [][32]byte{theirs.EntryID, mine.ID()} {
		reg.Tamper = func(r *registry.Receipt) {
			*r = *theirs
			r.EntryID = claimed
		}
		_, err := connect(t, reg).Publish(context.Background(), mine)
		refused(t, err, "RECEIPT_INVALID")
	}
}

func TestAQuorumThatIsNotMetRefusesReceipts(t *testing.T) {
	reg := rpctest.New(1)
	witness, err := checkpoint.NewSigner("witness.example", checkpoint.AlgCosignature, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := checkpoint.ParsePolicy([]byte("log " + reg.Trust().Logs()[0].Key.String() + "\nwitness w " + witness.Key().String() + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = newSite(t, reg).client(policy).Publish(context.Background(), rpctest.Entry("mine"))
	refused(t, err, "RECEIPT_INVALID")
	if !errors.Is(err, checkpoint.ErrQuorum) {
		t.Errorf("got %v, want one that wraps %v", err, checkpoint.ErrQuorum)
	}
}
