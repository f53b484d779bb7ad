package ledger

import (
	"cmp"
	"fmt"
)

// CheckInvariants recomputes what must hold after every entry, and returns an
// error that names the first that doesn't. It costs one pass over accounts and
// credits. An error means that the program or its memory is broken, never that
// the log is: stop, and keep the state as evidence.
//
//  1. The sum of all balances is what was issued less what was burned.
//  2. What was issued or promised is within the cap; what an epoch credited is
//     within its budget, class by class; no class minted more than it credited.
//  3. No balance is below zero (the arithmetic has none), and none above all.
//  4. One class and serial has one outcome: credits minted sum to what was
//     issued, the others to what is pending.
//  5. Nonces rise by one: all accounts' nonces sum to the nonces used up.
//  6. Every entry has one outcome.
//  7. A namespace has a threshold that its keys can meet, each key once, and was
//     claimed in this log. Whoever holds a name holds it in a namespace, and only
//     they are residents of one.
//  8. An author has one remark about a target, said in this log, and every target
//     knows how many spoke about it and who was first.
//
// That the same log gives the same Digest everywhere is for tests to show.
func (s *State) CheckInvariants() error {
	for i, check := range []func() error{
		s.checkBalances, s.checkBudgets, s.checkAccounts, s.checkCredits, s.checkNonces, s.checkOutcomes,
		s.checkNamespaces, s.checkStatuses,
	} {
		if err := check(); err != nil {
			return fmt.Errorf("invariant %d at size %d: %w", i+1, s.size, err)
		}
	}
	return nil
}

// A tally sums amounts and remembers an overflow.
type tally struct {
	sum      Amount
	overflow bool
}

func (t *tally) add(a Amount) {
	sum, ok := t.sum.Add(a)
	t.sum, t.overflow = sum, t.overflow || !ok
}

func (t *tally) want(what string, want Amount) error {
	if t.overflow || t.sum != want {
		return fmt.Errorf("%s sum to %s (overflow: %t), want %s", what, t.sum, t.overflow, want)
	}
	return nil
}

func (s *State) checkBalances() error {
	var t tally
	for _, a := range s.accounts {
		t.add(a.balance)
	}
	return t.want("balances", s.issued)
}

func (s *State) checkBudgets() error {
	if s.genesis == nil {
		if n := len(s.accounts) + len(s.credits) + len(s.contributors) + len(s.subjects); n != 0 {
			return fmt.Errorf("%d accounts, credits and limits without a genesis", n)
		}
		return nil
	}
	var promised, credited, minted tally
	promised.add(s.issued)
	promised.add(s.pending)
	if promised.overflow || promised.sum.Cmp(s.genesis.Cap) > 0 {
		return fmt.Errorf("issued %s and pending %s exceed the cap %s", s.issued, s.pending, s.genesis.Cap)
	}
	for i, c := range s.classes {
		credited.add(c.credited)
		minted.add(c.minted)
		if c.credited.Cmp(s.budgets[i]) > 0 || c.minted.Cmp(c.credited) > 0 {
			return fmt.Errorf("class %s minted %s, credited %s, budget %s", s.policy.Classes[i].ID, c.minted, c.credited, s.budgets[i])
		}
	}
	return cmp.Or(
		credited.want("classes' credits", promised.sum),
		minted.want("classes' mints", s.issued),
		checkLimit("contributors", s.policy.Contributor, s.contributors, credited.sum),
		checkLimit("subjects", s.policy.Subject, s.subjects, credited.sum),
	)
}

// checkLimit holds what each was credited in this epoch to the policy's limit,
// and all together to what the epoch credited.
func checkLimit[K comparable](what string, l Limit, had map[K]Amount, credited Amount) error {
	if l.none() {
		if len(had) != 0 {
			return fmt.Errorf("%d %s without a limit", len(had), what)
		}
		return nil
	}
	var t tally
	for _, a := range had {
		if a.IsZero() || a.Cmp(l.Amount) > 0 {
			return fmt.Errorf("one of the %s was credited %s of %s", what, a, l)
		}
		t.add(a)
	}
	return t.want(what, credited)
}

func (s *State) checkAccounts() error {
	for id, a := range s.accounts {
		if a.balance.Cmp(s.issued) > 0 {
			return fmt.Errorf("account %s has %s of %s issued", id, a.balance, s.issued)
		}
		if id.check() != nil || a == (account{}) {
			return fmt.Errorf("account %s is of no known type, or has never been used", id)
		}
	}
	return nil
}

func (s *State) checkCredits() error {
	var minted, pending tally
	for k, c := range s.credits {
		if int64(k.class) >= int64(len(s.classes)) || c.amount.IsZero() || c.index >= s.size || c.beneficiary.check() != nil {
			return fmt.Errorf("credit %d/%d of %s at index %d", k.class, k.serial, c.amount, c.index)
		}
		if c.minted && (c.mintIndex <= c.index || c.mintIndex >= s.size) || !c.minted && c.mintIndex != 0 {
			return fmt.Errorf("credit %d/%d at index %d is minted (%t) at index %d", k.class, k.serial, c.index, c.minted, c.mintIndex)
		}
		if c.minted {
			minted.add(c.amount)
		} else {
			pending.add(c.amount)
		}
	}
	return cmp.Or(minted.want("minted credits", s.issued), pending.want("pending credits", s.pending))
}

func (s *State) checkNonces() error {
	var t tally
	for _, a := range s.accounts {
		t.add(NewAmount(a.nonce))
	}
	if s.nonces > s.size {
		return fmt.Errorf("%d nonces used up by %d entries", s.nonces, s.size)
	}
	return t.want("nonces", NewAmount(s.nonces))
}

func (s *State) checkOutcomes() error {
	var t tally
	for _, n := range s.outcomes {
		t.add(NewAmount(n))
	}
	return t.want("outcomes", NewAmount(s.size))
}

func (s *State) checkNamespaces() error {
	for digest, n := range s.names.namespaces.sorted() {
		if n.claimed >= s.size || n.sequence >= s.size {
			return fmt.Errorf("namespace %x was claimed at index %d, sequence %d", digest, n.claimed, n.sequence)
		}
		if len(n.keys) > maxKeys || n.threshold < 1 || n.threshold > len(n.keys) {
			return fmt.Errorf("namespace %x has a threshold of %d with %d keys", digest, n.threshold, len(n.keys))
		}
		if err := ascending("key", n.keys, compareKeyIDs); err != nil {
			return fmt.Errorf("namespace %x: %w", digest, err)
		}
	}
	return s.names.checkResidents()
}

func (n *names) checkResidents() error {
	if len(n.residents) > n.holders.len() {
		return fmt.Errorf("%d residents of namespaces hold %d names", len(n.residents), n.holders.len())
	}
	lives := make([]bool, len(n.keys))
	for r := range n.residents {
		lives[r.key] = true
	}
	for i, ok := range lives {
		if !ok {
			return fmt.Errorf("key %s holds a name in no namespace", n.keys[i])
		}
	}
	return nil
}

func (s *State) checkStatuses() error {
	st := &s.statuses
	counted := make([]uint32, st.targets.len())
	for i, w := range st.remarks {
		if w.state < stateDeprecated || w.state > stateRevoked || !w.by.IsZero() && w.state != stateSuperseded || w.first > w.index || w.index >= s.size {
			return fmt.Errorf("remark %d: state %d by %s, first said at index %d, last at %d", i, w.state, w.by, w.first, w.index)
		}
		if err := s.checkAuthor(st.authors[w.author]); err != nil {
			return err
		}
		if at, ok := st.spoken[w.spoken]; !ok || at != uint32(i) {
			return fmt.Errorf("remark %d is another's, or found at %d", i, at)
		}
		t := &st.targets.at(w.target).value
		if n := counted[w.target]; n < maxDisputes && t.first[n] != uint32(i) {
			return fmt.Errorf("remark %d is not number %d of its target", i, n)
		}
		counted[w.target]++
	}
	for i, n := range counted {
		if t := st.targets.at(uint32(i)).value; n == 0 || t.count != n {
			return fmt.Errorf("target %d: %d authors, counted %d", i, t.count, n)
		}
	}
	return nil
}

func (s *State) checkAuthor(a author) error {
	switch {
	case a[0] == authorKey:
	case a[0] == authorNamespace && s.names.namespaces.find([32]byte(a[1:])) != nil:
	default:
		return fmt.Errorf("author %x is neither a key nor a claimed namespace", a)
	}
	return nil
}
