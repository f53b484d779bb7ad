package ledger_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A bodyVector is a ledger body and whether it's one.
type bodyVector struct {
	Story string `json:"story"`
	Body  string `json:"body"`
	Want  string `json:"want"` // the kind's name, "malformed" or "reserved"
}

// everyBody has each kind with every field set to something that shows where
// it went.
func everyBody() []ledger.Body {
	id := ledger.LedgerID(bytes.Repeat([]byte{0xaa}, 32))
	digest := [32]byte(bytes.Repeat([]byte{0xdd}, 32))
	spend := ledger.Spend{Ledger: id, Account: accountOf(ada), Nonce: 7, Expires: 1000}
	amount := ledger.Amount{Hi: 1, Lo: 2}
	g := testGenesis()
	g.Registrars = keySet(1, carol)
	g.Witnesses = ledger.WitnessSet{Threshold: 1, Witnesses: []ledger.Witness{
		{Name: "witness.example.com/a", Alg: 4, Key: bob.Public().Bytes},
		{Name: "witness.example.com/b", Alg: 6, Key: bytes.Repeat([]byte{7}, 1312)},
	}}
	return []ledger.Body{
		testGenesis(), g,
		&ledger.Authority{Ledger: id, Sequence: 1, Effective: 99, Role: ledger.RoleOperator, Keys: keySet(1, ada)},
		&ledger.Authority{Ledger: id, Sequence: 2, Effective: 99, Role: ledger.RoleGovernance, Keys: keySet(2, ada, bob, carol)},
		&ledger.Authority{Ledger: id, Sequence: 3, Effective: 99, Role: ledger.RoleRegistrars},
		&ledger.Authority{Ledger: id, Sequence: 4, Effective: 99, Role: ledger.RoleWitnesses, Witnesses: g.Witnesses},
		&ledger.PolicyEntry{Ledger: id, Sequence: 1, Epoch: 2, Text: testPolicy().String()},
		&ledger.Credit{Ledger: id, Class: "data", Serial: 3, Epoch: 4, Subject: digest, Beneficiary: accountOf(ada), Work: 5, Evidence: digest},
		&ledger.CreditRevoke{Ledger: id, Class: "data", Serial: 3, Reason: 0x0102},
		&ledger.EpochClose{Ledger: id, Epoch: 4, Size: 5, Root: digest, Cosignatures: []ledger.Cosignature{
			{Witness: 0, Time: 1_770_000_000, Signature: make([]byte, 64)}, {Witness: 2, Time: 1_770_000_001, Signature: make([]byte, 2420)},
		}},
		&ledger.Mint{Ledger: id, Class: "data", Serial: 3, Index: 8, Size: 9, Root: digest},
		&ledger.Transfer{Spend: spend, To: accountOf(bob), Amount: amount},
		&ledger.Burn{Spend: spend, Amount: amount},
		&ledger.Redeem{Spend: spend, Offer: "inference", Amount: amount, Reference: digest},
		&ledger.Freeze{Ledger: id, Account: accountOf(ada), Sequence: 1, Amount: amount, Reason: 3, Document: digest, Until: 9},
		&ledger.Unfreeze{Ledger: id, Account: accountOf(ada), Sequence: 2, Reason: 3, Document: digest},
		&ledger.RotateKey{Spend: spend, Key: ledgerKey(bob)},
		&ledger.StateEntry{Ledger: id, Rules: 1, Size: 10, MapRoot: digest, Issued: amount, Burned: ledger.NewAmount(1), Accepted: 7, Rejected: 3},
	}
}

func marshal(t tester, b ledger.Body) []byte {
	t.Helper()
	raw, err := b.Marshal()
	if err != nil {
		t.Fatalf("a %s: %v", b.Kind(), err)
	}
	return raw
}

func TestBodies(t *testing.T) {
	var vectors []bodyVector
	for _, b := range everyBody() {
		raw := marshal(t, b)
		vectors = append(vectors, bodyVector{b.Kind().String(), hex.EncodeToString(raw), b.Kind().String()})
		got, err := ledger.ParseBody(raw)
		if err != nil {
			t.Errorf("%s: %v", b.Kind(), err)
			continue
		}
		if again := marshal(t, got); !bytes.Equal(again, raw) {
			t.Errorf("%s: comes back as %x, want %x", b.Kind(), again, raw)
		}
		for n := range raw {
			if _, err := ledger.ParseBody(raw[:n]); !errors.Is(err, ledger.ErrBody) {
				t.Errorf("%s cut to %d of %d bytes: %v, want ErrBody", b.Kind(), n, len(raw), err)
			}
		}
		if _, err := ledger.ParseBody(append(raw, 0)); !errors.Is(err, ledger.ErrBody) {
			t.Errorf("%s with a byte after it: %v, want ErrBody", b.Kind(), err)
		}
	}
	for _, e := range evilBodies(t) {
		want := map[string]error{"malformed": ledger.ErrBody, "reserved": ledger.ErrReserved}[e.Want]
		if _, err := ledger.ParseBody(unhex(t, e.Body)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", e.Story, err, want)
		}
		vectors = append(vectors, e)
	}
	golden(t, "bodies.json", vectors)
}

// evilBodies are bodies bent in one place. An offset counts from the body's
// beginning, kind and version included.
func evilBodies(t *testing.T) (out []bodyVector) {
	add := func(story, want string, raw []byte) {
		out = append(out, bodyVector{story, hex.EncodeToString(raw), want})
	}
	bend := func(story string, b ledger.Body, at int, put ...byte) {
		raw := marshal(t, b)
		copy(raw[at:], put)
		add(story, "malformed", raw)
	}
	byKind := map[ledger.Kind]ledger.Body{}
	for _, b := range everyBody() {
		byKind[b.Kind()] = b
	}
	add("empty", "malformed", nil)
	add("a kind alone", "malformed", []byte{8})
	add("kind 0", "malformed", []byte{0, 1})
	add("a kind that does not exist", "malformed", []byte{20, 1})
	for k := ledger.KindLock; k <= ledger.KindSettle; k++ {
		add(k.String(), "reserved", []byte{byte(k), 1})
	}
	bend("a version that does not exist", byKind[ledger.KindTransfer], 1, 2)
	bend("a transfer from an account of another type", byKind[ledger.KindTransfer], 34, 2)
	bend("a transfer to an account of another type", byKind[ledger.KindTransfer], 34+33+16, 0)
	bend("a credit of a class in upper case", byKind[ledger.KindCredit], 36, 'D')
	bend("a credit whose class is longer than the rest", byKind[ledger.KindCredit], 34, 0xff, 0xff)
	bend("a state that counts entries twice", byKind[ledger.KindState], 34+2+7, 9)
	bend("a rotation to a key of small order", byKind[ledger.KindRotateKey], 34+33+16, append([]byte{1}, make([]byte, 31)...)...)
	bend("an authority of a role that does not exist", &ledger.Authority{Role: ledger.RoleOperator, Keys: keySet(1, ada)}, 34+16, 5)
	bend("an authority whose threshold is 0", &ledger.Authority{Role: ledger.RoleOperator, Keys: keySet(1, ada)}, 34+17, 0)
	bend("an authority whose threshold is above its keys", &ledger.Authority{Role: ledger.RoleGovernance, Keys: keySet(1, ada)}, 34+17, 2)
	two := keySet(1, ada, bob)
	bend("an authority whose keys are out of order", &ledger.Authority{Role: ledger.RoleGovernance, Keys: two}, 34+19,
		append(bytes.Clone(two.Keys[1][:]), two.Keys[0][:]...)...)
	bend("an authority with one key twice", &ledger.Authority{Role: ledger.RoleGovernance, Keys: two}, 34+19+32, two.Keys[0][:]...)
	bend("an authority with two operators", &ledger.Authority{Role: ledger.RoleGovernance, Keys: two}, 34+16, 1)
	bend("an epoch whose cosignatures are out of order", byKind[ledger.KindEpoch], 34+48+1, 3)
	bend("an epoch without cosignatures", &ledger.EpochClose{Cosignatures: []ledger.Cosignature{{Signature: []byte{1}}}}, 34+48, 0)
	add("an epoch of nothing", "malformed", append([]byte{6, 1}, make([]byte, 32+48+1)...))
	origin := 2 + 2 + 2
	bend("a genesis with a space in its origin", testGenesis(), origin, ' ')
	bend("a genesis with a plus sign in its origin", testGenesis(), origin, '+')
	return out
}

// TestBodyBounds marshals what the codec must not write.
func TestBodyBounds(t *testing.T) {
	genesis := func(change func(*ledger.Genesis)) ledger.Body {
		g := testGenesis()
		change(g)
		return g
	}
	many := make([]ledger.Key, 17)
	for i := range many {
		many[i] = ledgerKey(edKey(byte(100 + i)))
	}
	witness := ledger.Witness{Name: "w", Alg: 4, Key: bob.Public().Bytes}
	for _, tt := range []struct {
		story string
		body  ledger.Body
	}{
		{"no origin", genesis(func(g *ledger.Genesis) { g.Origin = "" })},
		{"an origin of 256 bytes", genesis(func(g *ledger.Genesis) { g.Origin = string(bytes.Repeat([]byte{'o'}, 256)) })},
		{"a symbol in lower case", genesis(func(g *ledger.Genesis) { g.Symbol = "tst" })},
		{"a symbol that begins with a digit", genesis(func(g *ledger.Genesis) { g.Symbol = "1ST" })},
		{"19 decimals", genesis(func(g *ledger.Genesis) { g.Decimals = 19 })},
		{"cap 0", genesis(func(g *ledger.Genesis) { g.Cap = ledger.Amount{} })},
		{"cap 2^96", genesis(func(g *ledger.Genesis) { g.Cap = ledger.Amount{Hi: 1 << 32} })},
		{"an epoch of a second", genesis(func(g *ledger.Genesis) { g.EpochLength = 1 })},
		{"no policy", genesis(func(g *ledger.Genesis) { g.Policy = "" })},
		{"a policy of 8193 bytes", genesis(func(g *ledger.Genesis) { g.Policy = string(make([]byte, 8193)) })},
		{"no governance", genesis(func(g *ledger.Genesis) { g.Governance = ledger.KeySet{} })},
		{"17 governors", genesis(func(g *ledger.Genesis) {
			g.Governance = ledger.KeySet{Threshold: 1, Keys: ledger.ExamplePolicy(1, many...).Classes[0].Evaluators.Keys}
		})},
		{"registrars without a threshold", genesis(func(g *ledger.Genesis) { g.Registrars = ledger.KeySet{Keys: keySet(1, ada).Keys} })},
		{"an operator of small order", genesis(func(g *ledger.Genesis) { g.Operator = ledger.Key{1} })},
		{"a witness twice", genesis(func(g *ledger.Genesis) {
			g.Witnesses = ledger.WitnessSet{Threshold: 1, Witnesses: []ledger.Witness{witness, {Name: "x", Alg: 4, Key: witness.Key}}}
		})},
		{"a witness without a name", genesis(func(g *ledger.Genesis) {
			g.Witnesses = ledger.WitnessSet{Threshold: 1, Witnesses: []ledger.Witness{{Alg: 4, Key: witness.Key}}}
		})},
		{"a witness of another algorithm", genesis(func(g *ledger.Genesis) {
			g.Witnesses = ledger.WitnessSet{Threshold: 1, Witnesses: []ledger.Witness{{Name: "w", Alg: 1, Key: witness.Key}}}
		})},
		{"keys beside witnesses", &ledger.Authority{Role: ledger.RoleWitnesses, Keys: keySet(1, ada)}},
		{"witnesses beside keys", &ledger.Authority{Role: ledger.RoleGovernance, Keys: keySet(1, ada),
			Witnesses: ledger.WitnessSet{Threshold: 1, Witnesses: []ledger.Witness{witness}}}},
		{"a credit to nobody", &ledger.Credit{Class: "data"}},
		{"a credit of no class", &ledger.Credit{Beneficiary: accountOf(ada)}},
		{"a class of 33 bytes", &ledger.Mint{Class: string(bytes.Repeat([]byte{'c'}, 33))}},
		{"an offer with a space", &ledger.Redeem{Spend: ledger.Spend{Account: accountOf(ada)}, Offer: "a b"}},
		{"a cosignature of 2421 bytes", &ledger.EpochClose{Cosignatures: []ledger.Cosignature{{Signature: make([]byte, 2421)}}}},
	} {
		if raw, err := tt.body.Marshal(); !errors.Is(err, ledger.ErrBody) {
			t.Errorf("%s: %d bytes, %v, want ErrBody", tt.story, len(raw), err)
		}
	}
}
