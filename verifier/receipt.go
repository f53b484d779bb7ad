package verifier

import (
	"fmt"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Included is what a receipt proves: that the log held the entry at Index when
// the checkpoint was signed.
type Included struct {
	Entry      *entry.Entry
	Index      uint64
	Checkpoint *checkpoint.Verified
}

// VerifyReceipt checks one entry and its proof on their own: structure and
// signatures of the entry, checkpoint, inclusion. believe decides about the
// checkpoint: checkpoint.Policy.Verify, or checkpoint.Memo.Verify when many
// receipts share one.
func VerifyReceipt(raw, proof []byte, believe func(note []byte) (*checkpoint.Verified, error)) (*Included, error) {
	e, err := entry.Parse(raw)
	if err != nil {
		return nil, err
	}
	return VerifyReceiptOf(e, proof, believe)
}

// VerifyReceiptOf is VerifyReceipt for an entry that is parsed already. An
// entry remembers that its signatures held, so a caller that has just verified
// it does not pay for them twice.
func VerifyReceiptOf(e *entry.Entry, proof []byte, believe func(note []byte) (*checkpoint.Verified, error)) (*Included, error) {
	if err := e.Verify(); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	p, err := checkpoint.ParseProof(proof)
	if err != nil {
		return nil, err
	}
	c, err := believe(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	leaf := [32]byte(rfc6962.DefaultHasher.HashLeaf(e.Raw()))
	if err := p.Verify(leaf, c.Checkpoint); err != nil {
		return nil, err
	}
	return &Included{Entry: e, Index: p.Index, Checkpoint: c}, nil
}
