// Package ledger folds a log into a token: who may hold how much, and why.
//
//	entry 0    entry 1     entry 2    entry 3     ...
//	genesis    credit      mint       transfer
//	   |          |          |           |
//	State ---> State ---> State ---> State ---> State     state' = apply(state, index, entry)
//
// A log records whatever it is given. This fold says what of it counts: every
// entry is accepted, or rejected with a Code, and a rejection changes nothing
// but its count. (One exception: an account entry that is properly signed uses
// up its nonce even when a rule refuses it, so that nobody can log it again on
// a day when the rule would not.)
//
// The chain of reasons behind each unit is short. A credit says who contributed
// what, signed by evaluators whom the policy names; its amount is fixed when it
// is accepted, within budgets and caps. A mint turns one credit into units,
// once: it is found by (class, serial) and never by a log index, since the same
// entry may be logged many times. A transfer moves units. Nothing else makes
// any.
//
// Beside the token the fold keeps names: who holds a namespace or, where nobody
// claimed it, which key holds ns/name; to which digest ns/name@version is bound
// for ever; and who revoked, superseded or deprecated what.
//
// The fold is a function of the log prefix alone. It reads no clock, no file,
// no map order and no floating-point number, never panics, allocates nothing by
// a number found in an entry, and gives the same Digest to everybody who
// replays the same log, whether at once, entry by entry, or resumed from
// MarshalBinary. A released rules version never changes; this is version 1.
package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Roots tells the root hashes of the log that is being folded.
//
// RootAt returns the RFC 6962 root over the log's first size entries. It must
// be a function of the log prefix: the caller vouches that it comes from the
// same entries that are applied. It is asked for sizes up to that of the state,
// and an error means that the root could not be read, not that there is none.
type Roots interface {
	RootAt(size uint64) ([32]byte, error)
}

// An Outcome is what became of one entry. Index and Code are the same for
// everybody who folds the log; Detail is for people, and may be worded
// otherwise by another version.
type Outcome struct {
	Index  uint64 `json:"index"`
	Kind   string `json:"kind,omitempty"` // such as "credit" or "model"; empty if it can't be told
	Code   Code   `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Accepted reports whether the entry counts.
func (o Outcome) Accepted() bool { return o.Code == Accepted }

// Decided reports whether there is an outcome at all; see Undecided.
func (o Outcome) Decided() bool { return o.Code != Undecided }

// maxCode is the largest code of an outcome.
const maxCode = InsufficientBalance

// A State is the fold of a log prefix. It is not safe for concurrent use,
// except that methods which change nothing may run beside one another.
type State struct {
	roots  Roots
	origin string

	size     uint64
	chain    [32]byte            // hash chain over all outcomes
	outcomes [maxCode + 1]uint64 // how often each code was given
	nonces   uint64              // used up in all accounts together

	genesis *Genesis // nil: entry 0 founded no ledger, or there is none yet
	ledger  LedgerID
	policy  *Policy // in force
	budgets []Amount
	epoch   uint64 // rules version 1 never leave epoch 0
	issued  Amount // by mints
	pending Amount // credited and not minted
	classes []classTotals
	// contributors and subjects are what each was credited in this epoch, kept
	// only under a policy that limits it.
	contributors map[AccountID]Amount
	subjects     map[[32]byte]Amount

	accounts map[AccountID]account
	credits  map[creditKey]credit
	names    names
	statuses statuses
}

// classTotals are of this epoch, by position in the policy.
type classTotals struct{ credited, minted Amount }

type account struct {
	balance Amount
	nonce   uint64
}

type creditKey struct {
	class  uint32 // position in the policy
	serial uint64
}

type credit struct {
	index       uint64 // at which it was accepted
	amount      Amount
	beneficiary AccountID
	minted      bool
	mintIndex   uint64
}

// New returns the fold of an empty log. Genesis must name the origin. Roots is
// needed by mints only.
func New(origin string, roots Roots) *State {
	return &State{
		roots: roots, origin: origin,
		contributors: map[AccountID]Amount{}, subjects: map[[32]byte]Amount{},
		accounts: map[AccountID]account{}, credits: map[creditKey]credit{},
		names: newNames(), statuses: newStatuses(),
	}
}

// Size returns the number of entries folded so far, the index of the next.
func (s *State) Size() uint64 { return s.size }

// Apply folds the entry at index, which must be Size. An outcome that isn't
// Decided has changed nothing.
func (s *State) Apply(index uint64, raw []byte) Outcome { return s.ApplyInput(index, Read(raw)) }

// ApplyParsed is Apply for a caller who has called entry.Parse.
func (s *State) ApplyParsed(index uint64, e *entry.Entry, parseErr error) Outcome {
	return s.ApplyInput(index, ReadEntry(e, parseErr))
}

// ApplyInput is Apply for a caller who has called Read.
func (s *State) ApplyInput(index uint64, in *Input) Outcome {
	if index != s.size {
		return Outcome{Index: index, Kind: in.kind, Code: Undecided, Detail: fmt.Sprintf("index %d, want %d", index, s.size)}
	}
	r := s.judge(in)
	if r.code != Undecided {
		s.enact(in, r)
	}
	return Outcome{Index: index, Kind: in.kind, Code: r.code, Detail: r.detail}
}

// Check says what Apply would at the next index, and changes nothing.
func (s *State) Check(e *entry.Entry) Outcome { return s.CheckInput(ReadEntry(e, nil)) }

// CheckInput is Check for a caller who has called ReadEntry.
func (s *State) CheckInput(in *Input) Outcome {
	r := s.judge(in)
	return Outcome{Index: s.size, Kind: in.kind, Code: r.code, Detail: r.detail}
}

// A ruling is all that enact needs to know from judge.
type ruling struct {
	verdict
	spends *Spend  // uses up this nonce, whatever the code
	policy *Policy // of an accepted genesis
	amount Amount  // of an accepted credit
}

func (v verdict) ruling() ruling { return ruling{verdict: v} }

// judge decides, and changes nothing.
func (s *State) judge(in *Input) ruling {
	switch {
	case in.refused.code != Accepted:
		return in.refused.ruling()
	case in.statement != nil:
		return s.judgeStatement(in).ruling()
	}
	switch b := in.body.(type) {
	case *StateEntry: // nothing to the fold, whoever signed it
		return ruling{}
	case *Genesis:
		return s.judgeGenesis(in.entry, b)
	case *Credit:
		return s.judgeCredit(in.entry, b)
	case *Mint:
		return s.judgeMint(in.entry, b).ruling()
	case *Transfer:
		return s.judgeSpend(in.entry, &b.Spend, nil, func(balance Amount) verdict { return judgeTransfer(b, balance) })
	case *Burn:
		return s.judgeSpend(in.entry, &b.Spend, nil, unsupportedSpend)
	case *Redeem:
		return s.judgeSpend(in.entry, &b.Spend, nil, unsupportedSpend)
	case *RotateKey:
		return s.judgeSpend(in.entry, &b.Spend, &b.Key, unsupportedSpend)
	case *Authority:
		return s.unsupported(b.Ledger)
	case *PolicyEntry:
		return s.unsupported(b.Ledger)
	case *CreditRevoke:
		return s.unsupported(b.Ledger)
	case *EpochClose:
		return s.unsupported(b.Ledger)
	case *Freeze:
		return s.unsupported(b.Ledger)
	case *Unfreeze:
		return s.unsupported(b.Ledger)
	}
	panic(fmt.Sprintf("ledger: no rule for %T", in.body))
}

// enact applies what judge decided.
func (s *State) enact(in *Input, r ruling) {
	if r.spends != nil {
		s.spendNonce(r.spends.Account)
	}
	if r.code == Accepted {
		s.accept(in, r)
	}
	s.outcomes[r.code]++
	s.chain = chainOutcome(s.chain, s.size, r.code)
	s.size++
}

func (s *State) accept(in *Input, r ruling) {
	if in.statement != nil {
		s.acceptStatement(in)
		return
	}
	switch b := in.body.(type) {
	case *Genesis:
		s.acceptGenesis(b, in.entry.StatementID(), r.policy)
	case *Credit:
		s.acceptCredit(b, r.amount)
	case *Mint:
		s.acceptMint(b)
	case *Transfer:
		s.acceptTransfer(b)
	}
}

// chainOutcome extends the hash chain: SHA-256(chain || index u64 || code u16).
// Two replayers whose chains differ find the first entry that they judged
// otherwise by bisection.
func chainOutcome(chain [32]byte, index uint64, code Code) [32]byte {
	var b [42]byte
	copy(b[:], chain[:])
	binary.BigEndian.PutUint64(b[32:], index)
	binary.BigEndian.PutUint16(b[40:], uint16(code))
	return sha256.Sum256(b[:])
}

// onLedger rejects what was signed for another ledger, or for none.
func (s *State) onLedger(id LedgerID) verdict {
	switch {
	case s.genesis == nil:
		return reject(NoLedger, "entry 0 of this log founded no ledger")
	case id != s.ledger:
		return reject(LedgerOther, "signed for ledger %s, this is %s", id, s.ledger)
	}
	return verdict{}
}

func (s *State) unsupported(id LedgerID) ruling {
	v := s.onLedger(id)
	if v.code == Accepted {
		v = reject(Unsupported, "rules version %d do not enforce this kind", RulesVersion)
	}
	return v.ruling()
}

// quorum holds an entry's signers to a k-of-n. Everyone who signs must be
// listed: an entry means what its signers agreed to, and nobody else adds to it.
func quorum(e *entry.Entry, set *KeySet, who string) verdict {
	for _, sig := range e.Signatures() {
		switch {
		case sig.Key.Alg != entry.Ed25519:
			return reject(SignerAlgorithm, "signed with %s, want ed25519", sig.Key.Alg)
		case !set.has(sig.Key.Bytes):
			return reject(SignerUnlisted, "ed25519:%x is not among the %d keys of the %s", sig.Key.Bytes, len(set.Keys), who)
		}
	}
	if n := len(e.Signatures()); n < set.Threshold {
		return reject(QuorumUnmet, "%d of %d signatures of the %s", n, set.Threshold, who)
	}
	return verdict{}
}

func (s *State) judgeGenesis(e *entry.Entry, g *Genesis) ruling {
	switch {
	case s.size != 0:
		return reject(GenesisNotFirst, "at index %d, want 0", s.size).ruling()
	case g.Rules != RulesVersion:
		return reject(GenesisRules, "rules version %d, want %d", g.Rules, RulesVersion).ruling()
	case g.Origin != s.origin:
		return reject(GenesisOrigin, "origin %q, this log is %q", g.Origin, s.origin).ruling()
	}
	if v := quorum(e, &g.Governance, "governance"); v.code != Accepted {
		return v.ruling()
	}
	p, err := ParsePolicy(g.Policy)
	if err != nil {
		return reject(PolicyMalformed, "%v", err).ruling()
	}
	if err := p.Enforced(); err != nil {
		return reject(PolicyUnsupported, "%v", err).ruling()
	}
	return ruling{policy: p}
}

func (s *State) acceptGenesis(g *Genesis, id LedgerID, p *Policy) {
	s.genesis, s.ledger, s.policy = g, id, p
	s.budgets = p.budgets(s.epoch)
	s.classes = make([]classTotals, len(p.Classes))
}
