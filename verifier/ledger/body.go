package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// A Kind numbers a ledger entry. The numbers and the layouts behind them are
// frozen; new kinds are added at the end.
type Kind uint8

// Ledger kinds.
const (
	KindGenesis      Kind = 1
	KindAuthority    Kind = 2
	KindPolicy       Kind = 3
	KindCredit       Kind = 4
	KindCreditRevoke Kind = 5
	KindEpoch        Kind = 6
	KindMint         Kind = 7
	KindTransfer     Kind = 8
	KindBurn         Kind = 9
	KindRedeem       Kind = 10
	KindFreeze       Kind = 11
	KindUnfreeze     Kind = 12
	KindRotateKey    Kind = 13
	KindLock         Kind = 14 // reserved: its fields come with the rules that enforce it
	KindDelegate     Kind = 15 // reserved
	KindVote         Kind = 16 // reserved
	KindExit         Kind = 17 // reserved
	KindSettle       Kind = 18 // reserved
	KindState        Kind = 19
)

var kindNames = [...]string{
	KindGenesis: "genesis", KindAuthority: "authority", KindPolicy: "policy", KindCredit: "credit",
	KindCreditRevoke: "credit-revoke", KindEpoch: "epoch", KindMint: "mint", KindTransfer: "transfer",
	KindBurn: "burn", KindRedeem: "redeem", KindFreeze: "freeze", KindUnfreeze: "unfreeze",
	KindRotateKey: "rotate-key", KindLock: "lock", KindDelegate: "delegate", KindVote: "vote",
	KindExit: "exit", KindSettle: "settle", KindState: "state",
}

// String returns the kind's name as commands and filters spell it.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// bodyVersion is the only version of every layout so far. It stands after the
// kind, so that a later layout of a kind can't be read as this one.
const bodyVersion = 1

// Errors of ParseBody to branch on.
var (
	ErrBody = errors.New("malformed ledger body")
	// ErrReserved is a kind whose number is taken and whose fields aren't
	// settled yet.
	ErrReserved = errors.New("reserved ledger kind")
)

// A Body is the parsed body of a ledger entry, a pointer to one of the structs
// of this package named after its kind.
type Body interface {
	// Kind returns the number that the body begins with.
	Kind() Kind
	// Marshal returns the one encoding of the body, or an error that says which
	// field is out of its bounds.
	Marshal() ([]byte, error)

	check() error
	get(r *reader)
	put(w *writer)
}

// A LedgerID is the statement id of a ledger's genesis entry. Every other
// ledger entry carries it under its signatures, so that none can be replayed
// on another ledger.
type LedgerID [32]byte

// String returns the id as 64 lower-case hex digits.
func (id LedgerID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns the id's text, so that JSON shows it.
func (id LedgerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (id *LedgerID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != string(text) {
		return fmt.Errorf("ledger id %q, want 64 lower-case hex digits", clip(string(text)))
	}
	copy(id[:], b)
	return nil
}

func newBody(k Kind) (Body, error) {
	switch k {
	case KindGenesis:
		return new(Genesis), nil
	case KindAuthority:
		return new(Authority), nil
	case KindPolicy:
		return new(PolicyEntry), nil
	case KindCredit:
		return new(Credit), nil
	case KindCreditRevoke:
		return new(CreditRevoke), nil
	case KindEpoch:
		return new(EpochClose), nil
	case KindMint:
		return new(Mint), nil
	case KindTransfer:
		return new(Transfer), nil
	case KindBurn:
		return new(Burn), nil
	case KindRedeem:
		return new(Redeem), nil
	case KindFreeze:
		return new(Freeze), nil
	case KindUnfreeze:
		return new(Unfreeze), nil
	case KindRotateKey:
		return new(RotateKey), nil
	case KindState:
		return new(StateEntry), nil
	case KindLock, KindDelegate, KindVote, KindExit, KindSettle:
		return nil, fmt.Errorf("%w: %s", ErrReserved, k)
	}
	return nil, fmt.Errorf("%w: kind %d is unknown", ErrBody, uint8(k))
}

// ParseBody reads the body of a ledger entry strictly: what it accepts,
// Marshal gives back byte for byte. It checks no rule that depends on the
// ledger. Errors wrap ErrBody or ErrReserved.
func ParseBody(body []byte) (Body, error) {
	if len(body) < 2 {
		return nil, fmt.Errorf("%w: %d bytes, want at least kind and version", ErrBody, len(body))
	}
	b, err := newBody(Kind(body[0]))
	if err != nil {
		return nil, err
	}
	if body[1] != bodyVersion {
		return nil, fmt.Errorf("%w: %s version %d, want %d", ErrBody, b.Kind(), body[1], bodyVersion)
	}
	r := &reader{rest: body[2:]}
	b.get(r)
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBody, b.Kind(), err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBody, b.Kind(), err)
	}
	return b, nil
}

func marshal(b Body) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBody, b.Kind(), err)
	}
	w := writer{byte(b.Kind()), bodyVersion}
	b.put(&w)
	return w, nil
}

// Sign makes the log entry of a body, signed by each key.
func Sign(b Body, keys ...*entry.PrivateKey) (*entry.Entry, error) {
	body, err := b.Marshal()
	if err != nil {
		return nil, err
	}
	return entry.Sign(entry.TypeLedger, body, keys...)
}

// checkText holds a text to a character set and a length of 1 to most bytes.
func checkText(what, s string, most int, ok func(i int, c byte) bool) error {
	if len(s) == 0 || len(s) > most {
		return fmt.Errorf("%s of %d bytes, want 1 to %d", what, len(s), most)
	}
	for i := range len(s) {
		if !ok(i, s[i]) {
			return fmt.Errorf("%s %q: character %q at %d is not allowed", what, clip(s), s[i], i)
		}
	}
	return nil
}

// maxName bounds class ids, units and offers, in bytes: they are labels.
const maxName = 32

// checkName accepts [a-z][a-z0-9-]*.
func checkName(what, s string) error {
	return checkText(what, s, maxName, func(i int, c byte) bool {
		return c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '-')
	})
}

func ascending[E any](what string, s []E, compare func(a, b E) int) error {
	for i := 1; i < len(s); i++ {
		if compare(s[i-1], s[i]) >= 0 {
			return fmt.Errorf("%s %d: not in strictly ascending order", what, i+1)
		}
	}
	return nil
}

func checkAccounts(ids ...AccountID) error {
	for _, id := range ids {
		if err := id.check(); err != nil {
			return err
		}
	}
	return nil
}
