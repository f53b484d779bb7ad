package ledger_test

import (
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// Stories of who may speak for a name, and of what became of it.

// claim is the first statement of a namespace, and rotate the one after prev.
func claim(name string, threshold uint64, keys ...*entry.PrivateKey) *statement.Statement {
	n := &statement.Namespace{Threshold: threshold}
	for _, k := range keys {
		n.Keys = append(n.Keys, k.Public())
	}
	st := statement.NewNamespace(name, n)
	st.Sort()
	return st
}

func rotate(prev *entry.Entry, name string, sequence, threshold uint64, keys ...*entry.PrivateKey) *statement.Statement {
	st := claim(name, threshold, keys...)
	st.Namespace.Sequence, st.Namespace.Previous = sequence, prev.StatementID()
	return st
}

func namespaces(l *testLog) {
	l.found()
	l.add("Mallory squats on a name", ledger.Accepted, l.says(model(l.t, "acme/tiny@1", 6), mallory))
	l.add("Ada has another", ledger.Accepted, l.says(model(l.t, "acme/rows@1", 1), ada))
	l.add("a rotation of what nobody claimed", ledger.NamespaceSequence, l.says(rotate(l.says(claim("acme", 1, ada), ada), "acme", 1, 1, ada), ada))
	l.add("one of two keys claims", ledger.QuorumUnmet, l.says(claim("acme", 2, ada, bob, pat), ada))
	l.add("a key that is not its own signs too", ledger.SignerUnlisted, l.says(claim("acme", 2, ada, bob, pat), ada, bob, mallory))
	l.add("Mallory claims in Ada's name", ledger.SignerUnlisted, l.says(claim("acme", 1, ada), mallory))
	first := l.says(claim("acme", 2, ada, bob, pat), ada, pat)
	l.add("two of three claim, one of them with P-256", ledger.Accepted, first)
	l.add("the same claim again", ledger.NamespaceClaimed, first)
	l.add("Mallory comes too late", ledger.NamespaceClaimed, l.says(claim("acme", 1, mallory), mallory))

	l.add("who squatted is out", ledger.SignerUnlisted, l.says(model(l.t, "acme/tiny@2", 6), mallory))
	l.add("one key is too few", ledger.QuorumUnmet, l.says(model(l.t, "acme/tiny@1", 1), ada))
	l.add("a stranger beside a quorum", ledger.SignerUnlisted, l.says(model(l.t, "acme/tiny@1", 1), ada, bob, mallory))
	l.add("what was bound before the claim is bound no more", ledger.Accepted, l.says(model(l.t, "acme/tiny@1", 1), ada, bob))
	l.add("and now it is, for ever", ledger.NameBound, l.says(model(l.t, "acme/tiny@1", 6), ada, bob))
	l.add("all three may amend", ledger.Accepted, l.says(model(l.t, "acme/tiny@1", 1), ada, bob, pat))
	l.add("Ada has no name of her own in it", ledger.QuorumUnmet, l.says(model(l.t, "acme/rows@2", 2), ada))
	l.add("another namespace is as it was", ledger.Accepted, l.says(model(l.t, "other/tiny@1", 6), mallory))

	second := l.says(rotate(first, "acme", 1, 1, bob, carol), ada, bob, carol)
	l.add("a rotation that the new keys do not sign", ledger.QuorumUnmet, l.says(rotate(first, "acme", 1, 1, carol, evan), ada, bob))
	l.add("that too few old keys sign", ledger.QuorumUnmet, l.says(rotate(first, "acme", 1, 1, bob, carol), bob, carol))
	l.add("that a stranger signs too", ledger.SignerUnlisted, l.says(rotate(first, "acme", 1, 1, bob, carol), ada, bob, carol, mallory))
	l.add("that skips a number", ledger.NamespaceSequence, l.says(rotate(first, "acme", 2, 1, bob, carol), ada, bob, carol))
	l.add("that follows something else", ledger.NamespacePrevious, l.says(rotate(second, "acme", 1, 1, bob, carol), ada, bob, carol))
	l.add("signed by two of the old and one of the new; who stays signs once", ledger.Accepted, second)
	third := l.says(rotate(second, "acme", 2, 1, carol), bob, carol)
	l.add("Bob goes", ledger.Accepted, third)
	l.add("bindings outlive the keys that made them", ledger.NameBound, l.says(model(l.t, "acme/tiny@1", 6), carol))
	l.add("an old key binds nothing", ledger.SignerUnlisted, l.says(model(l.t, "acme/tiny@3", 6), ada))

	l.add("taken over by an old rotation: logged again", ledger.NamespaceSequence, second)
	l.add("by the one that was refused", ledger.NamespaceSequence, l.says(rotate(first, "acme", 1, 1, bob, carol), bob, carol))
	l.add("by an old key's own, made up for an old place", ledger.NamespaceSequence, l.says(rotate(first, "acme", 1, 1, mallory), ada, pat, mallory))
	l.add("made up for the next place, after an old statement", ledger.NamespacePrevious, l.says(rotate(second, "acme", 3, 1, mallory), bob, mallory))
	l.add("made up for the next place, after the last", ledger.SignerUnlisted, l.says(rotate(third, "acme", 3, 1, mallory), bob, mallory))
	l.add("by the claim, once more", ledger.NamespaceClaimed, first)
	l.add("Carol still holds it", ledger.Accepted, l.says(model(l.t, "acme/tiny@3", 3), carol))
}

// Without registrars, a claim voids the names of those who hold some, and so one
// of them must sign it.
func namespaceHolders(l *testLog) {
	l.found()
	l.add("Ada publishes", ledger.Accepted, l.says(model(l.t, "acme/tiny@1", 1), ada))
	l.add("Mallory, who has no part in it, claims", ledger.NamespaceHolder, l.says(claim("acme", 1, mallory), mallory))
	l.add("naming Ada's key, without Ada", ledger.NamespaceHolder, l.says(claim("acme", 1, ada, mallory), mallory))
	l.add("after taking a name elsewhere", ledger.Accepted, l.says(model(l.t, "mallory/tiny@1", 1), mallory))
	l.add("which gives her no part here", ledger.NamespaceHolder, l.says(claim("acme", 1, mallory), mallory))
	l.add("after speaking about Ada's model", ledger.Accepted, l.says(evaluation(l.t, "acme/tiny@1", model(l.t, "acme/tiny@1", 1).Subjects[0].Digest, "0.1"), mallory))
	l.add("after a name that was refused her", ledger.NameHeld, l.says(model(l.t, "acme/tiny@2", 6), mallory))
	l.add("which is none", ledger.NamespaceHolder, l.says(claim("acme", 1, mallory), mallory))
	l.add("too few signatures come before who they are of", ledger.QuorumUnmet, l.says(claim("acme", 2, mallory, bob), mallory))
	l.add("Ada signs what does not name her", ledger.SignerUnlisted, l.says(claim("acme", 1, bob), ada, bob))
	l.add("Ada claims with Bob, who holds nothing", ledger.Accepted, l.says(claim("acme", 2, ada, bob), ada, bob))

	l.add("an empty namespace is anybody's", ledger.Accepted, l.says(claim("empty", 1, mallory), mallory))
	l.add("Pat has a dataset", ledger.Accepted, l.says(dataset(l.t, "data/rows@1", 1), pat))
	l.add("which nobody else voids", ledger.NamespaceHolder, l.says(claim("data", 1, ada), ada))
	l.add("and she may", ledger.Accepted, l.says(claim("data", 1, pat), pat))

	l.add("Bob publishes in a namespace that he never claims", ledger.Accepted, l.says(model(l.t, "bob/tiny@1", 1), bob))
	l.add("Mallory takes a name beside his", ledger.Accepted, l.says(model(l.t, "bob/junk@1", 6), mallory))
	l.add("so she holds one too: only registrars keep her from a claim", ledger.Accepted, l.says(claim("bob", 1, mallory), mallory))
	l.add("and Bob is out", ledger.SignerUnlisted, l.says(model(l.t, "bob/tiny@2", 2), bob))
}

// What a stranger can do by logging again what others signed. These outcomes
// are not wished for: they are what the rules come to, and SPEC.md says so.
func relogs(l *testLog) {
	l.found()
	old := l.says(model(l.t, "acme/tiny@1", 1), ada)
	l.add("Ada publishes", ledger.Accepted, old)
	l.add("and claims, one key being enough", ledger.Accepted, l.says(claim("acme", 1, ada, bob), ada))
	l.add("a stranger logs what she published before: it binds", ledger.Accepted, old)
	l.add("so that she cannot begin anew under that version", ledger.NameBound, l.says(model(l.t, "acme/tiny@1", 2), bob))

	old = l.says(model(l.t, "lab/tiny@1", 1), ada)
	l.add("elsewhere she publishes", ledger.Accepted, old)
	l.add("claims", ledger.Accepted, l.says(claim("lab", 1, ada, bob), ada))
	l.add("and binds what she means at once", ledger.Accepted, l.says(model(l.t, "lab/tiny@1", 2), bob))
	l.add("the stranger comes too late", ledger.NameBound, old)

	old = l.says(model(l.t, "corp/tiny@1", 1), ada)
	l.add("in a third place she publishes", ledger.Accepted, old)
	first := l.says(claim("corp", 2, ada, bob), ada, bob)
	l.add("and claims with Bob, two keys being needed", ledger.Accepted, first)
	l.add("what she signed alone is too little for a stranger too", ledger.QuorumUnmet, old)
	half := l.says(model(l.t, "corp/other@1", 1), bob)
	l.add("Bob alone is refused", ledger.QuorumUnmet, half)
	l.add("a rotation lowers the threshold", ledger.Accepted, l.says(rotate(first, "corp", 1, 1, ada, bob), ada, bob))
	l.add("and what was refused before binds, when a stranger logs it again", ledger.Accepted, half)
	l.add("as does what was there before the claim", ledger.Accepted, old)

	both := model(l.t, "free/tiny@1", 1)
	l.add("Ada and Bob sign one name together", ledger.NameSigners, l.says(both, ada, bob))
	l.add("a stranger cuts off Ada's signature: Bob holds the name", ledger.Accepted, l.says(both, bob))
	l.add("and Ada does not", ledger.NameHeld, l.says(both, ada))
}

func registrars(l *testLog) {
	l.found(func(g *ledger.Genesis) { g.Registrars = keySet(2, eva, evan, evita) })
	l.add("Mallory squats on a name, which gives her no say", ledger.Accepted, l.says(model(l.t, "acme/tiny@1", 6), mallory))
	l.add("nor a claim", ledger.NamespaceRegistrars, l.says(claim("acme", 1, mallory), mallory))
	l.add("nobody approves", ledger.NamespaceRegistrars, l.says(claim("acme", 1, ada), ada))
	l.add("one of three registrars", ledger.NamespaceRegistrars, l.says(claim("acme", 1, ada), ada, eva))
	l.add("registrars without the namespace's own key", ledger.QuorumUnmet, l.says(claim("acme", 1, ada), eva, evan))
	l.add("a stranger beside them", ledger.SignerUnlisted, l.says(claim("acme", 1, ada), ada, eva, evan, mallory))
	first := l.says(claim("acme", 1, ada), ada, eva, evan)
	l.add("two registrars and the owner, who held no name", ledger.Accepted, first)
	l.add("a registrar's own namespace takes another registrar", ledger.NamespaceRegistrars, l.says(claim("eva", 1, eva), eva))
	l.add("and her one signature counts on both lists", ledger.Accepted, l.says(claim("eva", 1, eva), eva, evita))
	l.add("registrars have no part in a rotation", ledger.SignerUnlisted, l.says(rotate(first, "acme", 1, 1, bob), ada, bob, eva))
	l.add("its owners alone", ledger.Accepted, l.says(rotate(first, "acme", 1, 1, bob), ada, bob))
}

// about says how a subject stands.
func about(target statement.Subject, state statement.State, reason string, changes ...func(*statement.Status)) *statement.Statement {
	st := &statement.Status{State: state, Reason: reason}
	for _, change := range changes {
		change(st)
	}
	return statement.NewStatus(target, st)
}

func by(d statement.Digest) func(*statement.Status) { return func(s *statement.Status) { s.By = d } }

func statementOf(e *entry.Entry) statement.Subject {
	return statement.Subject{Alg: statement.AlgStatement, Digest: e.StatementID()}
}

func statuses(l *testLog) {
	l.found()
	tiny := l.says(model(l.t, "ada/tiny@1", 1), ada)
	subject := model(l.t, "ada/tiny@1", 1).Subjects[0]
	l.add("Ada publishes", ledger.Accepted, tiny)
	l.add("Mallory calls the same files hers", ledger.Accepted, l.says(model(l.t, "mallory/tiny@1", 1), mallory))
	l.add("and revokes them: a dispute of Ada's", ledger.Accepted, l.says(about(subject, statement.StateRevoked, "mine"), mallory))
	old := l.says(about(subject, statement.StateDeprecated, "old"), ada)
	l.add("Ada deprecates", ledger.Accepted, old)
	newer := by(model(l.t, "ada/tiny@2", 2).Subjects[0].Digest)
	l.add("Ada names a successor", ledger.Accepted, l.says(about(subject, statement.StateSuperseded, "newer", newer), ada))
	l.add("a stranger logs her first word again: it counts once", ledger.Accepted, old)
	l.add("with a signature beside hers: it is the stranger's word alone", ledger.Accepted, l.says(about(subject, statement.StateDeprecated, "old"), ada, bob))
	l.add("Ada withdraws consent", ledger.Accepted, l.says(about(statementOf(tiny), statement.StateConsentWithdrawn, "asked"), ada))
	l.add("Ada revokes", ledger.Accepted, l.says(about(subject, statement.StateRevoked, "security"), ada))
	l.add("what is revoked stays so", ledger.Accepted, l.says(about(subject, statement.StateDeprecated, "oops"), ada))
	l.add("the first revocation stands", ledger.Accepted, l.says(about(subject, statement.StateRevoked, "again"), ada))

	rows := dataset(l.t, "bob/rows@1", 1)
	l.add("a status may come first", ledger.Accepted, l.says(about(rows.Subjects[0], statement.StateConsentWithdrawn, "asked"), bob, carol))
	l.add("Bob publishes what he withdrew", ledger.Accepted, l.says(rows, bob))
	l.add("a model digest is no dataset digest", ledger.Accepted, l.says(
		about(statement.Subject{Alg: statement.AlgModel, Digest: rows.Subjects[0].Digest}, statement.StateRevoked, "wrong"), bob))
	l.add("of a blob nothing is known", ledger.Accepted, l.says(
		about(statement.Subject{Alg: statement.AlgBlob, Digest: rows.Subjects[0].Digest}, statement.StateRevoked, "wrong"), bob))

	score := evaluation(l.t, "ada/tiny@1", subject.Digest, "0.97")
	l.add("Bob evaluates", ledger.Accepted, l.says(score, bob))
	l.add("Mallory says the same", ledger.Accepted, l.says(score, mallory))
	l.add("Mallory takes hers back, not Bob's", ledger.Accepted, l.says(about(statementOf(l.says(score, bob)), statement.StateRevoked, "wrong"), mallory))
	for i := range byte(10) {
		k := edKey(100 + i)
		l.add("a crowd has its word", ledger.Accepted, l.says(about(subject, statement.StateDeprecated, "crowd"), k))
	}
}

func namespaceStatuses(l *testLog) {
	l.found()
	before := model(l.t, "acme/tiny@1", 1)
	l.add("Ada publishes before the claim", ledger.Accepted, l.says(before, ada))
	first := l.says(claim("acme", 2, ada, bob), ada, bob)
	l.add("two of two claim", ledger.Accepted, first)
	tiny := model(l.t, "acme/tiny@1", 2)
	l.add("and publish", ledger.Accepted, l.says(tiny, ada, bob))
	second := l.says(rotate(first, "acme", 1, 2, carol, evan, evita), ada, bob, carol, evan)
	l.add("all keys change", ledger.Accepted, second)
	deprecated := about(tiny.Subjects[0], statement.StateDeprecated, "old")
	l.add("a new key alone disputes", ledger.Accepted, l.says(deprecated, carol))
	l.add("two of three speak for the namespace, whoever signs beside them", ledger.Accepted, l.says(deprecated, carol, evan, mallory))
	unnamed := tiny.Subjects[0]
	unnamed.Name = ""
	l.add("without a name they speak for themselves", ledger.Accepted, l.says(about(unnamed, statement.StateRevoked, "who"), carol, evan))
	l.add("what was bound before the claim is not the namespace's", ledger.Accepted, l.says(about(before.Subjects[0], statement.StateRevoked, "void"), carol, evan))
	l.add("one who signed it may revoke, also when her key is old", ledger.Accepted, l.says(about(tiny.Subjects[0], statement.StateRevoked, "stolen"), ada))
	l.add("old keys are no quorum", ledger.Accepted, l.says(about(
		statement.Subject{Name: "acme/later@1", Alg: statement.AlgModel, Digest: model(l.t, "acme/later@1", 3).Subjects[0].Digest},
		statement.StateRevoked, "spite"), ada, bob))
	l.add("so what is published later stands", ledger.Accepted, l.says(model(l.t, "acme/later@1", 3), evan, evita))
}

func evaluation(t tester, name string, digest statement.Digest, accuracy string) *statement.Statement {
	t.Helper()
	return statement.NewEvaluation(statement.Subject{Name: name, Alg: statement.AlgModel, Digest: digest},
		&statement.Evaluation{Benchmark: "digits", Metrics: []statement.Metric{{Name: "accuracy", Value: accuracy}}})
}

// A vectorStanding is how one accepted statement of a vector stands at its end.
type vectorStanding struct {
	Index    uint64         `json:"index"`
	Effects  []vectorEffect `json:"effects,omitempty"`
	Disputed int            `json:"disputed,omitempty"`
	Disputes []uint64       `json:"disputes,omitempty"`
	Unbound  bool           `json:"unbound,omitempty"`
}

type vectorEffect struct {
	State statement.State `json:"state"`
	By    string          `json:"by,omitempty"`
	Index uint64          `json:"index"`
}

// standings returns how all accepted statements stand about which there is
// something to say.
func (l *testLog) standings() (all []vectorStanding) {
	for i, s := range l.steps {
		if in := ledger.Read(s.raw); s.got.Accepted() && in.Statement() != nil {
			got := l.state.Standing(ledger.SaidBy(uint64(i), in.Entry(), in.Statement()))
			v := vectorStanding{Index: uint64(i), Disputed: got.Disputed, Disputes: got.Disputes, Unbound: got.Unbound}
			for _, e := range got.Effects {
				shown := vectorEffect{State: e.State, Index: e.Index}
				if !e.By.IsZero() {
					shown.By = e.By.String()
				}
				v.Effects = append(v.Effects, shown)
			}
			if len(v.Effects) > 0 || v.Disputed > 0 || v.Unbound {
				all = append(all, v)
			}
		}
	}
	return all
}

// A vectorNamespace is a claimed namespace at the end of a vector.
type vectorNamespace struct {
	Name      string   `json:"name"`
	Claimed   uint64   `json:"claimed"`
	Sequence  uint64   `json:"sequence"`
	Threshold int      `json:"threshold"`
	Keys      []string `json:"keys"` // key ids
}

func (l *testLog) namespaces() (all []vectorNamespace) {
	for _, s := range l.steps {
		st := ledger.Read(s.raw).Statement()
		if st == nil || st.Namespace == nil {
			continue
		}
		name := st.Subjects[0].Name
		got, ok := l.state.Namespace(name)
		if !ok || slices.ContainsFunc(all, func(v vectorNamespace) bool { return v.Name == name }) {
			continue
		}
		v := vectorNamespace{Name: name, Claimed: got.Claimed, Sequence: got.Sequence, Threshold: got.Threshold}
		for _, id := range got.Keys {
			v.Keys = append(v.Keys, id.String())
		}
		all = append(all, v)
	}
	return all
}
