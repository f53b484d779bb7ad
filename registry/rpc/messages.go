package rpc

import (
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
	}
}

func outcomeMessage(o ledger.Outcome) *pb.LedgerOutcome {
	return &pb.LedgerOutcome{Kind: o.Kind, Code: o.Code.String(), Detail: o.Detail}
}
