package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// An AccountID names an account for ever: a type byte, then SHA-256 of the
// public key that the account began with. Rotating the key keeps the id, so
// balances never move because a key does.
type AccountID [33]byte

// Account types. The numbers are frozen; the ones not listed here are refused.
const (
	// AccountEd25519 is an account controlled by an Ed25519 key.
	AccountEd25519 = 1
)

// accountPrefix is the human-readable part of an account's text.
const accountPrefix = "hmk"

// ErrAccount says that a text or bytes are no account id.
var ErrAccount = errors.New("malformed account")

// AccountOf returns the account that a key begins. Keys of other algorithms
// than Ed25519 begin none: a ledger's balances depend on what verifies, so it
// settles on one algorithm with one strict rule.
func AccountOf(key entry.PublicKey) (AccountID, error) {
	if key.Alg != entry.Ed25519 || len(key.Bytes) != len(Key{}) {
		return AccountID{}, fmt.Errorf("%w: a %s key of %d bytes has none, only ed25519 keys do", ErrAccount, key.Alg, len(key.Bytes))
	}
	return Key(key.Bytes).Account(), nil
}

// Account returns the account that the key begins.
func (k Key) Account() (id AccountID) {
	id[0] = AccountEd25519
	sum := sha256.Sum256(k[:])
	copy(id[1:], sum[:])
	return id
}

func (a AccountID) check() error {
	if a[0] != AccountEd25519 {
		return fmt.Errorf("%w: type %d, want %d (ed25519)", ErrAccount, a[0], AccountEd25519)
	}
	return nil
}

// String returns the account as bech32m (BIP-350) with the prefix "hmk", in
// lower case: 63 characters, of which the last six are a checksum that finds
// any four wrong characters.
func (a AccountID) String() string { return bech32mEncode(accountPrefix, a[:]) }

// ParseAccountID reads what String writes. Upper case, which BIP-173 allows,
// is refused, so that an account has one text.
func ParseAccountID(s string) (AccountID, error) {
	data, err := bech32mDecode(accountPrefix, s)
	if err != nil {
		return AccountID{}, fmt.Errorf("%w: %q: %w", ErrAccount, clip(s), err)
	}
	if len(data) != len(AccountID{}) {
		return AccountID{}, fmt.Errorf("%w: %q holds %d bytes, want %d", ErrAccount, clip(s), len(data), len(AccountID{}))
	}
	a := AccountID(data)
	return a, a.check()
}

// MarshalText returns the account's text.
func (a AccountID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an account's text.
func (a *AccountID) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAccountID(string(text))
	return err
}
