package index

import (
	"crypto/sha256"
	"errors"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// Project returns the row of an entry: a pure function of its arguments. raw is the log leaf, e what it parses
// to and st what e's body parses to, each nil if it does not; code is what the fold said, CodeAccepted or a
// rejection code.
//
// A rejected entry is found like any other, with its code, but claims no lineage. An entry whose signatures do
// not all hold, or whose body cannot be read, is found by its id, code and kind malformed alone: nobody said it.
func Project(index uint64, raw []byte, e *entry.Entry, st *statement.Statement, code string) Row {
	row := Row{Index: index, Kind: KindMalformed, Code: code}
	if e == nil {
		row.EntryID = sha256.Sum256(raw)
		return row
	}
	row.EntryID = e.ID()
	if e.Verify() != nil {
		return row
	}
	row.StatementID = e.StatementID()
	for _, s := range e.Signatures() {
		row.Publishers = append(row.Publishers, s.Key.ID())
	}
	switch {
	case e.Type() == entry.TypeLedger:
		row.projectLedger(e)
	case st != nil:
		row.projectStatement(st)
	}
	return row
}

func (r *Row) add(f Field, value string) {
	if value != "" {
		r.Terms = append(r.Terms, Term{f, value})
	}
}

// addHash adds a digest, unless it is absent.
func (r *Row) addHash(f Field, h [32]byte) {
	if d := statement.Digest(h); !d.IsZero() {
		r.add(f, d.String())
	}
}

func (r *Row) projectStatement(st *statement.Statement) {
	r.Kind = st.Kind.String()
	for i, s := range st.Subjects {
		if st.Kind != statement.KindForeign { // whose subjects are found by its Refs
			r.projectSubject(i, st.Kind, s)
		}
	}
	for _, ref := range st.Refs() {
		if f := refField(ref); f != 0 {
			r.add(f, ref.Value)
		}
	}
	switch {
	case st.Model != nil:
		r.add(FieldLicense, st.Model.License)
		r.claim(st, st.Model.Bases, st.Model.Datasets)
	case st.Dataset != nil:
		r.add(FieldLicense, st.Dataset.License)
	case st.Training != nil:
		r.claim(st, st.Training.Bases, st.Training.Datasets)
	}
}

// projectSubject makes the first subject the row's own, and the outputs of a training run after it terms.
func (r *Row) projectSubject(i int, kind statement.Kind, s statement.Subject) {
	name, err := statement.ParseName(s.Name)
	switch {
	case i == 0 && kind == statement.KindNamespace:
		r.Name = s.Name // its digest says no more than its name
	case i == 0:
		r.Digest = s.Digest.String()
		if err == nil {
			r.Name = name.String()
		}
	default:
		r.addHash(FieldSubject, s.Digest)
		if err == nil {
			r.add(FieldName, name.Base())
			r.add(KeyRef, name.String())
		}
	}
}

// refField returns the field under which a reference is a term, or 0: subjects are in the row's columns, and a
// statement that names another one is found from there.
func refField(ref statement.Ref) Field {
	switch ref.Kind {
	case statement.RefAlias:
		return FieldAlias
	case statement.RefBase:
		return FieldBase
	case statement.RefBenchmark:
		return FieldBenchmark
	case statement.RefDocument:
		return FieldDocument
	case statement.RefFile:
		return FieldFile
	case statement.RefWeights:
		return FieldWeights
	case statement.RefDataset:
		if ref.Role != statement.RoleSubject && ref.Role != "superseded-by" {
			return FieldDataset
		}
	}
	return 0
}

// claim adds the edges from every subject to every input. Lineage is what the fold accepted: a rejected
// entry's claims would hang strangers' models onto names that they do not hold.
func (r *Row) claim(st *statement.Statement, bases []statement.Base, datasets []statement.Use) {
	if r.Code != CodeAccepted {
		return
	}
	for _, s := range st.Subjects {
		child := s.Digest.String()
		for _, b := range bases {
			r.Edges = append(r.Edges, Edge{child, b.Digest.String(), nameText(b.Name), string(b.Relation)})
		}
		for _, u := range datasets {
			r.Edges = append(r.Edges, Edge{child, u.Digest.String(), nameText(u.Name), "dataset:" + string(u.Role)})
		}
	}
}

func nameText(n statement.Name) string {
	if n == (statement.Name{}) {
		return ""
	}
	return n.String()
}

func (r *Row) projectLedger(e *entry.Entry) {
	body, err := ledger.ParseBody(e.Body())
	if errors.Is(err, ledger.ErrReserved) {
		r.Kind = ledger.Kind(e.Body()[0]).String()
	}
	if err != nil {
		return
	}
	r.Kind = body.Kind().String()
	switch b := body.(type) {
	case *ledger.Credit:
		r.Digest = statement.Digest(b.Subject).String()
		r.add(FieldClass, b.Class)
		r.add(FieldAccount, b.Beneficiary.String())
		r.addHash(FieldDocument, b.Evidence)
	case *ledger.CreditRevoke:
		r.add(FieldClass, b.Class)
	case *ledger.Mint:
		r.add(FieldClass, b.Class)
		r.addSigner(e)
	case *ledger.Transfer:
		r.add(FieldAccount, b.Account.String())
		r.add(FieldAccount, b.To.String())
	case *ledger.Burn:
		r.add(FieldAccount, b.Account.String())
	case *ledger.Redeem:
		r.add(FieldAccount, b.Account.String())
	case *ledger.RotateKey:
		r.add(FieldAccount, b.Account.String())
	case *ledger.Freeze:
		r.add(FieldAccount, b.Account.String())
		r.addHash(FieldDocument, b.Document)
	case *ledger.Unfreeze:
		r.add(FieldAccount, b.Account.String())
		r.addHash(FieldDocument, b.Document)
	}
}

// addSigner finds a mint under the account that its signer's key began: a mint names no account, but only its
// credit's beneficiary may sign it.
func (r *Row) addSigner(e *entry.Entry) {
	for _, s := range e.Signatures() {
		if account, err := ledger.AccountOf(s.Key); err == nil {
			r.add(FieldAccount, account.String())
		}
	}
}
