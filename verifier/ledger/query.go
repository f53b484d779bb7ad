package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// Genesis returns the ledger's genesis, or nil if the log has none. The caller
// must not change it.
func (s *State) Genesis() *Genesis { return s.genesis }

// LedgerID returns the id that every ledger entry must carry; zero if the log
// has no ledger.
func (s *State) LedgerID() LedgerID { return s.ledger }

// Policy returns the policy in force, or nil if the log has no ledger. The
// caller must not change it.
func (s *State) Policy() *Policy { return s.policy }

// Epoch returns the epoch in which the next entry falls.
func (s *State) Epoch() uint64 { return s.epoch }

// Outcomes returns the hash chain over the outcomes of all entries so far. Two
// replayers who compare it at one size know whether they judged every entry
// below it alike.
func (s *State) Outcomes() [32]byte { return s.chain }

// Count returns how many entries were given the code.
func (s *State) Count(c Code) uint64 {
	if c > maxCode {
		return 0
	}
	return s.outcomes[c]
}

// Rejected returns how many entries were rejected.
func (s *State) Rejected() uint64 { return s.size - s.outcomes[Accepted] }

// An AccountState is what the ledger knows of an account.
type AccountState struct {
	Account   AccountID `json:"account"`
	Balance   Amount    `json:"balance"`
	Available Amount    `json:"available"` // what can be spent; rules version 1 freeze nothing
	Nonce     uint64    `json:"nonce"`     // which the account's next entry must carry
}

// Account returns the account, and false if the ledger has never heard of it;
// it then has no balance and nonce 0, as every account begins.
func (s *State) Account(id AccountID) (AccountState, bool) {
	a, ok := s.accounts[id]
	return AccountState{Account: id, Balance: a.balance, Available: a.balance, Nonce: a.nonce}, ok
}

// Accounts yields all accounts, ascending by the bytes of their ids.
func (s *State) Accounts() iter.Seq[AccountState] {
	return func(yield func(AccountState) bool) {
		for _, id := range slices.SortedFunc(maps.Keys(s.accounts), compareAccounts) {
			if a, _ := s.Account(id); !yield(a) {
				return
			}
		}
	}
}

// A CreditState is an accepted credit and what became of it.
type CreditState struct {
	Class       string    `json:"class"`
	Serial      uint64    `json:"serial"`
	Index       uint64    `json:"index"` // at which it was accepted; a mint must name it
	Beneficiary AccountID `json:"beneficiary"`
	Amount      Amount    `json:"amount"`
	Minted      bool      `json:"minted"`
	MintIndex   uint64    `json:"mint_index"` // of the mint entry, if Minted
}

// Credit returns the accepted credit of a class with a serial.
func (s *State) Credit(class string, serial uint64) (CreditState, bool) {
	if s.policy == nil {
		return CreditState{}, false
	}
	_, at := s.policy.class(class)
	key := creditKey{uint32(at), serial}
	if _, ok := s.credits[key]; at < 0 || !ok {
		return CreditState{}, false
	}
	return s.credit(key), true
}

func (s *State) credit(k creditKey) CreditState {
	c := s.credits[k]
	return CreditState{
		Class: s.policy.Classes[k.class].ID, Serial: k.serial, Index: c.index,
		Beneficiary: c.beneficiary, Amount: c.amount, Minted: c.minted, MintIndex: c.mintIndex,
	}
}

// Credits yields all accepted credits, ascending by class and serial.
func (s *State) Credits() iter.Seq[CreditState] {
	return func(yield func(CreditState) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(s.credits), creditKey.compare) {
			if !yield(s.credit(k)) {
				return
			}
		}
	}
}

// CreditsOf returns the accepted credits of a beneficiary in log order. It
// looks at all credits; who asks often keeps an index.
func (s *State) CreditsOf(beneficiary AccountID) []CreditState {
	var of []CreditState
	for k, c := range s.credits {
		if c.beneficiary == beneficiary {
			of = append(of, s.credit(k))
		}
	}
	slices.SortFunc(of, func(a, b CreditState) int { return cmp.Compare(a.Index, b.Index) })
	return of
}

// Binding returns the digest to which ns/name@version is bound, as a model or
// as a dataset. In a claimed namespace that is what was bound since the claim.
func (s *State) Binding(kind statement.Kind, name statement.Name) (statement.Digest, bool) {
	d, ok := s.names.bindings.get(bindingHash(kind, name.String(), s.names.namespace(name.Namespace) != nil))
	return d, ok
}

// Holder returns the key that holds ns/name, a name in an unclaimed namespace.
// In a claimed one no key holds names: see Namespace.
func (s *State) Holder(base string) (entry.KeyID, bool) {
	if ns, _, _ := strings.Cut(base, "/"); s.names.namespace(ns) != nil {
		return entry.KeyID{}, false
	}
	return s.names.holder(nameHash(base))
}

// A NamespaceState is who holds a claimed namespace.
type NamespaceState struct {
	Claimed   uint64        // index of the claim: what was bound below is bound no more
	Sequence  uint64        // of the statement in force; the next rotation has one more
	Statement [32]byte      // id of the statement in force, the next rotation's previous
	Threshold int           // how many of Keys must sign
	Keys      []entry.KeyID // ascending
}

// Namespace returns who holds a namespace, and false if nobody has claimed it.
func (s *State) Namespace(name string) (NamespaceState, bool) {
	n := s.names.namespace(name)
	if n == nil {
		return NamespaceState{}, false
	}
	return NamespaceState{Claimed: n.claimed, Sequence: n.sequence, Statement: n.statement, Threshold: n.threshold, Keys: slices.Clone(n.keys)}, true
}

func compareAccounts(a, b AccountID) int { return bytes.Compare(a[:], b[:]) }
func compareHashes(a, b [32]byte) int    { return bytes.Compare(a[:], b[:]) }

func (k creditKey) compare(o creditKey) int {
	return cmp.Or(cmp.Compare(k.class, o.class), cmp.Compare(k.serial, o.serial))
}

// A Supply is where every unit comes from and where it is, as of a log size.
// Its JSON is stable: members are only ever added.
type Supply struct {
	Size     uint64   `json:"size"`
	Ledger   LedgerID `json:"ledger"`
	Symbol   string   `json:"symbol"`
	Decimals uint8    `json:"decimals"`
	Cap      Amount   `json:"cap"`
	Issued   Amount   `json:"issued"`
	Burned   Amount   `json:"burned"`
	Pending  Amount   `json:"pending"` // credited and not minted yet
	Accounts int      `json:"accounts"`
	Balances Amount   `json:"balances"` // of all accounts together
	// Equation must balance: balances = issued - burned.
	Equation string        `json:"equation"`
	Holds    bool          `json:"holds"`
	Epochs   []EpochSupply `json:"epochs"`
	Accepted uint64        `json:"accepted"` // entries
	Rejected []CodeCount   `json:"rejected"` // ascending by code, none left out
}

// An EpochSupply is what one epoch might credit, did, and what of that was
// minted since.
type EpochSupply struct {
	Epoch   uint64        `json:"epoch"`
	Budget  Amount        `json:"budget"`
	Classes []ClassSupply `json:"classes"`
}

// A ClassSupply is the part of an EpochSupply that falls to one class.
type ClassSupply struct {
	Class    string `json:"class"`
	Budget   Amount `json:"budget"`
	Credited Amount `json:"credited"`
	Minted   Amount `json:"minted"`
}

// A CodeCount says how many entries were rejected with a code.
type CodeCount struct {
	Code  Code   `json:"code"`
	Count uint64 `json:"count"`
}

// Supply returns the supply statement. It adds up all balances, so that its
// equation is computed and not copied.
func (s *State) Supply() Supply {
	out := Supply{
		Size: s.size, Ledger: s.ledger, Issued: s.issued, Pending: s.pending, Accounts: len(s.accounts),
		Epochs: []EpochSupply{}, Accepted: s.outcomes[Accepted], Rejected: []CodeCount{},
	}
	for _, a := range s.accounts {
		out.Balances = plus(out.Balances, a.balance)
	}
	out.Equation = fmt.Sprintf("%s = %s - %s", out.Balances, out.Issued, out.Burned)
	left, ok := out.Issued.Sub(out.Burned)
	out.Holds = ok && left == out.Balances
	for c := Accepted + 1; c <= maxCode; c++ {
		if n := s.outcomes[c]; n != 0 {
			out.Rejected = append(out.Rejected, CodeCount{c, n})
		}
	}
	if g := s.genesis; g != nil {
		out.Symbol, out.Decimals, out.Cap = g.Symbol, g.Decimals, g.Cap
		out.Epochs = append(out.Epochs, s.epochSupply())
	}
	return out
}

func (s *State) epochSupply() EpochSupply {
	e := EpochSupply{Epoch: s.epoch, Budget: s.policy.Budget.At(s.epoch)}
	for i, c := range s.policy.Classes {
		e.Classes = append(e.Classes, ClassSupply{c.ID, s.budgets[i], s.classes[i].credited, s.classes[i].minted})
	}
	return e
}
