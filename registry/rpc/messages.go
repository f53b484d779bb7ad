package rpc

import (
	"math"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func receiptMessage(r *registry.Receipt) *pb.Receipt {
	return &pb.Receipt{Index: r.Index, EntryId: r.EntryID[:], Proof: string(r.Proof), Existing: r.Existing}
}

func entryMessage(v *registry.EntryView) *pb.Entry {
	return &pb.Entry{
		Index:   v.Index,
		EntryId: v.EntryID[:],
		Raw:     v.Raw,
		Kind:    v.Kind,
		Name:    v.Name,
		Digest:  v.Digest,
		Code:    v.Code,

		Standing: standingMessage(&v.Standing),
	}
}

// standingMessage returns nil where there is nothing to say.
func standingMessage(s *registry.Standing) *pb.Standing {
	if s.Empty() {
		return nil
	}
	m := &pb.Standing{State: s.State, By: s.By, Disputed: uint32(min(s.Disputed, math.MaxUint32)), Disputes: s.Disputes, Unbound: s.Unbound, TreeSize: s.Size}
	if s.State != "" {
		m.Index = &s.Index
	}
	return m
}

func outcomeMessage(o ledger.Outcome) *pb.LedgerOutcome {
	return &pb.LedgerOutcome{Kind: o.Kind, Code: o.Code.String(), Detail: o.Detail}
}
