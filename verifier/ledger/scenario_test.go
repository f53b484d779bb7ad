package ledger_test

import (
	"bytes"
	"crypto/sha256"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// The scenarios are the rejection table as stories. Each is also a vector: a
// whole log, what became of each entry, and the state at the end. Together they
// meet every code.
var scenarios = []struct {
	name string
	play func(l *testLog)
}{
	{"life-of-a-unit", lifeOfAUnit},
	{"unreadable", unreadable},
	{"genesis-again", genesisAgain},
	{"genesis-elsewhere", func(l *testLog) {
		g := testGenesis()
		g.Origin = "log.example.com/other"
		l.add("a genesis of another log", ledger.GenesisOrigin, l.sign(g, governor, governor2))
		withoutLedger(l)
	}},
	{"genesis-of-later-rules", func(l *testLog) {
		g := testGenesis()
		g.Rules = 2
		l.add("a genesis of rules that do not exist yet", ledger.GenesisRules, l.sign(g, governor, governor2))
		withoutLedger(l)
	}},
	{"genesis-by-one", func(l *testLog) {
		l.add("one of two governors founds alone", ledger.QuorumUnmet, l.sign(testGenesis(), governor))
		withoutLedger(l)
	}},
	{"genesis-with-a-guest", func(l *testLog) {
		l.add("a stranger signs too", ledger.SignerUnlisted, l.sign(testGenesis(), governor, governor2, mallory))
		withoutLedger(l)
	}},
	{"genesis-by-p256", func(l *testLog) {
		l.add("a P-256 key signs too", ledger.SignerAlgorithm, l.sign(testGenesis(), governor, governor2, pat))
		withoutLedger(l)
	}},
	{"genesis-without-policy", func(l *testLog) {
		g := testGenesis()
		g.Policy += "\n"
		l.add("a policy with an empty line after it", ledger.PolicyMalformed, l.sign(g, governor, governor2))
		withoutLedger(l)
	}},
	{"genesis-promises-vesting", func(l *testLog) {
		g, p := testGenesis(), testPolicy()
		p.Classes[0].Vesting = 1
		g.Policy = p.String()
		l.add("a policy with vesting", ledger.PolicyUnsupported, l.sign(g, governor, governor2))
		withoutLedger(l)
	}},
	{"no-genesis", func(l *testLog) {
		l.add("a model comes first", ledger.Accepted, l.says(model(l.t, "acme/tiny@1.0.0", 1), ada))
		withoutLedger(l)
	}},
	{"names", namesAreHeld},
	{"namespaces", namespaces},
	{"namespace-holders", namespaceHolders},
	{"registrars", registrars},
	{"relogs", relogs},
	{"statuses", statuses},
	{"namespace-statuses", namespaceStatuses},
	{"credits", credits},
	{"limits", limits},
	{"cap", capHolds},
	{"mints", mints},
	{"transfers", transfers},
	{"unsupported", unsupported},
}

func withoutLedger(l *testLog) {
	l.add("a good genesis, too late", ledger.GenesisNotFirst, l.sign(testGenesis(), governor, governor2))
	l.add("a credit", ledger.NoLedger, l.sign(l.credit(1), eva, evan))
	l.add("a mint", ledger.NoLedger, l.sign(l.mint("data", 1, 1), ada))
	l.add("a transfer", ledger.NoLedger, l.sign(l.transfer(ada, bob, 1), ada))
	l.add("a policy", ledger.NoLedger, l.sign(&ledger.PolicyEntry{Sequence: 1, Epoch: 2, Text: testPolicy().String()}, governor, governor2))
	l.add("names need no ledger", ledger.Accepted, l.says(model(l.t, "acme/tiny@1.0.0", 1), ada))
}

func lifeOfAUnit(l *testLog) {
	l.found()
	l.add("a dataset is published", ledger.Accepted, l.says(dataset(l.t, "acme/rows@1", 1), pat))
	l.add("a model is published", ledger.Accepted, l.says(model(l.t, "acme/tiny@1.0.0", 1), pat))
	at := l.add("evaluators credit 100 records to Ada", ledger.Accepted, l.sign(l.credit(1), eva, evan))
	l.add("Ada mints 150", ledger.Accepted, l.sign(l.mint("data", 1, at), ada))
	l.add("Ada gives Bob 50", ledger.Accepted, l.sign(l.transfer(ada, bob, 50), ada))
	l.add("Bob gives Carol all of it", ledger.Accepted, l.sign(l.transfer(bob, carol, 50), bob))
	l.add("the log commits its state", ledger.Accepted, l.sign(&ledger.StateEntry{
		Ledger: l.state.LedgerID(), Rules: 1, Size: 7, Issued: ledger.NewAmount(150), Accepted: 7,
	}, operator))
}

func unreadable(l *testLog) {
	l.found()
	l.addRaw("no bytes at all", ledger.EntryMalformed, nil)
	l.addRaw("bytes that are no entry", ledger.EntryMalformed, []byte("hello"))
	good := l.sign(l.credit(1), eva, evan).Raw()
	l.addRaw("an entry with a byte after it", ledger.EntryMalformed, append(bytes.Clone(good), 0))
	bent := bytes.Clone(good)
	bent[len(bent)-1] ^= 1
	l.addRaw("an entry with a bent signature", ledger.SignatureInvalid, bent)
	sign := func(typ string, body string) *entry.Entry {
		e, err := entry.Sign(typ, []byte(body), ada)
		if err != nil {
			l.t.Fatal(err)
		}
		return e
	}
	huge := append(entry.PAE(entry.TypeLedger, make([]byte, 20_000)), 0)
	l.addRaw("a ledger entry of 20,000 bytes", ledger.EntryTooLarge, huge)
	l.add("a type that nobody knows", ledger.TypeUnknown, sign("text/plain", "hello"))
	l.add("a statement that is no JSON", ledger.StatementMalformed, sign(entry.TypeStatement, "hello"))
	l.add("a predicate that nobody knows", ledger.PredicateUnknown, sign(entry.TypeStatement,
		`{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://example.com/x","subject":[{"digest":{"sha256":"`+
			"0000000000000000000000000000000000000000000000000000000000000001"+`"},"name":"x"}]}`))
	l.add("an empty body", ledger.BodyMalformed, sign(entry.TypeLedger, ""))
	l.add("a kind that is unknown", ledger.BodyMalformed, sign(entry.TypeLedger, "\x14\x01"))
	l.add("a layout version that is unknown", ledger.BodyMalformed, sign(entry.TypeLedger, "\x08\x02"))
	body, err := l.credit(1).Marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	l.add("a credit with a byte after it", ledger.BodyMalformed, sign(entry.TypeLedger, string(body)+"\x00"))
	l.add("a credit cut short", ledger.BodyMalformed, sign(entry.TypeLedger, string(body[:len(body)-1])))
}

func genesisAgain(l *testLog) {
	l.found()
	l.add("the same genesis again", ledger.GenesisNotFirst, l.sign(testGenesis(), governor, governor2))
	g := testGenesis()
	g.Governance = keySet(1, mallory)
	l.add("Mallory founds a ledger of her own", ledger.GenesisNotFirst, l.sign(g, mallory))
	other, err := g.ID()
	if err != nil {
		l.t.Fatal(err)
	}
	elsewhere := func(c *ledger.Credit) { c.Ledger = other }
	l.add("a credit for that ledger", ledger.LedgerOther, l.sign(l.credit(1, elsewhere), eva, evan))
	l.add("a transfer for that ledger uses up no nonce here", ledger.LedgerOther,
		l.sign(l.transfer(ada, bob, 1, func(x *ledger.Transfer) { x.Ledger = other }), ada))
	l.add("a mint for that ledger", ledger.LedgerOther, l.sign(l.mint("data", 1, 0, func(m *ledger.Mint) { m.Ledger = other }), ada))
	l.add("a state entry signed by a stranger is nothing", ledger.Accepted, l.sign(&ledger.StateEntry{Ledger: other, Size: 1, Accepted: 1}, mallory))
}

func namesAreHeld(l *testLog) {
	l.found()
	l.add("Ada publishes", ledger.Accepted, l.says(model(l.t, "acme/tiny@1.0.0", 1), ada))
	l.add("the same entry again", ledger.Accepted, l.says(model(l.t, "acme/tiny@1.0.0", 1), ada))
	amended := model(l.t, "acme/tiny@1.0.0", 1)
	amended.Model.License = "Apache-2.0"
	l.add("an amendment: the same digest, another licence", ledger.Accepted, l.says(amended, ada))
	l.add("another digest under the same version", ledger.NameBound, l.says(model(l.t, "acme/tiny@1.0.0", 2), ada))
	l.add("another version", ledger.Accepted, l.says(model(l.t, "acme/tiny@1.0.1", 2), ada))
	l.add("Bob takes a version of Ada's name", ledger.NameHeld, l.says(model(l.t, "acme/tiny@2.0.0", 3), bob))
	l.add("Bob repeats what Ada said", ledger.NameHeld, l.says(model(l.t, "acme/tiny@1.0.0", 1), bob))
	l.add("Bob signs Ada's entry too", ledger.NameSigners, l.says(model(l.t, "acme/tiny@1.0.0", 1), ada, bob))
	l.add("Bob adds his signature to an entry that is new to the log", ledger.NameSigners, l.says(model(l.t, "acme/new@1", 1), ada, bob))
	l.add("so Ada still comes first", ledger.Accepted, l.says(model(l.t, "acme/new@1", 1), ada))
	l.add("a dataset under the same version is another binding", ledger.Accepted, l.says(dataset(l.t, "acme/tiny@1.0.0", 9), ada))
	l.add("and bound as fast", ledger.NameBound, l.says(dataset(l.t, "acme/tiny@1.0.0", 8), ada))
	l.add("and the name is the holder's for datasets too", ledger.NameHeld, l.says(dataset(l.t, "acme/tiny@3", 9), bob))
	l.add("a P-256 key holds names as well", ledger.Accepted, l.says(model(l.t, "acme/other@1", 1), pat))
	score := evaluation(l.t, "acme/tiny@1.0.0", model(l.t, "acme/tiny@1.0.0", 1).Subjects[0].Digest, "0.97")
	l.add("anybody may evaluate", ledger.Accepted, l.says(score, bob, carol))
	l.add("a foreign statement", ledger.Accepted, l.foreign())
}

func (l *testLog) foreign() *entry.Entry {
	e, err := entry.Sign(entry.TypeStatement, []byte(`{ "_type": "https://in-toto.io/Statement/v1",`+
		` "subject": [{"name": "model", "digest": {"sha256": "0000000000000000000000000000000000000000000000000000000000000001"}}],`+
		` "predicateType": "https://model_signing/signature/v1.0", "predicate": {"any": "thing"}}`), bob, carol)
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

func credits(l *testLog) {
	l.found()
	with := func(serial uint64, change func(*ledger.Credit)) *ledger.Credit { return l.credit(serial, change) }
	first := l.sign(l.credit(1), eva, evan)
	l.add("a credit", ledger.Accepted, first)
	l.add("the same entry again", ledger.SerialUsed, first)
	l.add("re-signed by other evaluators", ledger.SerialUsed, l.sign(l.credit(1), eva, evita))
	l.add("the same serial with more work", ledger.SerialUsed, l.sign(with(1, func(c *ledger.Credit) { c.Work = 101 }), eva, evan))
	l.add("the same serial for another account", ledger.SerialUsed, l.sign(with(1, func(c *ledger.Credit) { c.Beneficiary = accountOf(bob) }), eva, evan))
	code := func(c *ledger.Credit) { c.Class, c.Work = "code", 10 }
	l.add("the same serial of another class", ledger.Accepted, l.sign(with(1, code), evita))
	l.add("a class that the policy does not have", ledger.CreditClassUnknown, l.sign(with(2, func(c *ledger.Credit) { c.Class = "art" }), eva, evan))
	l.add("one of three evaluators, where two must sign", ledger.QuorumUnmet, l.sign(l.credit(2), eva))
	l.add("a stranger in an evaluator's place", ledger.SignerUnlisted, l.sign(l.credit(2), eva, mallory))
	l.add("a stranger beside enough evaluators", ledger.SignerUnlisted, l.sign(l.credit(2), eva, evan, mallory))
	l.add("an evaluator of another class", ledger.SignerUnlisted, l.sign(with(2, code), eva))
	l.add("a P-256 key among the evaluators", ledger.SignerAlgorithm, l.sign(l.credit(2), eva, pat))
	l.add("an epoch that has not begun", ledger.CreditEpoch, l.sign(with(2, func(c *ledger.Credit) { c.Epoch = 1 }), eva, evan))
	l.add("no work", ledger.CreditZero, l.sign(with(2, func(c *ledger.Credit) { c.Work = 0 }), eva, evan))
	l.add("work that is worth more than one credit may be", ledger.CreditAboveMax, l.sign(with(2, func(c *ledger.Credit) { c.Work = 334 }), eva, evan))
	l.add("the most work that can be written", ledger.CreditAboveMax, l.sign(with(2, func(c *ledger.Credit) { c.Work = 1<<64 - 1 }), eva, evan))
	l.add("more than the class has left", ledger.CreditAboveBudget, l.sign(with(2, func(c *ledger.Credit) { c.Work = 301 }), eva, evan))
	l.add("exactly what it has left, rounded down", ledger.Accepted, l.sign(with(2, func(c *ledger.Credit) { c.Work = 300 }), eva, evan, evita))
	l.add("not a unit more", ledger.CreditAboveBudget, l.sign(with(3, func(c *ledger.Credit) { c.Work = 1 }), eva, evan))
	l.add("while the other class has its own budget", ledger.Accepted, l.sign(with(2, code), evita))
}

func limits(l *testLog) {
	l.found(func(g *ledger.Genesis) {
		p := testPolicy()
		p.Contributor, p.Subject = ledger.Limit{Amount: ledger.NewAmount(200)}, ledger.Limit{Amount: ledger.NewAmount(300)}
		g.Policy = p.String()
	})
	to := func(k *entry.PrivateKey, subject string, work uint64) func(*ledger.Credit) {
		return func(c *ledger.Credit) {
			c.Beneficiary, c.Subject, c.Work = accountOf(k), sha256.Sum256([]byte(subject)), work
		}
	}
	l.add("150 to Ada for x", ledger.Accepted, l.sign(l.credit(1, to(ada, "x", 100)), eva, evan))
	l.add("51 more to Ada", ledger.CreditContributorFull, l.sign(l.credit(2, to(ada, "y", 34)), eva, evan))
	l.add("49 more to Ada for y", ledger.Accepted, l.sign(l.credit(2, to(ada, "y", 33)), eva, evan))
	l.add("150 to Bob for x", ledger.Accepted, l.sign(l.credit(3, to(bob, "x", 100)), eva, evan))
	l.add("one more for x, to Carol", ledger.CreditSubjectFull, l.sign(l.credit(4, to(carol, "x", 1)), eva, evan))
	l.add("the same to Carol for z", ledger.Accepted, l.sign(l.credit(4, to(carol, "z", 1)), eva, evan))
	l.add("limits count across classes", ledger.CreditContributorFull, l.sign(l.credit(1, to(bob, "z", 6), func(c *ledger.Credit) { c.Class = "code" }), evita))
}

func capHolds(l *testLog) {
	l.found(func(g *ledger.Genesis) { g.Cap = ledger.NewAmount(200) })
	l.fund(1)
	l.add("a credit beyond the cap", ledger.CreditAboveCap, l.sign(l.credit(2, func(c *ledger.Credit) { c.Work = 34 }), eva, evan))
	at := l.add("a credit that is promised counts like one that is minted", ledger.Accepted, l.sign(l.credit(2, func(c *ledger.Credit) { c.Work = 33 }), eva, evan))
	l.add("one unit is left", ledger.CreditAboveCap, l.sign(l.credit(3, func(c *ledger.Credit) { c.Work = 2 }), eva, evan))
	l.add("and the promise is kept", ledger.Accepted, l.sign(l.mint("data", 2, at), ada))
	l.add("the last unit", ledger.Accepted, l.sign(l.credit(3, func(c *ledger.Credit) { c.Work = 1 }), eva, evan))
}

func mints(l *testLog) {
	l.found()
	const at = 3 // where the credit will be accepted
	l.add("before the credit", ledger.MintNoCredit, l.sign(l.mint("data", 1, at), ada))
	l.add("a refused credit", ledger.QuorumUnmet, l.sign(l.credit(1), eva))
	l.add("a credit", ledger.Accepted, l.sign(l.credit(1), eva, evan))
	l.add("the same entry again", ledger.SerialUsed, l.sign(l.credit(1), eva, evan))
	l.add("the same serial of another class", ledger.MintNoCredit, l.sign(l.mint("code", 1, at), ada))
	l.add("a class that does not exist", ledger.MintNoCredit, l.sign(l.mint("art", 1, at), ada))
	l.add("the entry logged again is not the credit", ledger.MintIndex, l.sign(l.mint("data", 1, at+1), ada))
	l.add("nor is the one that was refused", ledger.MintIndex, l.sign(l.mint("data", 1, at-1), ada))
	l.add("by somebody else", ledger.MintNotBeneficiary, l.sign(l.mint("data", 1, at), mallory))
	l.add("by somebody else too", ledger.MintNotBeneficiary, l.sign(l.mint("data", 1, at), ada, mallory))
	l.add("by a P-256 key", ledger.MintNotBeneficiary, l.sign(l.mint("data", 1, at), pat))
	sized := func(size, root uint64) func(*ledger.Mint) {
		return func(m *ledger.Mint) { m.Size, m.Root = size, l.roots[root] }
	}
	l.add("a size that does not cover the credit", ledger.MintSize, l.sign(l.mint("data", 1, at, sized(at, at)), ada))
	l.add("a size past the mint itself", ledger.MintSize, l.sign(l.mint("data", 1, at, sized(l.size()+1, l.size())), ada))
	l.add("the largest size that can be written", ledger.MintSize, l.sign(l.mint("data", 1, at, sized(1<<64-1, 5)), ada))
	l.add("the root of another size", ledger.MintRoot, l.sign(l.mint("data", 1, at, sized(5, 6)), ada))
	l.add("a root that another fork would have", ledger.MintRoot, l.sign(l.mint("data", 1, at, func(m *ledger.Mint) { m.Root[0] ^= 1 }), ada))
	minted := l.sign(l.mint("data", 1, at, sized(at+1, at+1)), ada)
	l.add("an older checkpoint does as well", ledger.Accepted, minted)
	l.add("the same entry again", ledger.AlreadyMinted, minted)
	l.add("under a newer checkpoint", ledger.AlreadyMinted, l.sign(l.mint("data", 1, at), ada))
	at2 := l.add("a second credit", ledger.Accepted, l.sign(l.credit(2), eva, evan))
	l.add("under the tree as it stands", ledger.Accepted, l.sign(l.mint("data", 2, at2), ada))
}

func transfers(l *testLog) {
	l.found()
	l.fund(1)
	refused := l.sign(l.transfer(ada, bob, 200), ada)
	l.add("more than Ada has", ledger.InsufficientBalance, refused)
	l.fund(2)
	l.add("a stranger logs it again when the balance suffices", ledger.NonceMismatch, refused)
	l.add("signed by somebody else", ledger.AccountSigner, l.sign(l.transfer(ada, mallory, 10), mallory))
	l.add("signed by somebody else too", ledger.AccountSigner, l.sign(l.transfer(ada, mallory, 10), ada, mallory))
	l.add("signed by a P-256 key", ledger.AccountSigner, l.sign(l.transfer(ada, mallory, 10), pat))
	nonce := func(n uint64) func(*ledger.Transfer) { return func(x *ledger.Transfer) { x.Nonce += n } }
	l.add("a nonce skipped", ledger.NonceMismatch, l.sign(l.transfer(ada, bob, 10, nonce(1)), ada))
	l.add("a nonce used before", ledger.NonceMismatch, l.sign(l.transfer(ada, bob, 10, nonce(^uint64(0))), ada))
	l.add("expired", ledger.Expired, l.sign(l.transfer(ada, bob, 10, func(x *ledger.Transfer) { x.Expires = l.size() }), ada))
	l.add("at the last index before it expires", ledger.Accepted, l.sign(l.transfer(ada, bob, 10, func(x *ledger.Transfer) { x.Expires = l.size() + 1 }), ada))
	l.add("nothing", ledger.AmountZero, l.sign(l.transfer(ada, bob, 0), ada))
	l.add("to herself", ledger.TransferToSelf, l.sign(l.transfer(ada, ada, 10), ada))
	l.add("the largest amount that can be written", ledger.InsufficientBalance,
		l.sign(l.transfer(ada, bob, 0, func(x *ledger.Transfer) { x.Amount = ledger.Amount{Hi: 1<<64 - 1, Lo: 1<<64 - 1} }), ada))
	l.add("all of it", ledger.Accepted, l.sign(l.transfer(ada, bob, 290), ada))
	l.add("from an account that never had any", ledger.InsufficientBalance, l.sign(l.transfer(carol, bob, 1), carol))
	early := l.sign(l.transfer(carol, mallory, 5, nonce(1)), carol)
	l.add("a nonce too early is not used up", ledger.NonceMismatch, early)
	l.add("Bob funds Carol", ledger.Accepted, l.sign(l.transfer(bob, carol, 20), bob))
	l.add("a nonce used by a refused first entry stays used", ledger.NonceMismatch, l.sign(l.transfer(carol, bob, 1, nonce(^uint64(0))), carol))
	l.add("Carol spends", ledger.Accepted, l.sign(l.transfer(carol, ada, 5), carol))
	l.add("the entry that came too early counts when its turn comes, until it expires", ledger.Accepted, early)
	l.add("and once", ledger.NonceMismatch, early)
}

func unsupported(l *testLog) {
	l.found()
	l.fund(1)
	id := l.state.LedgerID()
	l.add("authority", ledger.Unsupported, l.sign(&ledger.Authority{Ledger: id, Sequence: 1, Effective: 9, Role: ledger.RoleOperator, Keys: keySet(1, ada)}, governor, governor2))
	l.add("policy", ledger.Unsupported, l.sign(&ledger.PolicyEntry{Ledger: id, Sequence: 1, Epoch: 2, Text: testPolicy().String()}, governor, governor2))
	l.add("credit-revoke", ledger.Unsupported, l.sign(&ledger.CreditRevoke{Ledger: id, Class: "data", Serial: 1}, eva, evan))
	l.add("epoch", ledger.Unsupported, l.sign(&ledger.EpochClose{Ledger: id, Size: 1, Cosignatures: []ledger.Cosignature{{Signature: make([]byte, 64)}}}, operator))
	l.add("burn", ledger.Unsupported, l.sign(&ledger.Burn{Spend: l.spend(ada), Amount: ledger.NewAmount(1)}, ada))
	l.add("burn by a stranger", ledger.AccountSigner, l.sign(&ledger.Burn{Spend: l.spend(ada), Amount: ledger.NewAmount(1)}, mallory))
	l.add("redeem", ledger.Unsupported, l.sign(&ledger.Redeem{Spend: l.spend(ada), Offer: "inference", Amount: ledger.NewAmount(1)}, ada))
	l.add("freeze", ledger.Unsupported, l.sign(&ledger.Freeze{Ledger: id, Account: accountOf(ada), Sequence: 1}, governor))
	l.add("unfreeze", ledger.Unsupported, l.sign(&ledger.Unfreeze{Ledger: id, Account: accountOf(ada), Sequence: 2}, governor))
	l.add("rotate-key by the old key alone", ledger.AccountSigner, l.sign(&ledger.RotateKey{Spend: l.spend(ada), Key: ledgerKey(bob)}, ada))
	l.add("rotate-key", ledger.Unsupported, l.sign(&ledger.RotateKey{Spend: l.spend(ada), Key: ledgerKey(bob)}, ada, bob))
	l.add("three nonces were used up", ledger.Accepted, l.sign(l.transfer(ada, bob, 1, func(x *ledger.Transfer) { x.Nonce = 3 }), ada))
	for kind := ledger.KindLock; kind <= ledger.KindSettle; kind++ {
		e, err := entry.Sign(entry.TypeLedger, []byte{byte(kind), 1}, ada)
		if err != nil {
			l.t.Fatal(err)
		}
		l.add(kind.String()+", whose fields are not settled", ledger.Unsupported, e)
	}
}
