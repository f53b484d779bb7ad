package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// describe says in lines what an entry says: what a signer is about to sign, and
// what a reader has got. An entry that is not understood says so.
func describe(e *entry.Entry) []field {
	switch e.Type() {
	case entry.TypeStatement:
		st, err := statement.Parse(e.Body())
		if err != nil {
			return []field{{"what", "a statement that does not parse: " + err.Error()}}
		}
		return describeStatement(st)
	case entry.TypeLedger:
		b, err := ledger.ParseBody(e.Body())
		if err != nil {
			return []field{{"what", "a ledger entry that does not parse: " + err.Error()}}
		}
		return append([]field{{"what", b.Kind().String()}}, describeLedger(b)...)
	}
	return []field{{"what", "an entry of the unknown type " + e.Type()}}
}

func describeStatement(st *statement.Statement) []field {
	fields := []field{{"what", st.Kind.String()}}
	for _, sub := range st.Subjects {
		fields = append(fields, field{"subject", strings.TrimSpace(sub.Name + " " + sub.Digest.String())})
	}
	if m := st.Model; m != nil {
		fields = append(fields, field{"files", fmt.Sprintf("%d, %d tensors, %d bytes", m.Files, m.Tensors, m.Bytes)}, field{"license", m.License})
		for _, b := range m.Bases {
			fields = append(fields, field{"base", strings.TrimSpace(fmt.Sprintf("%s %s %s", b.Relation, b.Digest, nameText(b.Name)))})
		}
		for _, d := range m.Datasets {
			fields = append(fields, field{"dataset", strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Role, d.Digest, nameText(d.Name)))})
		}
		fields = append(fields, field{"ignored", strings.Join(m.Ignored, ", ")}, field{"raw", strings.Join(m.Raw, ", ")})
	}
	if d := st.Dataset; d != nil {
		salted := ""
		if d.Salted {
			salted = ", salted"
		}
		fields = append(fields,
			field{"records", fmt.Sprintf("%d in %d files, %d bytes, by %s%s", d.Records, d.Files, d.Bytes, d.Form, salted)},
			field{"license", d.License}, field{"sources", strings.Join(d.Sources, ", ")}, field{"modalities", strings.Join(d.Modalities, ", ")})
	}
	if x := st.Status; x != nil {
		fields = append(fields, field{"state", string(x.State)}, field{"reason", x.Reason}, field{"by", optional(x.By)}, field{"document", optional(x.Document)})
	}
	if n := st.Namespace; n != nil {
		fields = append(append(fields, namespaceFields(n)...), field{"previous", optional(n.Previous)})
	}
	return fields
}

// optional is empty for no digest.
func optional(d statement.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

func nameText(n statement.Name) string {
	if n == (statement.Name{}) {
		return ""
	}
	return n.String()
}

// describeLedger shows amounts in base units: how many make a token stands in
// the genesis, which is not at hand offline.
func describeLedger(b ledger.Body) []field {
	spend := func(s ledger.Spend) []field {
		return []field{{"ledger", s.Ledger.String()}, {"account", s.Account.String()}, {"nonce", number(s.Nonce)}, {"expires", "entry " + number(s.Expires)}}
	}
	switch b := b.(type) {
	case *ledger.Genesis:
		return []field{
			{"origin", b.Origin}, {"symbol", b.Symbol}, {"decimals", strconv.Itoa(int(b.Decimals))}, {"cap", b.Cap.String() + " base units"},
			{"operator", b.Operator.String()}, {"governance", fmt.Sprintf("%d of %d keys", b.Governance.Threshold, len(b.Governance.Keys))}}
	case *ledger.Credit:
		return []field{
			{"ledger", b.Ledger.String()}, {"class", b.Class}, {"serial", number(b.Serial)}, {"epoch", number(b.Epoch)},
			{"subject", digestText(b.Subject)}, {"beneficiary", b.Beneficiary.String()}, {"units", number(b.Work)}, {"evidence", digestText(b.Evidence)}}
	case *ledger.CreditRevoke:
		return []field{{"ledger", b.Ledger.String()}, {"class", b.Class}, {"serial", number(b.Serial)}, {"reason", number(uint64(b.Reason))}}
	case *ledger.Mint:
		return []field{
			{"ledger", b.Ledger.String()}, {"class", b.Class}, {"serial", number(b.Serial)}, {"credit", "entry " + number(b.Index)},
			{"size", number(b.Size)}, {"root", hex.EncodeToString(b.Root[:])}}
	case *ledger.Transfer:
		return append(spend(b.Spend), field{"to", b.To.String()}, field{"amount", b.Amount.String() + " base units"})
	case *ledger.Burn:
		return append(spend(b.Spend), field{"amount", b.Amount.String() + " base units"})
	case *ledger.PolicyEntry:
		return []field{{"ledger", b.Ledger.String()}, {"sequence", number(b.Sequence)}, {"epoch", number(b.Epoch)}}
	}
	return nil
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
