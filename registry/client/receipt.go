package client

import (
	"fmt"

	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/grpc/codes"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// A Receipt proves that an entry is in the log. It was verified.
type Receipt struct {
	// Index of the entry in the log, from 0.
	Index uint64
	// EntryID is SHA-256 of the entry.
	EntryID [32]byte
	// Proof is the c2sp.org/tlog-proof text, for a bundle or to keep.
	Proof []byte
	// Existing: the entry was logged before this call.
	Existing bool
	// Checkpoint is what the policy found true of the proof's checkpoint. It is
	// shared and must not be changed.
	Checkpoint *checkpoint.Verified
}

// verify makes a receipt of what the server sent, if it proves that the log
// holds exactly e. The entry's own signatures are the sender's affair.
func (c *Client) verify(e *entry.Entry, got *pb.Receipt) (*Receipt, error) {
	if err := checkEntryID(e, got); err != nil {
		return nil, err
	}
	proof, err := checkpoint.ParseProof([]byte(got.GetProof()))
	if err != nil {
		return nil, receiptInvalid(e, err)
	}
	if proof.Index != got.GetIndex() {
		return nil, receiptInvalid(e, fmt.Errorf("index %d, but the proof is of index %d", got.GetIndex(), proof.Index))
	}
	verified, err := c.memo.Verify(proof.Checkpoint)
	if err != nil {
		return nil, receiptInvalid(e, err)
	}
	leaf := [32]byte(rfc6962.DefaultHasher.HashLeaf(e.Raw()))
	if err := proof.Verify(leaf, verified.Checkpoint); err != nil {
		return nil, receiptInvalid(e, err)
	}
	return &Receipt{
		Index:      proof.Index,
		EntryID:    e.ID(),
		Proof:      []byte(got.GetProof()),
		Existing:   got.GetExisting(),
		Checkpoint: verified,
	}, nil
}

func checkEntryID(e *entry.Entry, got *pb.Receipt) error {
	if id := e.ID(); string(got.GetEntryId()) != string(id[:]) {
		return receiptInvalid(e, fmt.Errorf("it is for entry %x", got.GetEntryId()))
	}
	return nil
}

func receiptInvalid(e *entry.Entry, err error) *Error {
	return &Error{
		Code:    codes.DataLoss,
		Reason:  ReasonReceiptInvalid,
		Message: fmt.Sprintf("the receipt for entry %x does not hold: %v", e.ID(), err),
		Hint:    "keep the entry and send it again; if the policy is right, this server or what lies between is broken or lies",
		cause:   err,
	}
}

// needPolicy refuses calls whose answer could not be verified.
func (c *Client) needPolicy() error {
	if c.memo == nil {
		return &Error{
			Code:    codes.InvalidArgument,
			Reason:  ReasonPolicyMissing,
			Message: "there is no policy by which to verify the receipt",
			Hint:    "give the log's trust policy; its operator publishes it",
		}
	}
	return nil
}
