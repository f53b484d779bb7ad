package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// A Policy says how much may be credited, to what kind of work, and who judges
// it. Its text stands in the log, where everybody reads the same bytes, so it
// has one form: ParsePolicy refuses a text that String would write otherwise.
//
//	hallmark policy 1
//	budget 10000000 halving 104 floor 500000
//	contributor 1000000
//	subject none
//	class data
//	  share 40
//	  unit record
//	  rate fixed 3/100
//	  max 50000
//	  evaluators 1 of 2
//	    ed25519:1f0c...
//	    ed25519:9a4e...
//	  maturity 0
//	  vesting 0
//	dispute none
//	compliance none
//
// Every line stands there even if it grants nothing, so that a reader sees what
// is not limited. Amounts are base units. Emission never depends on burn, and
// limits are caps, not curves: a curve that favours small contributions pays
// people to become many.
type Policy struct {
	Budget Budget
	// Contributor and Subject cap what one account, and one model or dataset,
	// is credited in one epoch. The zero Limit is "none".
	Contributor Limit
	Subject     Limit
	Classes     []Class // ascending by id
	Dispute     KeySet  // may revoke any class's credits; none allowed
	Offers      []Offer // ascending by name
	Compliance  KeySet  // may freeze accounts; none allowed
}

// A Budget is the amount that an epoch may credit: Initial, halved every
// Halving epochs (0 = never), and never below Floor. What an epoch leaves over
// expires.
type Budget struct {
	Initial Amount
	Halving uint64
	Floor   Amount
}

// At returns the budget of an epoch.
func (b Budget) At(epoch uint64) Amount {
	if b.Halving == 0 {
		return b.Initial
	}
	if n := b.Initial.rsh(epoch / b.Halving); n.Cmp(b.Floor) > 0 {
		return n
	}
	return b.Floor
}

// A Limit is an amount or, when zero, the absence of one.
type Limit struct{ Amount Amount }

// none reports whether anything goes.
func (l Limit) none() bool { return l.Amount.IsZero() }

// exceeded reports whether so much more, after what there was, is too much.
func (l Limit) exceeded(had, more Amount) bool {
	sum, ok := had.Add(more)
	return !l.none() && (!ok || sum.Cmp(l.Amount) > 0)
}

func (l Limit) String() string {
	if l.none() {
		return "none"
	}
	return l.Amount.String()
}

// A Class is one kind of contribution.
type Class struct {
	ID string // never used again for another class
	// Share is the class's part of an epoch's budget: floor(budget * Share / sum
	// of all classes' shares).
	Share      uint32
	Unit       string // what Work counts, such as "record"
	Rate       Rate
	Max        Amount // that one credit may be worth
	Evaluators KeySet
	Maturity   uint64 // epochs between a credit and the first in which it may be minted
	Vesting    uint64 // epochs over which what was minted becomes free
}

// A Rate prices a unit of work at Num/Den base units in lowest terms, rounded
// down once per credit. The zero Rate is pro-rata: the class's budget of the
// epoch is split by work.
type Rate struct{ Num, Den uint64 }

// ProRata reports whether the epoch's budget is split by work.
func (r Rate) ProRata() bool { return r == Rate{} }

func (r Rate) String() string {
	if r.ProRata() {
		return "pro-rata"
	}
	return fmt.Sprintf("fixed %d/%d", r.Num, r.Den)
}

// Value returns what so much work is worth at a fixed rate.
func (r Rate) Value(work uint64) Amount {
	// work*Num is below 2^128 and Den at least 1, so that nothing overflows.
	v, _ := NewAmount(work).MulDiv(r.Num, max(r.Den, 1))
	return v
}

// An Offer is something that units can be redeemed for.
type Offer struct {
	Name  string
	Price Amount    // of one
	Burn  Fraction  // of the price that is destroyed; Payee gets the rest
	Payee AccountID // of what is not burned
}

// A Fraction is Num/Den in lowest terms, from 0/1 to 1/1.
type Fraction struct{ Num, Den uint64 }

// Bounds of a policy.
const (
	// maxClasses and maxOffers: what people can still compare on one page.
	maxClasses = 32
	maxOffers  = 32
	// maxEpochs bounds counts of epochs: at the shortest epoch, 8,000 years. It
	// has a type since it is more than an int has on a machine of 32 bits.
	maxEpochs uint64 = 1<<32 - 1
)

// Errors of a policy to branch on.
var (
	// ErrPolicy is a text that is not the canonical form of a policy.
	ErrPolicy = errors.New("malformed policy")
	// ErrPolicyUnsupported is a policy that uses what these rules don't enforce.
	ErrPolicyUnsupported = errors.New("policy not supported")
)

// String returns the policy's one text form. It is meaningful for a policy
// whose Check passes.
func (p *Policy) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nbudget %s halving %d floor %s\n", policyHeader, p.Budget.Initial, p.Budget.Halving, p.Budget.Floor)
	fmt.Fprintf(&b, "contributor %s\nsubject %s\n", p.Contributor, p.Subject)
	for _, c := range p.Classes {
		fmt.Fprintf(&b, "class %s\n  share %d\n  unit %s\n  rate %s\n  max %s\n", c.ID, c.Share, c.Unit, c.Rate, c.Max)
		writeKeys(&b, "  ", "evaluators", c.Evaluators)
		fmt.Fprintf(&b, "  maturity %d\n  vesting %d\n", c.Maturity, c.Vesting)
	}
	writeKeys(&b, "", "dispute", p.Dispute)
	for _, o := range p.Offers {
		fmt.Fprintf(&b, "offer %s\n  price %s\n  burn %d/%d\n  payee %s\n", o.Name, o.Price, o.Burn.Num, o.Burn.Den, o.Payee)
	}
	writeKeys(&b, "", "compliance", p.Compliance)
	return b.String()
}

func writeKeys(b *strings.Builder, indent, what string, s KeySet) {
	if s.none() {
		fmt.Fprintf(b, "%s%s none\n", indent, what)
		return
	}
	fmt.Fprintf(b, "%s%s %d of %d\n", indent, what, s.Threshold, len(s.Keys))
	for _, k := range s.Keys {
		fmt.Fprintf(b, "%s  %s\n", indent, k)
	}
}

// Check says what of the policy is out of bounds, in errors wrapping ErrPolicy.
// ParsePolicy has done it already; it is for a policy made in code.
func (p *Policy) Check() error {
	if err := p.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	return nil
}

func (p *Policy) check() error {
	if err := p.Budget.check(); err != nil {
		return err
	}
	switch {
	case len(p.Classes) < 1 || len(p.Classes) > maxClasses:
		return fmt.Errorf("%d classes, want 1 to %d", len(p.Classes), maxClasses)
	case len(p.Offers) > maxOffers:
		return fmt.Errorf("%d offers, want at most %d", len(p.Offers), maxOffers)
	}
	for _, c := range p.Classes {
		if err := c.check(); err != nil {
			return fmt.Errorf("class %q: %w", clip(c.ID), err)
		}
	}
	for _, o := range p.Offers {
		if err := o.check(); err != nil {
			return fmt.Errorf("offer %q: %w", clip(o.Name), err)
		}
	}
	return cmp.Or(
		ascending("class", p.Classes, func(a, b Class) int { return strings.Compare(a.ID, b.ID) }),
		ascending("offer", p.Offers, func(a, b Offer) int { return strings.Compare(a.Name, b.Name) }),
		p.Dispute.checkOptional("dispute"),
		p.Compliance.checkOptional("compliance"),
	)
}

func (b Budget) check() error {
	switch {
	case b.Initial.IsZero():
		return errors.New("budget is 0")
	case b.Floor.Cmp(b.Initial) > 0:
		return fmt.Errorf("floor %s above the initial budget %s", b.Floor, b.Initial)
	case b.Halving > maxEpochs:
		return fmt.Errorf("halving after %d epochs, want at most %d", b.Halving, maxEpochs)
	case b.Halving == 0 && !b.Floor.IsZero():
		return fmt.Errorf("floor %s of a budget that never halves, want 0", b.Floor)
	}
	return nil
}

func (c *Class) check() error {
	if err := cmp.Or(checkName("id", c.ID), checkName("unit", c.Unit)); err != nil {
		return err
	}
	switch {
	case c.Share == 0:
		return errors.New("share 0: nothing could be credited")
	case !c.Rate.ProRata() && (c.Rate.Num == 0 || c.Rate.Den == 0 || gcd(c.Rate.Num, c.Rate.Den) != 1):
		return fmt.Errorf("rate %d/%d, want a positive fraction in lowest terms", c.Rate.Num, c.Rate.Den)
	case c.Max.IsZero():
		return errors.New("max 0: nothing could be credited")
	case c.Maturity > maxEpochs || c.Vesting > maxEpochs:
		return fmt.Errorf("maturity %d, vesting %d, want at most %d epochs", c.Maturity, c.Vesting, maxEpochs)
	}
	return c.Evaluators.check("evaluators")
}

func (o *Offer) check() error {
	if err := cmp.Or(checkName("name", o.Name), o.Payee.check()); err != nil {
		return err
	}
	switch {
	case o.Price.IsZero():
		return errors.New("price is 0")
	case o.Burn.Den == 0 || o.Burn.Num > o.Burn.Den || gcd(o.Burn.Num, o.Burn.Den) != 1:
		return fmt.Errorf("burn %d/%d, want a fraction of at most 1 in lowest terms", o.Burn.Num, o.Burn.Den)
	}
	return nil
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Enforced returns an error wrapping ErrPolicyUnsupported if the policy asks
// for anything that rules version 1 does not enforce. Such a policy is refused:
// a promise in the log that nobody keeps is worse than none.
func (p *Policy) Enforced() error {
	not := func(format string, args ...any) error {
		return fmt.Errorf("%w: rules version %d do not enforce %s", ErrPolicyUnsupported, RulesVersion, fmt.Sprintf(format, args...))
	}
	for _, c := range p.Classes {
		switch {
		case c.Rate.ProRata():
			return not("class %s: rate pro-rata", c.ID)
		case c.Maturity != 0:
			return not("class %s: maturity %d", c.ID, c.Maturity)
		case c.Vesting != 0:
			return not("class %s: vesting %d", c.ID, c.Vesting)
		}
	}
	switch {
	case !p.Dispute.none():
		return not("a dispute panel")
	case len(p.Offers) != 0:
		return not("offer %s", p.Offers[0].Name)
	case !p.Compliance.none():
		return not("compliance keys")
	}
	return nil
}

// class returns the class and its position.
func (p *Policy) class(id string) (*Class, int) {
	for i := range p.Classes {
		if p.Classes[i].ID == id {
			return &p.Classes[i], i
		}
	}
	return nil, -1
}

// budgets returns each class's part of an epoch's budget.
func (p *Policy) budgets(epoch uint64) []Amount {
	total := uint64(0) // at most 32 shares below 2^32
	for _, c := range p.Classes {
		total += uint64(c.Share)
	}
	out := make([]Amount, len(p.Classes))
	for i, c := range p.Classes {
		out[i], _ = p.Budget.At(epoch).MulDiv(uint64(c.Share), total) // at most the budget
	}
	return out
}
