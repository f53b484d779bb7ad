package ledger

import "slices"

// What a new ledger has, unless its founders say otherwise. A billion whole
// tokens of a million parts each is far below the bound of a cap, and both
// numbers can be said aloud.
const (
	ExampleSymbol   = "HMK"
	ExampleDecimals = 6
	exampleUnit     = 1_000_000 // base units of a whole token
)

// ExampleCap is a billion whole tokens.
func ExampleCap() Amount { return NewAmount(1_000_000_000 * exampleUnit) }

// ExamplePolicy returns the policy that a new ledger has unless its founders
// bring their own: three classes, judged by the same evaluators, of whom so
// many must sign. Its numbers are for trying things out, and chosen so that
// each rule can be met within a few entries:
//
//   - an epoch credits at most ten million tokens, a hundredth of the cap, and
//     one contributor at most a tenth of that;
//   - data earns 40 parts of the budget, a hundredth of a token for an accepted
//     record, 100,000 records at once at most;
//   - compute earns 35 parts, one token for 3,600 core-seconds (the fraction
//     2500/9 of a base unit for a second), 10,000 core-hours at once;
//   - code earns 25 parts, ten tokens for an accepted change, 100 at once.
func ExamplePolicy(threshold int, evaluators ...Key) *Policy {
	keys := slices.Clone(evaluators)
	slices.SortFunc(keys, Key.compare)
	set := KeySet{Threshold: threshold, Keys: slices.Compact(keys)}
	tokens := func(n uint64) Amount { return NewAmount(n * exampleUnit) }
	return &Policy{
		Budget:      Budget{Initial: tokens(10_000_000)},
		Contributor: Limit{tokens(1_000_000)},
		Classes: []Class{
			{ID: "code", Share: 25, Unit: "change", Rate: Rate{10_000_000, 1}, Max: tokens(1_000), Evaluators: set},
			{ID: "compute", Share: 35, Unit: "core-second", Rate: Rate{2_500, 9}, Max: tokens(10_000), Evaluators: set},
			{ID: "data", Share: 40, Unit: "record", Rate: Rate{10_000, 1}, Max: tokens(1_000), Evaluators: set},
		},
	}
}
