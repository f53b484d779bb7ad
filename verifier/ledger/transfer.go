package ledger

import (
	"bytes"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// signedBy reports whether an entry has one signature, by the account's key.
func signedBy(e *entry.Entry, id AccountID) bool {
	sigs := e.Signatures()
	if len(sigs) != 1 {
		return false
	}
	got, err := AccountOf(sigs[0].Key)
	return err == nil && got == id
}

// signedByBoth reports whether an entry has two signatures: by the account's
// key and by another given one.
func signedByBoth(e *entry.Entry, id AccountID, other Key) bool {
	sigs := e.Signatures()
	if len(sigs) != 2 {
		return false
	}
	for i, sig := range sigs {
		rest := sigs[1-i].Key
		got, err := AccountOf(sig.Key)
		if err == nil && got == id && rest.Alg == entry.Ed25519 && bytes.Equal(rest.Bytes, other[:]) {
			return true
		}
	}
	return false
}

// judgeSpend asks what holds for every account entry, then the entry's own
// rule, which is given the account's balance. Once the account's owner has
// signed for the next nonce, that nonce is used up, whatever the rules say of
// the rest: else a refused transfer would lie in the log for anybody to repeat
// when the balance suffices.
func (s *State) judgeSpend(e *entry.Entry, p *Spend, cosigner *Key, rule func(balance Amount) verdict) ruling {
	if v := s.onLedger(p.Ledger); v.code != Accepted {
		return v.ruling()
	}
	signed := false
	if cosigner == nil {
		signed = signedBy(e, p.Account)
	} else {
		signed = signedByBoth(e, p.Account, *cosigner)
	}
	a := s.accounts[p.Account]
	switch {
	case !signed:
		return reject(AccountSigner, "want only the signatures that account %s needs", p.Account).ruling()
	case p.Nonce != a.nonce:
		return reject(NonceMismatch, "nonce %d, account %s is at %d", p.Nonce, p.Account, a.nonce).ruling()
	case s.size >= p.Expires:
		return ruling{verdict: reject(Expired, "at index %d, expired at %d", s.size, p.Expires), spends: p}
	}
	return ruling{verdict: rule(a.balance), spends: p}
}

func unsupportedSpend(Amount) verdict {
	return reject(Unsupported, "rules version %d do not enforce this kind", RulesVersion)
}

func (s *State) spendNonce(id AccountID) {
	a := s.accounts[id]
	a.nonce++
	s.accounts[id] = a
	s.nonces++
}

func judgeTransfer(t *Transfer, balance Amount) verdict {
	switch {
	case t.Amount.IsZero():
		return reject(AmountZero, "a transfer of nothing")
	case t.To == t.Account:
		return reject(TransferToSelf, "account %s to itself", t.To)
	case balance.Cmp(t.Amount) < 0:
		return reject(InsufficientBalance, "amount %s base units, account %s has %s", t.Amount, t.Account, balance)
	}
	return verdict{}
}

func (s *State) acceptTransfer(t *Transfer) {
	from, to := s.accounts[t.Account], s.accounts[t.To]
	from.balance = minus(from.balance, t.Amount)
	to.balance = plus(to.balance, t.Amount)
	s.accounts[t.Account], s.accounts[t.To] = from, to
}
