package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A policyVector is a text and where it departs from the canonical form; line
// 0 means that it's a policy.
type policyVector struct {
	Story     string `json:"story"`
	Text      string `json:"text"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	Supported bool   `json:"supported"` // by rules version 1
}

// fullPolicy uses the whole grammar.
func fullPolicy() *ledger.Policy {
	p := testPolicy()
	p.Budget = ledger.Budget{Initial: ledger.NewAmount(1000), Halving: 104, Floor: ledger.NewAmount(50)}
	p.Contributor = ledger.Limit{Amount: ledger.NewAmount(200)}
	p.Classes = append(p.Classes, ledger.Class{
		ID: "model", Share: 1, Unit: "eval-point", Max: maxAmount, Evaluators: keySet(1, eva), Maturity: 2, Vesting: 52,
	})
	p.Dispute, p.Compliance = keySet(2, ada, bob, carol), keySet(1, operator)
	p.Offers = []ledger.Offer{
		{Name: "inference", Price: ledger.NewAmount(1000), Burn: ledger.Fraction{Num: 1, Den: 2}, Payee: accountOf(operator)},
		{Name: "training", Price: ledger.NewAmount(9), Burn: ledger.Fraction{Num: 0, Den: 1}, Payee: accountOf(bob)},
	}
	return p
}

func TestPolicies(t *testing.T) {
	plain, full := testPolicy().String(), fullPolicy().String()
	replace := func(old, new string) string {
		if strings.Count(full, old) == 0 {
			t.Fatalf("the policy has no %q", old)
		}
		return strings.Replace(full, old, new, 1)
	}
	key := ledgerKey(evita).String()
	vectors := []policyVector{
		{"what the tests use", plain, 0, 0, true},
		{"the whole grammar", full, 0, 0, false},
		{"an example to begin with", ledger.ExamplePolicy(2, ledgerKey(eva), ledgerKey(evan), ledgerKey(evan)).String(), 0, 0, true},
		{"nothing", "", 1, 1, false},
		{"another version", replace("policy 1", "policy 2"), 1, 17, false},
		{"no line feed at the end", strings.TrimSuffix(full, "\n"), 47, 75, false},
		{"an empty line at the end", full + "\n", 48, 1, false},
		{"carriage returns", strings.ReplaceAll(full, "\n", "\r\n"), 1, 18, false},
		{"a comment", replace("contributor", "# a cap\ncontributor"), 3, 1, false},
		{"two spaces", replace("budget 1000", "budget  1000"), 2, 8, false},
		{"a leading zero", replace("budget 1000", "budget 01000"), 2, 8, false},
		{"a sign", replace("budget 1000", "budget +1000"), 2, 8, false},
		{"a budget of 0", replace("budget 1000 ", "budget 0 "), 2, 1, false},
		{"a floor above the budget", replace("floor 50", "floor 1001"), 2, 1, false},
		{"a floor under a budget that never halves", replace("halving 104", "halving 0"), 2, 1, false},
		{"a budget of 2^128", replace("budget 1000", "budget 340282366920938463463374607431768211456"), 2, 8, false},
		{"lines in another order", replace("contributor 200\nsubject none", "subject none\ncontributor 200"), 3, 1, false},
		{"a limit of 0", replace("contributor 200", "contributor 0"), 3, 13, false},
		{"a line left out", replace("subject none\n", ""), 4, 1, false},
		{"no class", full[:strings.Index(full, "class")] + full[strings.Index(full, "dispute"):], 1, 1, false},
		{"classes out of order", replace("class code", "class zebra"), 14, 1, false},
		{"a class twice", replace("class data", "class code"), 14, 1, false},
		{"a class in upper case", replace("class code", "class Code"), 5, 7, false},
		{"share 0", replace("share 40", "share 0"), 5, 1, false},
		{"a share of 2^32", replace("share 40", "share 4294967296"), 6, 9, false},
		{"a rate not in lowest terms", replace("fixed 3/2", "fixed 6/4"), 14, 1, false},
		{"a rate of nothing", replace("fixed 3/2", "fixed 0/1"), 14, 1, false},
		{"a rate that looks like pro-rata", replace("fixed 3/2", "fixed 0/0"), 17, 8, false},
		{"a rate without a denominator", replace("fixed 3/2", "fixed 3"), 17, 15, false},
		{"max 0", replace("max 300", "max 0"), 5, 1, false},
		{"no evaluators", replace("evaluators 1 of 1\n    "+key+"\n", "evaluators none\n"), 5, 1, false},
		{"more evaluators than keys", replace("evaluators 2 of 3", "evaluators 2 of 4"), 23, 3, false},
		{"a threshold of 0", replace("evaluators 2 of 3", "evaluators 0 of 3"), 19, 14, false},
		{"a threshold above the keys", replace("evaluators 2 of 3", "evaluators 4 of 3"), 19, 14, false},
		{"a key in upper case", replace(key, strings.ToUpper(key)), 11, 5, false},
		{"a key without its prefix", replace(key, key[8:]), 11, 5, false},
		{"a key of small order", replace(key, "ed25519:01"+strings.Repeat("0", 62)), 11, 5, false},
		{"maturity that is no number", replace("maturity 2", "maturity two"), 32, 12, false},
		{"an offer for nothing", replace("price 1000", "price 0"), 38, 1, false},
		{"an offer that burns more than its price", replace("burn 1/2", "burn 3/2"), 38, 1, false},
		{"an offer to nobody", replace("payee "+accountOf(operator).String(), "payee none"), 41, 9, false},
		{"offers out of order", replace("offer inference", "offer zebra"), 42, 1, false},
		{"a text of 8193 bytes", full + strings.Repeat(" ", 8193-len(full)), 1, 1, false},
	}
	for i := range vectors {
		v := &vectors[i]
		p, err := ledger.ParsePolicy(v.Text)
		var at *ledger.PolicyError
		switch {
		case v.Line == 0 && err != nil:
			t.Errorf("%s: %v", v.Story, err)
		case v.Line == 0 && p.String() != v.Text:
			t.Errorf("%s: comes back as\n%s", v.Story, p)
		case v.Line == 0 && (p.Enforced() == nil) != v.Supported:
			t.Errorf("%s: supported: %v, want %t", v.Story, p.Enforced(), v.Supported)
		case v.Line != 0 && (!errors.As(err, &at) || !errors.Is(err, ledger.ErrPolicy)):
			t.Errorf("%s: %v, want a PolicyError", v.Story, err)
		case v.Line != 0 && (at.Line != v.Line || at.Column != v.Column):
			t.Errorf("%s: %v, want line %d, column %d", v.Story, err, v.Line, v.Column)
		}
	}
	golden(t, "policies.json", vectors)
}

// What rules version 1 don't enforce, each by itself.
func TestPolicyIsEnforcedOrRefused(t *testing.T) {
	for _, tt := range []struct {
		story  string
		change func(*ledger.Policy)
	}{
		{"pro-rata", func(p *ledger.Policy) { p.Classes[0].Rate = ledger.Rate{} }},
		{"maturity", func(p *ledger.Policy) { p.Classes[1].Maturity = 1 }},
		{"vesting", func(p *ledger.Policy) { p.Classes[1].Vesting = 1 }},
		{"a dispute panel", func(p *ledger.Policy) { p.Dispute = keySet(1, ada) }},
		{"an offer", func(p *ledger.Policy) { p.Offers = fullPolicy().Offers }},
		{"compliance keys", func(p *ledger.Policy) { p.Compliance = keySet(1, ada) }},
	} {
		p := testPolicy()
		if err := p.Enforced(); err != nil {
			t.Fatal(err)
		}
		tt.change(p)
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", tt.story, err)
		}
		if err := p.Enforced(); !errors.Is(err, ledger.ErrPolicyUnsupported) {
			t.Errorf("%s: %v, want ErrPolicyUnsupported", tt.story, err)
		}
	}
}

func TestBudgetSchedule(t *testing.T) {
	b := ledger.Budget{Initial: ledger.NewAmount(1000), Halving: 10, Floor: ledger.NewAmount(100)}
	for _, tt := range []struct{ epoch, want uint64 }{
		{0, 1000}, {9, 1000}, {10, 500}, {29, 250}, {30, 125}, {40, 100}, {1 << 40, 100}, {1<<64 - 1, 100},
	} {
		if got := b.At(tt.epoch); got != ledger.NewAmount(tt.want) {
			t.Errorf("budget of epoch %d is %s, want %d", tt.epoch, got, tt.want)
		}
	}
	whole := ledger.Budget{Initial: maxAmount, Halving: 1}
	for epoch := range uint64(130) {
		want := toBig(maxAmount)
		if got := toBig(whole.At(epoch)); got.Cmp(want.Rsh(want, uint(epoch))) != 0 {
			t.Errorf("budget of epoch %d is %s, want %s", epoch, got, want)
		}
	}
	if got := (ledger.Budget{Initial: maxAmount}).At(1 << 63); got != maxAmount {
		t.Errorf("a budget that never halves is %s", got)
	}
}

// anyPolicy is any policy that Check accepts.
func anyPolicy(t *rapid.T) *ledger.Policy {
	amount := rapid.Map(rapid.Uint64Range(1, 1<<62), ledger.NewAmount)
	name := rapid.StringMatching(`[a-z][a-z0-9-]{0,31}`)
	fraction := rapid.SampledFrom([]ledger.Fraction{{Num: 0, Den: 1}, {Num: 1, Den: 1}, {Num: 1, Den: 2}, {Num: 99, Den: 100}})
	rate := rapid.SampledFrom([]ledger.Rate{{}, {Num: 1, Den: 1}, {Num: 5, Den: 3}, {Num: 1<<64 - 1, Den: 2}})
	keys := rapid.SampledFrom([]ledger.KeySet{{}, keySet(1, ada), keySet(2, ada, bob), keySet(1, ada, bob, carol)})
	limit := rapid.Custom(func(t *rapid.T) ledger.Limit {
		return ledger.Limit{Amount: ledger.NewAmount(rapid.Uint64().Draw(t, "limit"))}
	})
	p := &ledger.Policy{
		Budget:      ledger.Budget{Initial: amount.Draw(t, "budget"), Halving: rapid.Uint64Range(1, 1<<32-1).Draw(t, "halving"), Floor: ledger.NewAmount(1)},
		Contributor: limit.Draw(t, "contributor"), Subject: limit.Draw(t, "subject"),
		Dispute: keys.Draw(t, "dispute"), Compliance: keys.Draw(t, "compliance"),
	}
	for _, id := range rapid.SliceOfNDistinct(name, 1, 8, rapid.ID).Draw(t, "classes") {
		p.Classes = append(p.Classes, ledger.Class{
			ID: id, Share: rapid.Uint32Range(1, 1<<32-1).Draw(t, "share"), Unit: name.Draw(t, "unit"), Rate: rate.Draw(t, "rate"), Max: amount.Draw(t, "max"),
			Evaluators: keySet(1, eva), Maturity: rapid.Uint64Range(0, 1<<32-1).Draw(t, "maturity"), Vesting: rapid.Uint64Range(0, 3).Draw(t, "vesting"),
		})
	}
	for _, id := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "offers") {
		p.Offers = append(p.Offers, ledger.Offer{Name: id, Price: amount.Draw(t, "price"), Burn: fraction.Draw(t, "burn"), Payee: accountOf(ada)})
	}
	slices.SortFunc(p.Classes, func(a, b ledger.Class) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(p.Offers, func(a, b ledger.Offer) int { return strings.Compare(a.Name, b.Name) })
	return p
}

func TestAnyPolicyComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(t)
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		got, err := ledger.ParsePolicy(p.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("policy differs (-want +got):\n%s", diff)
		}
	})
}
