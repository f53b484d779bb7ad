package ledger_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A reference is the ledger told as simply as possible: big numbers, text keys, no
// thought of speed. It knows the policy of testPolicy with its own numbers.
type reference struct {
	balances, nonces map[string]*big.Int
	spent            map[string]*big.Int // of a class's budget
	credits          map[string]*modelCredit
	holders, bound   map[string]string
	claims           map[string]*modelClaim // by namespace
	said             []modelStatus
}

type modelClaim struct {
	keys      []string
	threshold int
	sequence  uint64
	statement [32]byte
}

// A modelStatus is a status as it was logged; what takes effect is worked out
// from all of them, each time anew.
type modelStatus struct {
	id      [32]byte
	about   statement.Subject
	state   statement.State
	by      []string // keys and, for a quorum, the namespace
	index   uint64
	succeed statement.Digest
}

type modelCredit struct {
	index  uint64
	amount *big.Int
	to     string
	minted bool
}

func newModel() *reference {
	return &reference{
		balances: map[string]*big.Int{}, nonces: map[string]*big.Int{}, spent: map[string]*big.Int{}, credits: map[string]*modelCredit{},
		holders: map[string]string{}, bound: map[string]string{}, claims: map[string]*modelClaim{},
	}
}

func at(m map[string]*big.Int, key string) *big.Int {
	if m[key] == nil {
		m[key] = new(big.Int)
	}
	return m[key]
}

// names of signers, by their public keys.
func signers(e *entry.Entry) (names []string) {
	for _, s := range e.Signatures() {
		names = append(names, fmt.Sprintf("%x", s.Key.Bytes))
	}
	return names
}

func nameOf(k *entry.PrivateKey) string { return fmt.Sprintf("%x", k.Public().Bytes) }

func ids(keys ...*entry.PrivateKey) (names []string) {
	for _, k := range keys {
		names = append(names, nameOf(k))
	}
	return names
}

var modelClasses = map[string]struct {
	num, den, max, budget int64
	threshold             int
	evaluators            []string
}{
	"data": {3, 2, 500, 600, 2, ids(eva, evan, evita)},
	"code": {10, 1, 300, 400, 1, ids(evita)},
}

func (m *reference) credit(index uint64, c *ledger.Credit, by []string) ledger.Code {
	class, ok := modelClasses[c.Class]
	if !ok {
		return ledger.CreditClassUnknown
	}
	for _, s := range by {
		if len(s) != 64 {
			return ledger.SignerAlgorithm
		}
		if !slices.Contains(class.evaluators, s) {
			return ledger.SignerUnlisted
		}
	}
	if len(by) < class.threshold {
		return ledger.QuorumUnmet
	}
	if c.Epoch != 0 {
		return ledger.CreditEpoch
	}
	key := fmt.Sprint(c.Class, "/", c.Serial)
	if m.credits[key] != nil {
		return ledger.SerialUsed
	}
	worth := new(big.Int).SetUint64(c.Work)
	worth.Mul(worth, big.NewInt(class.num)).Div(worth, big.NewInt(class.den))
	total := new(big.Int).Add(worth, at(m.spent, c.Class))
	switch {
	case worth.Sign() == 0:
		return ledger.CreditZero
	case worth.Cmp(big.NewInt(class.max)) > 0:
		return ledger.CreditAboveMax
	case total.Cmp(big.NewInt(class.budget)) > 0:
		return ledger.CreditAboveBudget
	}
	m.spent[c.Class] = total
	m.credits[key] = &modelCredit{index: index, amount: worth, to: c.Beneficiary.String()}
	return ledger.Accepted
}

func (m *reference) mint(l *testLog, index uint64, x *ledger.Mint, by []string) ledger.Code {
	c := m.credits[fmt.Sprint(x.Class, "/", x.Serial)]
	switch {
	case c == nil:
		return ledger.MintNoCredit
	case len(by) != 1 || accountNames[by[0]] != c.to:
		return ledger.MintNotBeneficiary
	case c.minted:
		return ledger.AlreadyMinted
	case x.Index != c.index:
		return ledger.MintIndex
	case x.Size <= c.index || x.Size > index:
		return ledger.MintSize
	case x.Root != l.roots[x.Size]:
		return ledger.MintRoot
	}
	c.minted = true
	at(m.balances, c.to).Add(at(m.balances, c.to), c.amount)
	return ledger.Accepted
}

var accountNames = func() map[string]string {
	m := map[string]string{}
	for _, k := range people {
		m[nameOf(k)] = accountOf(k).String()
	}
	return m
}()

var people = []*entry.PrivateKey{ada, bob, carol, eva, evan, evita, mallory}

func (m *reference) transfer(index uint64, x *ledger.Transfer, by []string) ledger.Code {
	from, to, amount := x.Account.String(), x.To.String(), toBig(x.Amount)
	if len(by) != 1 || accountNames[by[0]] != from {
		return ledger.AccountSigner
	}
	if at(m.nonces, from).Cmp(new(big.Int).SetUint64(x.Nonce)) != 0 {
		return ledger.NonceMismatch
	}
	m.nonces[from].Add(m.nonces[from], big.NewInt(1))
	switch {
	case index >= x.Expires:
		return ledger.Expired
	case amount.Sign() == 0:
		return ledger.AmountZero
	case from == to:
		return ledger.TransferToSelf
	case at(m.balances, from).Cmp(amount) < 0:
		return ledger.InsufficientBalance
	}
	at(m.balances, from).Sub(at(m.balances, from), amount)
	at(m.balances, to).Add(at(m.balances, to), amount)
	return ledger.Accepted
}

func (m *reference) publish(e *entry.Entry, name, version, digest string) ledger.Code {
	by := signers(e)
	namespace, _, _ := strings.Cut(name, "/")
	if c := m.claims[namespace]; c != nil {
		if code := quorumOf(by, c.keys, c.threshold); code != ledger.Accepted {
			return code
		}
	} else {
		switch {
		case len(by) != 1:
			return ledger.NameSigners
		case m.holders[name] != "" && m.holders[name] != by[0]:
			return ledger.NameHeld
		}
		m.holders[name] = by[0]
	}
	if m.bound[name+version] != "" && m.bound[name+version] != digest {
		return ledger.NameBound
	}
	m.bound[name+version] = digest
	return ledger.Accepted
}

// quorumOf holds signers to pairs of a list and how many of it must sign.
func quorumOf(by []string, lists ...any) ledger.Code {
	var all []string
	for i := 0; i < len(lists); i += 2 {
		all = append(all, lists[i].([]string)...)
	}
	for _, k := range by {
		if !slices.Contains(all, k) {
			return ledger.SignerUnlisted
		}
	}
	for i := 0; i < len(lists); i += 2 {
		if count(by, lists[i].([]string)) < lists[i+1].(int) {
			return ledger.QuorumUnmet
		}
	}
	return ledger.Accepted
}

func count(by, of []string) (n int) {
	for _, k := range by {
		if slices.Contains(of, k) {
			n++
		}
	}
	return n
}

func (m *reference) namespace(e *entry.Entry, name string, n *statement.Namespace) ledger.Code {
	next := &modelClaim{threshold: int(n.Threshold), sequence: n.Sequence, statement: e.StatementID()}
	for _, k := range n.Keys {
		next.keys = append(next.keys, fmt.Sprintf("%x", k.Bytes))
	}
	old, code := m.claims[name], ledger.Accepted
	switch {
	case old == nil && n.Sequence != 0:
		code = ledger.NamespaceSequence
	case old == nil:
		code = quorumOf(signers(e), next.keys, next.threshold)
		if held := m.holdersIn(name); code == ledger.Accepted && len(held) > 0 && count(signers(e), held) == 0 {
			code = ledger.NamespaceHolder
		}
	case n.Sequence == 0:
		code = ledger.NamespaceClaimed
	case n.Sequence != old.sequence+1:
		code = ledger.NamespaceSequence
	case n.Previous != old.statement:
		code = ledger.NamespacePrevious
	default:
		code = quorumOf(signers(e), old.keys, old.threshold, next.keys, next.threshold)
	}
	if code != ledger.Accepted {
		return code
	}
	if old == nil { // whatever was bound in it is bound no more
		for k := range m.bound {
			if strings.HasPrefix(k, name+"/") {
				delete(m.bound, k)
			}
		}
	}
	m.claims[name] = next
	return code
}

func (m *reference) holdersIn(namespace string) (keys []string) {
	for name, key := range m.holders {
		if strings.HasPrefix(name, namespace+"/") {
			keys = append(keys, key)
		}
	}
	return keys
}

func (m *reference) status(index uint64, e *entry.Entry, st *statement.Statement) ledger.Code {
	said := modelStatus{id: e.StatementID(), about: st.Subjects[0], state: st.Status.State, by: signers(e), index: index, succeed: st.Status.By}
	namespace, _, _ := strings.Cut(st.Subjects[0].Name, "/")
	if c := m.claims[namespace]; c != nil && count(said.by, c.keys) >= c.threshold {
		said.by = append(said.by, namespace)
	}
	m.said = append(m.said, said)
	return ledger.Accepted
}

// effect returns what stands of all that one author said about a target.
func (m *reference) effect(author, alg string, digest statement.Digest) (out ledger.Effect) {
	counted := map[[32]byte]bool{}
	grave := func(s statement.State) int {
		return map[statement.State]int{statement.StateConsentWithdrawn: 1, statement.StateRevoked: 2}[s]
	}
	for _, s := range m.said {
		if s.about.Alg != alg || s.about.Digest != digest || !slices.Contains(s.by, author) || counted[s.id] {
			continue
		}
		if now, before := grave(s.state), grave(out.State); now > before || now == 0 && before == 0 {
			out = ledger.Effect{State: s.state, By: s.succeed, Index: s.index}
			counted[s.id] = true
		}
	}
	return out
}

// compareStanding asks about the first digest of acme/a, as if published by
// each of the people, and by all of them.
func (m *reference) compareStanding(t *rapid.T, l *testLog) {
	subject := model(t, "acme/a@1", 1).Subjects[0]
	for _, by := range [][]*entry.PrivateKey{{ada}, {bob}, {mallory}, people} {
		of := ledger.Said{Index: l.size(), Kind: statement.KindModel, Name: subject.Name, Digest: subject.Digest}
		authors := ids(by...)
		for _, k := range by {
			of.Signers = append(of.Signers, k.Public().ID())
		}
		if m.claims["acme"] != nil {
			authors = append(authors, "acme")
		}
		want := map[ledger.Effect]bool{}
		for _, a := range authors {
			if e := m.effect(a, subject.Alg, subject.Digest); e.State != "" {
				want[e] = true
			}
		}
		got := l.state.Standing(of)
		for _, e := range got.Effects {
			if !want[e] {
				t.Fatalf("signed by %v it is %+v, the model has %v", authors, e, want)
			}
		}
		others := map[string]bool{} // fewer than eight ever speak here
		for _, s := range m.said {
			for _, a := range s.by {
				if s.about.Digest == subject.Digest && s.about.Alg == subject.Alg && !slices.Contains(authors, a) && !want[m.effect(a, subject.Alg, subject.Digest)] {
					others[a] = true
				}
			}
		}
		if len(got.Effects) != len(want) || got.Disputed != len(others) {
			t.Fatalf("signed by %v: %+v, the model has %v and %d others", authors, got, want, len(others))
		}
	}
}

// compare wants the same balances, nonces and credits on both sides.
func (m *reference) compare(t *rapid.T, s *ledger.State) {
	for _, k := range people {
		got, _ := s.Account(accountOf(k))
		if name := got.Account.String(); toBig(got.Balance).Cmp(at(m.balances, name)) != 0 || at(m.nonces, name).Cmp(new(big.Int).SetUint64(got.Nonce)) != 0 {
			t.Fatalf("account %s has %s at nonce %d, the model %s at %s", name, got.Balance, got.Nonce, m.balances[name], m.nonces[name])
		}
	}
	n := 0
	for c := range s.Credits() {
		n++
		want := m.credits[fmt.Sprint(c.Class, "/", c.Serial)]
		if want == nil || want.index != c.Index || want.minted != c.Minted || want.amount.Cmp(toBig(c.Amount)) != 0 || want.to != c.Beneficiary.String() {
			t.Fatalf("credit %+v, the model has %+v", c, want)
		}
	}
	if n != len(m.credits) {
		t.Fatalf("%d credits, the model has %d", n, len(m.credits))
	}
}

// A player draws entries that are nearly right, since entries drawn blindly fail
// at the first rule.
type player struct {
	l       *testLog
	m       *reference
	refused []*entry.Entry // and accepted: whatever a stranger could log again
	again   []func(index uint64) ledger.Code
}

func someKeys(t *rapid.T, usual ...*entry.PrivateKey) []*entry.PrivateKey {
	if rapid.IntRange(0, 3).Draw(t, "signers") > 0 {
		return usual
	}
	return rapid.SampledFrom([][]*entry.PrivateKey{{eva}, {evita}, {eva, evan}, {ada}, {mallory}, {evita, mallory}, {pat}, {eva, evan, evita}}).Draw(t, "other signers")
}

func somebody(t *rapid.T, label string) *entry.PrivateKey {
	return rapid.SampledFrom(people[:3]).Draw(t, label)
}

func (p *player) log(e *entry.Entry, judge func(index uint64) ledger.Code) {
	p.refused, p.again = append(p.refused, e), append(p.again, judge)
	p.l.add("drawn", judge(p.l.size()), e)
}

func (p *player) credit(t *rapid.T) {
	c := p.l.credit(rapid.Uint64Range(1, 6).Draw(t, "serial"), func(c *ledger.Credit) {
		c.Class = rapid.SampledFrom([]string{"data", "data", "code", "code", "art"}).Draw(t, "class")
		c.Work = rapid.OneOf(rapid.Uint64Range(0, 40), rapid.Uint64()).Draw(t, "work")
		c.Epoch = rapid.SampledFrom([]uint64{0, 0, 0, 1}).Draw(t, "epoch")
		c.Beneficiary = accountOf(somebody(t, "beneficiary"))
	})
	usual := []*entry.PrivateKey{eva, evan}
	if c.Class == "code" {
		usual = []*entry.PrivateKey{evita}
	}
	e := p.l.sign(c, someKeys(t, usual...)...)
	p.log(e, func(index uint64) ledger.Code { return p.m.credit(index, c, signers(e)) })
}

func (p *player) mint(t *rapid.T) {
	all := slices.Collect(p.l.state.Credits())
	if len(all) == 0 {
		t.Skip("no credits")
	}
	c := rapid.SampledFrom(all).Draw(t, "credit")
	x := p.l.mint(c.Class, c.Serial, c.Index)
	switch rapid.IntRange(0, 7).Draw(t, "fault") {
	case 0:
		x.Index = rapid.Uint64Range(0, p.l.size()).Draw(t, "index")
	case 1:
		x.Size = rapid.Uint64Range(0, p.l.size()+1).Draw(t, "size")
		x.Root = p.l.roots[min(x.Size, p.l.size())]
	case 2:
		x.Root[31] ^= 1
	case 3:
		x.Serial = rapid.Uint64Range(1, 7).Draw(t, "serial")
	}
	owner := people[slices.IndexFunc(people, func(k *entry.PrivateKey) bool { return accountOf(k) == c.Beneficiary })]
	e := p.l.sign(x, someKeys(t, owner)...)
	p.log(e, func(index uint64) ledger.Code { return p.m.mint(p.l, index, x, signers(e)) })
}

func (p *player) transfer(t *rapid.T) {
	from := somebody(t, "from")
	x := p.l.transfer(from, somebody(t, "to"), rapid.Uint64Range(0, 60).Draw(t, "amount"))
	switch rapid.IntRange(0, 7).Draw(t, "fault") {
	case 0:
		x.Nonce += uint64(rapid.IntRange(-1, 2).Draw(t, "nonce off by"))
	case 1:
		x.Expires = rapid.Uint64Range(p.l.size()-1, p.l.size()+1).Draw(t, "expires")
	case 2:
		x.Amount = ledger.Amount{Hi: rapid.Uint64().Draw(t, "huge"), Lo: 1}
	}
	e := p.l.sign(x, someKeys(t, from)...)
	p.log(e, func(index uint64) ledger.Code { return p.m.transfer(index, x, signers(e)) })
}

func (p *player) publish(t *rapid.T) {
	name := rapid.SampledFrom([]string{"acme/a", "acme/b"}).Draw(t, "name")
	version := rapid.SampledFrom([]string{"@1", "@2"}).Draw(t, "version")
	variant := rapid.ByteRange(1, 2).Draw(t, "digest")
	publishers := rapid.SampledFrom([][]*entry.PrivateKey{{ada}, {bob}, {carol}, {ada, bob}, {bob, carol}}).Draw(t, "publishers")
	e := p.l.says(model(p.l.t, name+version, variant), someKeys(t, publishers...)...)
	p.log(e, func(uint64) ledger.Code { return p.m.publish(e, name, version, fmt.Sprint(variant)) })
}

func (p *player) namespace(t *rapid.T) {
	now, ok := p.l.state.Namespace("acme")
	usual := []*entry.PrivateKey{ada, bob}
	st := claim("acme", rapid.Uint64Range(1, 2).Draw(t, "threshold"), rapid.SampledFrom([][]*entry.PrivateKey{{ada, bob}, {bob, carol}, {ada, carol, mallory}}).Draw(t, "keys")...)
	if n := st.Namespace; ok {
		n.Sequence, n.Previous = now.Sequence+1, now.Statement
		if rapid.IntRange(0, 3).Draw(t, "fault") == 0 {
			n.Sequence += uint64(rapid.IntRange(0, 1).Draw(t, "sequence"))
			n.Previous[0] ^= 1
		}
		usual = people[:3]
	}
	e := p.l.says(st, someKeys(t, append(slices.Clone(usual), mallory)[:rapid.IntRange(1, len(usual)+1).Draw(t, "signing")]...)...)
	p.log(e, func(uint64) ledger.Code { return p.m.namespace(e, "acme", st.Namespace) })
}

func (p *player) status(t *rapid.T) {
	target := model(p.l.t, "acme/a@1", rapid.ByteRange(1, 2).Draw(t, "digest")).Subjects[0]
	target.Name = rapid.SampledFrom([]string{"", "acme/a@1", "other/a@1"}).Draw(t, "name")
	st := about(target, rapid.SampledFrom([]statement.State{
		statement.StateDeprecated, statement.StateDeprecated, statement.StateSuperseded, statement.StateConsentWithdrawn, statement.StateRevoked,
	}).Draw(t, "state"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "reason"))
	e := p.l.says(st, rapid.SampledFrom([][]*entry.PrivateKey{{ada}, {bob}, {mallory}, {pat}, {ada, bob}, {bob, carol, mallory}}).Draw(t, "by")...)
	p.log(e, func(index uint64) ledger.Code { return p.m.status(index, e, st) })
}

// repeat logs an entry that stands in the log once more, as any stranger may.
func (p *player) repeat(t *rapid.T) {
	if len(p.refused) == 0 {
		t.Skip("nothing to repeat")
	}
	i := rapid.IntRange(0, len(p.refused)-1).Draw(t, "entry")
	p.log(p.refused[i], p.again[i])
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := &player{l: newLog(rt), m: newModel()}
		p.l.found()
		resumed := newLog(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"credit": p.credit, "mint": p.mint, "transfer": p.transfer, "transfer more": p.transfer, "publish": p.publish, "repeat": p.repeat,
			"namespace": p.namespace, "status": p.status, "status again": p.status,
			"": func(rt *rapid.T) { p.m.compare(rt, p.l.state); p.m.compareStanding(rt, p.l) },
		})
		for i, raw := range p.l.leaves {
			resumed.grow(raw)
			if got := resumed.state.Apply(uint64(i), raw); got != p.l.steps[i].got {
				rt.Fatalf("entry %d: %+v, before it was %+v", i, got, p.l.steps[i].got)
			}
			if i%7 == 0 {
				resumed.state = resume(rt, resumed)
			}
		}
		if resumed.state.Digest() != p.l.state.Digest() {
			rt.Fatal("a replay that was interrupted has another digest")
		}
	})
}
