package ledger_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A reference is the ledger told as simply as possible: big numbers, text keys, no
// thought of speed. It knows the policy of testPolicy with its own numbers.
type reference struct {
	balances, nonces map[string]*big.Int
	spent            map[string]*big.Int // of a class's budget
	credits          map[string]*modelCredit
	holders, bound   map[string]string
}

type modelCredit struct {
	index  uint64
	amount *big.Int
	to     string
	minted bool
}

func newModel() *reference {
	return &reference{map[string]*big.Int{}, map[string]*big.Int{}, map[string]*big.Int{}, map[string]*modelCredit{}, map[string]string{}, map[string]string{}}
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
	switch {
	case len(by) != 1:
		return ledger.NameSigners
	case m.holders[name] != "" && m.holders[name] != by[0]:
		return ledger.NameHeld
	case m.bound[name+version] != "" && m.bound[name+version] != digest:
		return ledger.NameBound
	}
	m.holders[name], m.bound[name+version] = by[0], digest
	return ledger.Accepted
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
	e := p.l.says(model(p.l.t, name+version, variant), someKeys(t, somebody(t, "publisher"))...)
	p.log(e, func(uint64) ledger.Code { return p.m.publish(e, name, version, fmt.Sprint(variant)) })
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
			"": func(rt *rapid.T) { p.m.compare(rt, p.l.state) },
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
