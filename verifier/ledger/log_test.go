package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

const origin = "log.example.com/test"

// A tester is a *testing.T or a *rapid.T, so that rapid sees failures.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// A testLog is a small log in memory: it knows its root at every size, and
// folds itself as it grows.
type testLog struct {
	t      tester
	name   string // of the scenario that it plays
	state  *ledger.State
	leaves [][]byte
	roots  [][32]byte // by size
	tree   *compact.Range
	steps  []step
}

// A step is one entry of a scenario and what must become of it.
type step struct {
	story string
	raw   []byte
	got   ledger.Outcome
}

func newLog(t tester) *testLog {
	l := &testLog{t: t}
	l.tree = (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	l.roots = append(l.roots, [32]byte(rfc6962.DefaultHasher.EmptyRoot()))
	l.state = ledger.New(origin, l)
	return l
}

// RootAt makes a testLog its own ledger.Roots.
func (l *testLog) RootAt(size uint64) ([32]byte, error) {
	if size >= uint64(len(l.roots)) {
		return [32]byte{}, fmt.Errorf("size %d of a log of %d", size, len(l.roots)-1)
	}
	return l.roots[size], nil
}

func (l *testLog) size() uint64 { return uint64(len(l.leaves)) }

func (l *testLog) grow(raw []byte) {
	l.t.Helper()
	if err := l.tree.Append(rfc6962.DefaultHasher.HashLeaf(raw), nil); err != nil {
		l.t.Fatal(err)
	}
	root, err := l.tree.GetRootHash(nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.leaves, l.roots = append(l.leaves, raw), append(l.roots, [32]byte(root))
}

// add logs an entry and wants it to end with a code. It returns the index.
func (l *testLog) add(story string, want ledger.Code, e *entry.Entry) uint64 {
	l.t.Helper()
	return l.addRaw(story, want, e.Raw())
}

func (l *testLog) addRaw(story string, want ledger.Code, raw []byte) uint64 {
	l.t.Helper()
	index := l.size()
	if in := ledger.Read(raw); in.Entry() != nil {
		if check := l.state.CheckInput(in); check.Code != want {
			l.t.Errorf("%s: Check gives %s (%s), want %s", story, check.Code, check.Detail, want)
		}
	}
	l.grow(raw)
	got := l.state.Apply(index, raw)
	if got.Code != want {
		l.t.Errorf("%s: %s (%s), want %s", story, got.Code, got.Detail, want)
	}
	if err := l.state.CheckInvariants(); err != nil {
		l.t.Fatalf("%s: %v", story, err)
	}
	l.steps = append(l.steps, step{story, raw, got})
	return index
}

// log logs an entry that must be accepted, and looks no further: a log of
// thousands is not checked at every entry.
func (l *testLog) log(e *entry.Entry) {
	l.t.Helper()
	l.grow(e.Raw())
	if got := l.state.ApplyParsed(l.size()-1, e, nil); !got.Accepted() {
		l.t.Fatalf("%+v", got)
	}
}

// edKey returns the Ed25519 key that is a function of n.
func edKey(n byte) *entry.PrivateKey { return makeKey(entry.Ed25519, n) }

func makeKey(alg entry.Alg, n byte) *entry.PrivateKey {
	k, err := entry.GenerateKey(alg, bytes.NewReader(bytes.Repeat([]byte{n}, 32)))
	if err != nil {
		panic(err)
	}
	return k
}

// The people of all scenarios.
var (
	operator, governor, governor2 = edKey(1), edKey(2), edKey(3)
	eva, evan, evita              = edKey(11), edKey(12), edKey(13) // evaluators
	ada, bob, carol, mallory      = edKey(21), edKey(22), edKey(23), edKey(66)
	pat                           = makeKey(entry.P256, 31) // publishes, and owns no account
)

func ledgerKey(k *entry.PrivateKey) ledger.Key {
	key, err := ledger.KeyOf(k.Public())
	if err != nil {
		panic(err)
	}
	return key
}

func accountOf(k *entry.PrivateKey) ledger.AccountID { return ledgerKey(k).Account() }

// keySet sorts the keys by their public bytes.
func keySet(threshold int, keys ...*entry.PrivateKey) ledger.KeySet {
	all := make([]ledger.Key, len(keys))
	for i, k := range keys {
		all[i] = ledgerKey(k)
	}
	return ledger.KeySet{Threshold: threshold, Keys: ledger.ExamplePolicy(1, all...).Classes[0].Evaluators.Keys}
}

// testPolicy has small numbers: a budget of 1000, of which data gets 600
// (2 of 3 evaluators, 3/2 a record) and code 400 (1 of 1, 10 a change).
func testPolicy() *ledger.Policy {
	return &ledger.Policy{
		Budget: ledger.Budget{Initial: ledger.NewAmount(1000)},
		Classes: []ledger.Class{
			{ID: "code", Share: 40, Unit: "change", Rate: ledger.Rate{Num: 10, Den: 1}, Max: ledger.NewAmount(300), Evaluators: keySet(1, evita)},
			{ID: "data", Share: 60, Unit: "record", Rate: ledger.Rate{Num: 3, Den: 2}, Max: ledger.NewAmount(500), Evaluators: keySet(2, eva, evan, evita)},
		},
	}
}

// testGenesis is signed by 2 of 2 governors.
func testGenesis() *ledger.Genesis {
	return &ledger.Genesis{
		Rules: ledger.RulesVersion, Origin: origin, Operator: ledgerKey(operator), Governance: keySet(2, governor, governor2),
		EpochStart: 1_770_000_000, EpochLength: 7 * 86400,
		Symbol: "TST", Decimals: 3, Cap: ledger.NewAmount(100_000), Policy: testPolicy().String(),
	}
}

func sign(t tester, b ledger.Body, keys ...*entry.PrivateKey) *entry.Entry {
	t.Helper()
	e, err := ledger.Sign(b, keys...)
	if err != nil {
		t.Fatalf("signing a %s: %v", b.Kind(), err)
	}
	return e
}

func (l *testLog) sign(b ledger.Body, keys ...*entry.PrivateKey) *entry.Entry {
	l.t.Helper()
	return sign(l.t, b, keys...)
}

// found logs the genesis that changes make of the ordinary one.
func (l *testLog) found(changes ...func(*ledger.Genesis)) {
	l.t.Helper()
	g := testGenesis()
	for _, change := range changes {
		change(g)
	}
	l.add("two governors found the ledger", ledger.Accepted, l.sign(g, governor, governor2))
}

// credit is one for 100 records of Ada's, worth 150.
func (l *testLog) credit(serial uint64, changes ...func(*ledger.Credit)) *ledger.Credit {
	c := &ledger.Credit{
		Ledger: l.state.LedgerID(), Class: "data", Serial: serial, Subject: sha256.Sum256([]byte("a dataset")),
		Beneficiary: accountOf(ada), Work: 100, Evidence: sha256.Sum256([]byte("what the evaluators saw")),
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

// mint claims the credit of a serial that was accepted at index, under the
// tree as it stands.
func (l *testLog) mint(class string, serial, index uint64, changes ...func(*ledger.Mint)) *ledger.Mint {
	m := &ledger.Mint{Ledger: l.state.LedgerID(), Class: class, Serial: serial, Index: index, Size: l.size(), Root: l.roots[l.size()]}
	for _, change := range changes {
		change(m)
	}
	return m
}

func (l *testLog) spend(from *entry.PrivateKey) ledger.Spend {
	a, _ := l.state.Account(accountOf(from))
	return ledger.Spend{Ledger: l.state.LedgerID(), Account: accountOf(from), Nonce: a.Nonce, Expires: l.size() + 100}
}

func (l *testLog) transfer(from, to *entry.PrivateKey, amount uint64, changes ...func(*ledger.Transfer)) *ledger.Transfer {
	x := &ledger.Transfer{Spend: l.spend(from), To: accountOf(to), Amount: ledger.NewAmount(amount)}
	for _, change := range changes {
		change(x)
	}
	return x
}

// fund credits and mints 150 to Ada.
func (l *testLog) fund(serial uint64) {
	l.t.Helper()
	at := l.add("a credit of 150 to Ada", ledger.Accepted, l.sign(l.credit(serial), eva, evan))
	l.add("Ada mints it", ledger.Accepted, l.sign(l.mint("data", serial, at), ada))
}

// model returns a model statement; variant changes its digest.
func model(t tester, name string, variant byte) *statement.Statement {
	t.Helper()
	n, err := statement.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	m := &statement.Model{Files: 1, Bytes: 8, Tensors: 1, FileRoot: statement.Digest{variant}, WeightsRoot: statement.Digest{1}, License: "MIT"}
	return statement.NewModel(n, m)
}

func dataset(t tester, name string, variant byte) *statement.Statement {
	t.Helper()
	n, err := statement.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	d := &statement.Dataset{Root: statement.Digest{variant}, Records: 2, Files: 1, Bytes: 20, Form: statement.FormLines, License: "MIT"}
	return statement.NewDataset(n, d)
}

func state(t tester, st *statement.Statement, keys ...*entry.PrivateKey) *entry.Entry {
	t.Helper()
	body, err := st.Marshal()
	if err != nil {
		t.Fatalf("a %s statement: %v", st.Kind, err)
	}
	e, err := entry.Sign(entry.TypeStatement, body, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (l *testLog) says(st *statement.Statement, keys ...*entry.PrivateKey) *entry.Entry {
	l.t.Helper()
	return state(l.t, st, keys...)
}

// signedBody returns an entry that Ada signs, of any ledger body.
func signedBody(body []byte) []byte {
	e, err := entry.Sign(entry.TypeLedger, body, ada)
	if err != nil {
		return body // too large to be an entry
	}
	return e.Raw()
}
