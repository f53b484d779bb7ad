package ledger

import "github.com/hallmark-registry/hallmark/verifier/entry"

// judgeCredit fixes what a credit is worth, once and for all, when it is first
// accepted: in log order, while budget and caps last.
func (s *State) judgeCredit(e *entry.Entry, c *Credit) ruling {
	if v := s.onLedger(c.Ledger); v.code != Accepted {
		return v.ruling()
	}
	class, at := s.policy.class(c.Class)
	if class == nil {
		return reject(CreditClassUnknown, "class %q is not in the policy", c.Class).ruling()
	}
	if v := quorum(e, &class.Evaluators, "evaluators of class "+c.Class); v.code != Accepted {
		return v.ruling()
	}
	if c.Epoch != s.epoch {
		return reject(CreditEpoch, "epoch %d, the ledger is in %d", c.Epoch, s.epoch).ruling()
	}
	if old, used := s.credits[creditKey{uint32(at), c.Serial}]; used {
		return reject(SerialUsed, "class %s serial %d was accepted at index %d", c.Class, c.Serial, old.index).ruling()
	}
	amount := class.Rate.Value(c.Work)
	return ruling{verdict: s.judgeValue(c, class, at, amount), amount: amount}
}

// judgeValue holds a credit's value to all limits. No limit is stretched to
// fit: a credit counts in full or not at all.
func (s *State) judgeValue(c *Credit, class *Class, at int, amount Amount) verdict {
	if amount.IsZero() {
		return reject(CreditZero, "work %d is worth nothing at %s", c.Work, class.Rate)
	}
	if amount.Cmp(class.Max) > 0 {
		return reject(CreditAboveMax, "worth %s base units, class %s allows %s", amount, c.Class, class.Max)
	}
	if sum, ok := s.classes[at].credited.Add(amount); !ok || sum.Cmp(s.budgets[at]) > 0 {
		return reject(CreditAboveBudget, "worth %s base units, class %s has credited %s of %s in epoch %d", amount, c.Class, s.classes[at].credited, s.budgets[at], s.epoch)
	}
	promised, _ := s.issued.Add(s.pending) // both at most the cap together
	if sum, ok := promised.Add(amount); !ok || sum.Cmp(s.genesis.Cap) > 0 {
		return reject(CreditAboveCap, "worth %s base units, %s of the cap of %s are issued or promised", amount, promised, s.genesis.Cap)
	}
	if had := s.contributors[c.Beneficiary]; s.policy.Contributor.exceeded(had, amount) {
		return reject(CreditContributorFull, "worth %s base units, the beneficiary was credited %s of %s in epoch %d", amount, had, s.policy.Contributor, s.epoch)
	}
	if had := s.subjects[c.Subject]; s.policy.Subject.exceeded(had, amount) {
		return reject(CreditSubjectFull, "worth %s base units, the subject was credited %s of %s in epoch %d", amount, had, s.policy.Subject, s.epoch)
	}
	return verdict{}
}

func (s *State) acceptCredit(c *Credit, amount Amount) {
	_, at := s.policy.class(c.Class)
	s.credits[creditKey{uint32(at), c.Serial}] = credit{index: s.size, amount: amount, beneficiary: c.Beneficiary}
	s.classes[at].credited = plus(s.classes[at].credited, amount)
	s.pending = plus(s.pending, amount)
	if !s.policy.Contributor.none() {
		s.contributors[c.Beneficiary] = plus(s.contributors[c.Beneficiary], amount)
	}
	if !s.policy.Subject.none() {
		s.subjects[c.Subject] = plus(s.subjects[c.Subject], amount)
	}
}

// judgeMint re-checks what the server that took the mint claims to have
// checked, from the log alone.
func (s *State) judgeMint(e *entry.Entry, m *Mint) verdict {
	if v := s.onLedger(m.Ledger); v.code != Accepted {
		return v
	}
	_, at := s.policy.class(m.Class)
	c, known := s.credits[creditKey{uint32(at), m.Serial}]
	switch {
	case at < 0 || !known:
		return reject(MintNoCredit, "no credit of class %q with serial %d was accepted before this", m.Class, m.Serial)
	case !signedBy(e, c.beneficiary):
		return reject(MintNotBeneficiary, "want one signature, by account %s", c.beneficiary)
	case c.minted:
		return reject(AlreadyMinted, "class %s serial %d was minted at index %d", m.Class, m.Serial, c.mintIndex)
	case m.Index != c.index:
		return reject(MintIndex, "index %d, the credit was accepted at %d", m.Index, c.index)
	case m.Size <= m.Index || m.Size > s.size:
		return reject(MintSize, "size %d, want above the credit's index %d and at most the mint's own, %d", m.Size, m.Index, s.size)
	}
	return s.judgeRoot(m)
}

func (s *State) judgeRoot(m *Mint) verdict {
	if s.roots == nil {
		return reject(Undecided, "no source of roots was given")
	}
	root, err := s.roots.RootAt(m.Size)
	switch {
	case err != nil:
		return reject(Undecided, "root at size %d: %v", m.Size, err)
	case root != m.Root:
		return reject(MintRoot, "root %x at size %d, the log's is %x", m.Root, m.Size, root)
	}
	return verdict{}
}

func (s *State) acceptMint(m *Mint) {
	_, at := s.policy.class(m.Class)
	key := creditKey{uint32(at), m.Serial}
	c := s.credits[key]
	c.minted, c.mintIndex = true, s.size
	s.credits[key] = c
	a := s.accounts[c.beneficiary]
	a.balance = plus(a.balance, c.amount)
	s.accounts[c.beneficiary] = a
	s.classes[at].minted = plus(s.classes[at].minted, c.amount)
	s.issued = plus(s.issued, c.amount)
	s.pending = minus(s.pending, c.amount)
}

// plus and minus are for sums that a rule has bounded before.
func plus(a, b Amount) Amount {
	sum, ok := a.Add(b)
	if !ok {
		panic("ledger: " + a.String() + " + " + b.String() + " overflows")
	}
	return sum
}

func minus(a, b Amount) Amount {
	diff, ok := a.Sub(b)
	if !ok {
		panic("ledger: " + a.String() + " - " + b.String() + " is negative")
	}
	return diff
}
