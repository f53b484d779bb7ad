package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// busyLog has something in every part of a state.
func busyLog(t tester) *testLog {
	l := newLog(t)
	l.found(func(g *ledger.Genesis) {
		p := testPolicy()
		p.Contributor, p.Subject = ledger.Limit{Amount: ledger.NewAmount(500)}, ledger.Limit{Amount: ledger.NewAmount(500)}
		g.Policy = p.String()
	})
	l.fund(1)
	l.add("a credit that stays pending", ledger.Accepted, l.sign(l.credit(2), eva, evan))
	l.add("a transfer", ledger.Accepted, l.sign(l.transfer(ada, bob, 50), ada))
	l.add("a refused transfer", ledger.InsufficientBalance, l.sign(l.transfer(carol, bob, 50), carol))
	l.add("a model", ledger.Accepted, l.says(model(t, "acme/tiny@1", 1), ada))
	l.add("a dataset", ledger.Accepted, l.says(dataset(t, "acme/rows@1", 1), pat))
	l.add("a claim", ledger.Accepted, l.says(claim("claimed", 2, ada, bob, pat), ada, bob))
	l.add("a name under it", ledger.Accepted, l.says(model(t, "claimed/tiny@1", 1), ada, pat))
	tiny := model(t, "claimed/tiny@1", 1).Subjects[0]
	l.add("a status of the namespace", ledger.Accepted, l.says(about(tiny, statement.StateDeprecated, "old"), bob, pat))
	l.add("a revocation", ledger.Accepted, l.says(about(tiny, statement.StateRevoked, "wrong"), ada))
	return l
}

func TestQueries(t *testing.T) {
	l := busyLog(t)
	s := l.state
	if s.Genesis() == nil || s.Policy() == nil || s.Size() != 12 || s.Epoch() != 0 || s.Rejected() != 1 || s.Count(ledger.InsufficientBalance) != 1 || s.Count(ledger.Undecided) != 0 {
		t.Errorf("size %d, epoch %d, %d rejected", s.Size(), s.Epoch(), s.Rejected())
	}
	if id, err := s.Genesis().ID(); err != nil || id != s.LedgerID() {
		t.Errorf("ledger %s, its genesis says %s (%v)", s.LedgerID(), id, err)
	}
	if a, ok := s.Account(accountOf(ada)); !ok || a.Balance != ledger.NewAmount(100) || a.Available != a.Balance || a.Nonce != 1 {
		t.Errorf("Ada's account is %+v, %t", a, ok)
	}
	if a, ok := s.Account(accountOf(mallory)); ok || a.Nonce != 0 || !a.Balance.IsZero() {
		t.Errorf("Mallory's account is %+v, %t, want none", a, ok)
	}
	if c, ok := s.Credit("data", 1); !ok || c.Index != 1 || !c.Minted || c.MintIndex != 2 || c.Amount != ledger.NewAmount(150) {
		t.Errorf("credit data/1 is %+v, %t", c, ok)
	}
	if c, ok := s.Credit("code", 1); ok {
		t.Errorf("credit code/1 is %+v, want none", c)
	}
	if c, ok := s.Credit("art", 1); ok {
		t.Errorf("credit art/1 is %+v, want none", c)
	}
	if of := s.CreditsOf(accountOf(ada)); len(of) != 2 || of[0].Serial != 1 || of[1].Serial != 2 || of[1].Minted {
		t.Errorf("Ada's credits are %+v", of)
	}
	if of := s.CreditsOf(accountOf(bob)); len(of) != 0 {
		t.Errorf("Bob's credits are %+v", of)
	}
	var last ledger.AccountID
	n := 0
	for a := range s.Accounts() {
		if bytes.Compare(last[:], a.Account[:]) >= 0 {
			t.Errorf("account %s is out of order", a.Account)
		}
		last, n = a.Account, n+1
	}
	if n != 3 {
		t.Errorf("%d accounts, want 3", n)
	}
	name := statement.Name{Namespace: "acme", Name: "tiny", Version: "1"}
	if d, ok := s.Binding(statement.KindModel, name); !ok || d != model(t, "acme/tiny@1", 1).Subjects[0].Digest {
		t.Errorf("acme/tiny@1 is bound to %s, %t", d, ok)
	}
	if d, ok := s.Binding(statement.KindDataset, name); ok {
		t.Errorf("acme/tiny@1 is bound to dataset %s, want none", d)
	}
	if k, ok := s.Holder("acme/rows"); !ok || k != pat.Public().ID() {
		t.Errorf("acme/rows is held by %s, %t", k, ok)
	}
	if k, ok := s.Holder("acme/none"); ok {
		t.Errorf("acme/none is held by %s", k)
	}
}

func TestSupplyStatement(t *testing.T) {
	l := busyLog(t)
	got := l.state.Supply()
	if !got.Holds || got.Equation != "150 = 150 - 0" || got.Pending != ledger.NewAmount(150) || got.Balances != got.Issued {
		t.Errorf("supply %+v", got)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"cap":"100000"`, `"issued":"150"`, `"burned":"0"`, `"rejected":[{"code":"INSUFFICIENT_BALANCE","count":1}]`, `"credited":"300","minted":"150"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("supply is %s, want it to hold %s", text, want)
		}
	}
	empty, err := json.Marshal(ledger.New(origin, nil).Supply())
	if err != nil || !bytes.Contains(empty, []byte(`"equation":"0 = 0 - 0","holds":true,"epochs":[],"accepted":0,"rejected":[]`)) {
		t.Errorf("supply of nothing is %s (%v)", empty, err)
	}
}

// A state that lay on a disk is refused unless it could have come from a fold.
func TestForgedStates(t *testing.T) {
	l := busyLog(t)
	raw, err := l.state.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	fresh := ledger.New(origin, l)
	refused := func(story string, forged []byte) {
		t.Helper()
		if err := fresh.UnmarshalBinary(forged); !errors.Is(err, ledger.ErrState) {
			t.Errorf("%s: %v, want ErrState", story, err)
		}
		if fresh.Size() != 0 {
			t.Fatalf("%s: a refused state took effect", story)
		}
	}
	for n := range raw {
		refused("cut short", raw[:n])
	}
	refused("a byte more", append(bytes.Clone(raw), 0))
	if err := ledger.New("log.example.com/other", l).UnmarshalBinary(raw); !errors.Is(err, ledger.ErrState) {
		t.Errorf("a state of another log: %v, want ErrState", err)
	}
	forge := func(story string, old, new []byte) {
		t.Helper()
		if bytes.Count(raw, old) != 1 {
			t.Fatalf("%s: %x stands %d times in the state", story, old, bytes.Count(raw, old))
		}
		refused(story, bytes.Replace(raw, old, new, 1))
	}
	id := accountOf(ada)
	amount := func(n byte) []byte { return append(make([]byte, 15), n) }
	forge("Ada has more", append(id[:], amount(100)...), append(id[:], amount(101)...))
	bobs := accountOf(bob)
	forge("Bob has Ada's units, and Ada his", append(bobs[:], amount(50)...), append(bobs[:], amount(100)...))

	acme, adas, stranger := statement.NamespaceDigest("acme"), ada.Public().ID(), mallory.Public().ID()
	forge("Mallory is a resident and holds no name", append(acme[:], adas[:]...), append(acme[:], stranger[:]...))
	rows, pats := sha256.Sum256([]byte("hallmark/holder/v1\n\x00\x00\x09acme/rows")), pat.Public().ID()
	forge("Mallory holds a name and is no resident", append(rows[:], pats[:]...), append(rows[:], stranger[:]...))

	// Whatever single byte is bent: it's refused, or it's another state.
	for i := range raw {
		bent := bytes.Clone(raw)
		bent[i] ^= 1
		s := ledger.New(origin, l)
		if err := s.UnmarshalBinary(bent); err != nil {
			continue
		}
		again, err := s.MarshalBinary()
		if err != nil || !bytes.Equal(again, bent) {
			t.Fatalf("byte %d bent: accepted, and written back otherwise (%v)", i, err)
		}
		if s.Digest() == l.state.Digest() {
			t.Fatalf("byte %d bent: the same digest", i)
		}
	}
}

type brokenRoots struct{ err error }

func (r brokenRoots) RootAt(uint64) ([32]byte, error) { return [32]byte{}, r.err }

// A root that can't be read is no reason to reject: two replayers would differ.
func TestUnreadableRootDecidesNothing(t *testing.T) {
	l := newLog(t)
	l.found()
	at := l.add("a credit", ledger.Accepted, l.sign(l.credit(1), eva, evan))
	raw := l.sign(l.mint("data", 1, at), ada).Raw()
	for _, roots := range []ledger.Roots{nil, brokenRoots{errors.New("disk on fire")}} {
		s := ledger.New(origin, roots)
		for i, leaf := range l.leaves {
			s.Apply(uint64(i), leaf)
		}
		before := s.Digest()
		if got := s.Apply(2, raw); got.Decided() || got.Code != ledger.Undecided {
			t.Errorf("%+v, want undecided", got)
		}
		if s.Size() != 2 || s.Digest() != before {
			t.Error("an undecided entry changed the state")
		}
	}
}

func TestOnlyTheNextIndexIsApplied(t *testing.T) {
	l := busyLog(t)
	before := l.state.Digest()
	for _, index := range []uint64{0, l.size() - 1, l.size() + 1, 1<<64 - 1} {
		if got := l.state.Apply(index, l.leaves[1]); got.Decided() {
			t.Errorf("index %d at size %d: %+v, want undecided", index, l.size(), got)
		}
	}
	if l.state.Digest() != before {
		t.Error("an entry at another index changed the state")
	}
}

func TestCheckChangesNothing(t *testing.T) {
	l := busyLog(t)
	before := l.state.Digest()
	e := l.sign(l.transfer(ada, bob, 1), ada)
	for range 2 {
		if got := l.state.Check(e); got.Code != ledger.Accepted || got.Index != l.size() || got.Kind != "transfer" {
			t.Errorf("Check: %+v, want it accepted", got)
		}
	}
	if got := l.state.Check(nil); got.Code != ledger.EntryMalformed {
		t.Errorf("Check of no entry: %+v", got)
	}
	if l.state.Digest() != before {
		t.Error("Check changed the state")
	}
}

// Two logs that differ in one entry, of which nothing is left in the state but
// its outcome, have different chains from there on.
func TestOutcomesAreChained(t *testing.T) {
	a, b := newLog(t), newLog(t)
	for _, l := range []*testLog{a, b} {
		l.found()
	}
	a.add("nothing of the kind", ledger.CreditZero, a.sign(a.credit(1, func(c *ledger.Credit) { c.Work = 0 }), eva, evan))
	b.add("something else", ledger.CreditEpoch, b.sign(b.credit(1, func(c *ledger.Credit) { c.Epoch = 9 }), eva, evan))
	if a.state.Outcomes() == b.state.Outcomes() || a.state.Digest() == b.state.Digest() {
		t.Error("different outcomes, the same chain")
	}
}

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range ledger.Codes() {
		name := c.String()
		if seen[name] {
			t.Errorf("%s stands for two codes", name)
		}
		seen[name] = true
		var back ledger.Code
		if err := back.UnmarshalText([]byte(name)); err != nil || back != c {
			t.Errorf("%s is read as %s, %v", name, back, err)
		}
	}
	if got := ledger.Code(9999).String(); got != "CODE_9999" {
		t.Errorf("an unknown code is %q", got)
	}
	if err := new(ledger.Code).UnmarshalText([]byte("NO_SUCH_CODE")); err == nil {
		t.Error("an unknown name is read")
	}
	golden(t, "codes.json", codeTable())
}

type codeRow struct {
	Number uint16 `json:"number"`
	Name   string `json:"name"`
}

func codeTable() (rows []codeRow) {
	for _, c := range ledger.Codes() {
		rows = append(rows, codeRow{uint16(c), c.String()})
	}
	return rows
}
