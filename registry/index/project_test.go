package index_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

func sum(what string) statement.Digest { return sha256.Sum256([]byte(what)) }
func text(what string) string          { return sum(what).String() }

func key(t *testing.T, seed byte) *entry.PrivateKey {
	t.Helper()
	k, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	tiny = statement.Name{Namespace: "acme", Name: "tiny", Version: "1"}
	base = statement.Name{Namespace: "acme", Name: "base", Version: "9"}
)

func term(f index.Field, value string) index.Term { return index.Term{Field: f, Value: value} }

// statements are one of each kind, with the row that each projects to; ids and publishers are filled in.
func statements(t *testing.T) []struct {
	st   *statement.Statement
	want index.Row
} {
	model := statement.NewModel(tiny, &statement.Model{
		FileRoot: sum("files"), WeightsRoot: sum("weights"), Files: 2, Bytes: 10, Tensors: 1, License: "MIT",
		Bases:    []statement.Base{{Digest: sum("base"), Name: base, Relation: statement.RelationFinetune}},
		Datasets: []statement.Use{{Digest: sum("data"), Role: statement.RoleTrain}},
		Aliases:  []statement.Alias{{Kind: statement.AliasOMS, Value: sum("oms")}},
		Manifest: sum("manifest"),
	})
	model.ListFiles([]statement.File{{Path: "m.safetensors", SHA256: sum("file"), Size: 5}})
	dataset := statement.NewDataset(tiny, &statement.Dataset{
		Root: sum("root"), Records: 3, Files: 1, Bytes: 9, Form: statement.FormLines, License: "CC0-1.0", Croissant: sum("croissant"),
	})
	outputs := []statement.Subject{
		{Name: "acme/tiny@1", Alg: statement.AlgModel, Digest: sum("out 1")},
		{Name: "acme/other@1", Alg: statement.AlgModel, Digest: sum("out 2")},
	}
	training := statement.NewTraining(slices.Clone(outputs), &statement.Training{
		Datasets: []statement.Use{{Digest: sum("data"), Role: statement.RoleTrain}}, Code: []statement.Digest{sum("code")},
	})
	for _, s := range []*statement.Statement{model, dataset, training} {
		s.Sort()
	}
	first, second := training.Subjects[0], training.Subjects[1]
	second2, err := statement.ParseName(second.Name)
	if err != nil {
		t.Fatal(err)
	}
	return []struct {
		st   *statement.Statement
		want index.Row
	}{
		{model, index.Row{
			Kind: "model", Name: "acme/tiny@1", Digest: model.Model.Digest().String(),
			Terms: []index.Term{
				term(index.FieldAlias, text("oms")), term(index.FieldBase, text("base")), term(index.FieldDataset, text("data")),
				term(index.FieldDocument, text("manifest")), term(index.FieldFile, text("file")), term(index.FieldWeights, text("weights")),
				term(index.FieldLicense, "MIT"),
			},
			Edges: []index.Edge{
				{Child: model.Model.Digest().String(), Parent: text("base"), ParentName: "acme/base@9", Relation: "finetune"},
				{Child: model.Model.Digest().String(), Parent: text("data"), Relation: "dataset:train"},
			},
		}},
		{dataset, index.Row{
			Kind: "dataset", Name: "acme/tiny@1", Digest: dataset.Dataset.Digest().String(),
			Terms: []index.Term{term(index.FieldDocument, text("croissant")), term(index.FieldLicense, "CC0-1.0")},
		}},
		{training, index.Row{
			Kind: "training", Name: first.Name, Digest: first.Digest.String(),
			Terms: []index.Term{
				term(index.FieldSubject, second.Digest.String()), term(index.FieldName, second2.Base()), term(index.KeyRef, second.Name),
				term(index.FieldDataset, text("data")), term(index.FieldDocument, text("code")),
			},
			Edges: []index.Edge{
				{Child: first.Digest.String(), Parent: text("data"), Relation: "dataset:train"},
				{Child: second.Digest.String(), Parent: text("data"), Relation: "dataset:train"},
			},
		}},
		{statement.NewEvaluation(outputs[0], &statement.Evaluation{
			Benchmark: "mmlu", Dataset: sum("data"), Metrics: []statement.Metric{{Name: "accuracy", Value: "0.9"}},
		}), index.Row{
			Kind: "evaluation", Name: "acme/tiny@1", Digest: text("out 1"),
			Terms: []index.Term{term(index.FieldBenchmark, "mmlu"), term(index.FieldDataset, text("data"))},
		}},
		{statement.NewStatus(outputs[0], &statement.Status{State: statement.StateRevoked, Reason: "leak", Document: sum("why")}), index.Row{
			Kind: "status", Name: "acme/tiny@1", Digest: text("out 1"), Terms: []index.Term{term(index.FieldDocument, text("why"))},
		}},
		{statement.NewNamespace("acme", &statement.Namespace{Keys: []entry.PublicKey{key(t, 1).Public()}, Threshold: 1}), index.Row{
			Kind: "namespace", Name: "acme",
		}},
	}
}

func TestProjectStatements(t *testing.T) {
	for _, c := range statements(t) {
		t.Run(c.want.Kind, func(t *testing.T) {
			body, err := c.st.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			e := signed(t, entry.TypeStatement, body)
			c.want.Index, c.want.Code = 5, index.CodeAccepted
			c.want.EntryID, c.want.StatementID = e.ID(), e.StatementID()
			c.want.Publishers = []entry.KeyID{key(t, 1).Public().ID()}
			wantRow(t, index.Project(5, e.Raw(), e, c.st, index.CodeAccepted), c.want)

			c.want.Code, c.want.Edges = "NAME_BOUND", nil
			wantRow(t, index.Project(5, e.Raw(), e, c.st, "NAME_BOUND"), c.want)
		})
	}
}

func TestProjectForeign(t *testing.T) {
	body := []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + hexDigest + `"}}],` +
		`"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`)
	st, err := statement.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	e := signed(t, entry.TypeStatement, body)
	got := index.Project(0, e.Raw(), e, st, index.CodeAccepted)
	if got.Kind != "foreign" || got.Name != "" || !got.Has(term(index.FieldFile, "sha256:"+hexDigest)) {
		t.Errorf("a provenance statement projects to %+v, want it to be found by its file", got)
	}
}

func TestProjectLedger(t *testing.T) {
	account := func(seed byte) ledger.AccountID {
		id, err := ledger.AccountOf(key(t, seed).Public())
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	alice, bob := account(1), account(2) // key 1 signs all of them
	spend := ledger.Spend{Account: alice, Expires: 9}
	for _, c := range []struct {
		body   ledger.Body
		digest string
		terms  []index.Term
	}{
		{&ledger.Credit{Class: "data", Serial: 1, Subject: sum("model"), Beneficiary: bob, Work: 3, Evidence: sum("seen")}, text("model"),
			[]index.Term{term(index.FieldClass, "data"), term(index.FieldAccount, bob.String()), term(index.FieldDocument, text("seen"))}},
		{&ledger.CreditRevoke{Class: "data", Serial: 1}, "", []index.Term{term(index.FieldClass, "data")}},
		{&ledger.Mint{Class: "data", Serial: 1, Size: 1}, "", []index.Term{term(index.FieldClass, "data"), term(index.FieldAccount, alice.String())}},
		{&ledger.Transfer{Spend: spend, To: bob}, "", []index.Term{term(index.FieldAccount, alice.String()), term(index.FieldAccount, bob.String())}},
		{&ledger.Burn{Spend: spend}, "", []index.Term{term(index.FieldAccount, alice.String())}},
		{&ledger.Redeem{Spend: spend, Offer: "hours"}, "", []index.Term{term(index.FieldAccount, alice.String())}},
		{&ledger.RotateKey{Spend: spend, Key: ledger.Key(key(t, 3).Public().Bytes)}, "", []index.Term{term(index.FieldAccount, alice.String())}},
		{&ledger.Freeze{Account: bob, Sequence: 1, Document: sum("order")}, "",
			[]index.Term{term(index.FieldAccount, bob.String()), term(index.FieldDocument, text("order"))}},
		{&ledger.Unfreeze{Account: bob, Sequence: 2}, "", []index.Term{term(index.FieldAccount, bob.String())}},
		{&ledger.StateEntry{}, "", nil},
	} {
		t.Run(c.body.Kind().String(), func(t *testing.T) {
			e, err := ledger.Sign(c.body, key(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			wantRow(t, index.Project(3, e.Raw(), e, nil, index.CodeAccepted), index.Row{
				Index: 3, EntryID: e.ID(), StatementID: e.StatementID(), Kind: c.body.Kind().String(), Code: index.CodeAccepted,
				Digest: c.digest, Publishers: []entry.KeyID{key(t, 1).Public().ID()}, Terms: c.terms,
			})
		})
	}
}

// TestProjectMalformed has what nobody said: it is found, and says nothing.
func TestProjectMalformed(t *testing.T) {
	junk := []byte("no entry")
	wantRow(t, index.Project(1, junk, nil, nil, "ENTRY_MALFORMED"), index.Row{
		Index: 1, EntryID: sha256.Sum256(junk), Kind: index.KindMalformed, Code: "ENTRY_MALFORMED",
	})

	st := statements(t)[0].st
	body, err := st.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	raw := bytes.Clone(signed(t, entry.TypeStatement, body).Raw())
	raw[len(raw)-1] ^= 1 // in the signature
	forged, err := entry.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	wantRow(t, index.Project(1, raw, forged, st, "SIGNATURE_INVALID"), index.Row{
		Index: 1, EntryID: forged.ID(), Kind: index.KindMalformed, Code: "SIGNATURE_INVALID",
	})

	for story, e := range map[string]*entry.Entry{
		"a statement that cannot be read": signed(t, entry.TypeStatement, []byte("{}")),
		"a ledger entry of no kind":       signed(t, entry.TypeLedger, []byte{200, 1}),
		"another type":                    signed(t, "text/plain", []byte("hello")),
	} {
		got := index.Project(1, e.Raw(), e, nil, "STATEMENT_MALFORMED")
		if got.Kind != index.KindMalformed || len(got.Publishers) != 1 || got.StatementID != e.StatementID() {
			t.Errorf("%s projects to %+v, want kind malformed, found by its signer and ids", story, got)
		}
	}
}

// TestKeys holds the row to its own table: what Keys yields, a filter finds.
func TestKeys(t *testing.T) {
	for _, c := range statements(t) {
		for k := range c.want.Keys() {
			if !index.NewFilter(k).Match(&c.want) {
				t.Errorf("%s: the filter of its key %v does not match the row", c.want.Kind, k)
			}
			if canonical, err := k.Field.Canonical(k.Value); err != nil || canonical != k.Value {
				t.Errorf("%s: key %v is not canonical: %s, %v", c.want.Kind, k, canonical, err)
			}
		}
	}
}

func signed(t *testing.T, typ string, body []byte) *entry.Entry {
	t.Helper()
	e, err := entry.Sign(typ, body, key(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wantRow(t *testing.T, got, want index.Row) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("row differs (-want +got):\n%s", diff)
	}
}
