package ledger

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// RulesVersion is the version of the rules that this package folds. A genesis
// names it, and what a released version decides never changes: other rules get
// another number, and another ledger.
const RulesVersion = 1

// A Key is an Ed25519 public key, the only kind that signs on a ledger.
type Key [32]byte

// KeyOf returns the key for use on a ledger, or an error if it's not Ed25519.
func KeyOf(k entry.PublicKey) (Key, error) {
	if k.Alg != entry.Ed25519 || len(k.Bytes) != len(Key{}) {
		return Key{}, fmt.Errorf("%s key of %d bytes, a ledger takes ed25519 keys of %d", k.Alg, len(k.Bytes), len(Key{}))
	}
	return Key(k.Bytes), nil
}

const keyPrefix = "ed25519:"

// String returns the key as a policy writes it: "ed25519:" and 64 lower-case
// hex digits. The prefix tells it from a key id, which is a hash.
func (k Key) String() string { return keyPrefix + hex.EncodeToString(k[:]) }

// ParseKey reads what String writes, and refuses keys that are not canonical
// or of small order.
func ParseKey(s string) (k Key, err error) {
	digits, ok := strings.CutPrefix(s, keyPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(k) || hex.EncodeToString(b) != digits {
		return k, fmt.Errorf("key %q, want %q and 64 lower-case hex digits", clip(s), keyPrefix)
	}
	copy(k[:], b)
	return k, k.check()
}

func (k Key) check() error {
	_, err := entry.ParsePublicKey(entry.Ed25519, k[:])
	return err
}

func (k Key) compare(o Key) int { return bytes.Compare(k[:], o[:]) }

// maxKeys bounds a list of keys: with more than an entry has room for
// signatures, not all could sign.
const maxKeys = entry.MaxSignatures

// A KeySet is a k-of-n: Threshold of the Keys must sign. Keys are strictly
// ascending. The zero KeySet means "none" where a field allows it.
type KeySet struct {
	Threshold int
	Keys      []Key
}

func (s KeySet) none() bool { return s.Threshold == 0 && len(s.Keys) == 0 }

func (s KeySet) has(k []byte) bool {
	for i := range s.Keys {
		if bytes.Equal(s.Keys[i][:], k) {
			return true
		}
	}
	return false
}

func (s KeySet) check(what string) error {
	if len(s.Keys) < 1 || len(s.Keys) > maxKeys {
		return fmt.Errorf("%s: %d keys, want 1 to %d", what, len(s.Keys), maxKeys)
	}
	if s.Threshold < 1 || s.Threshold > len(s.Keys) {
		return fmt.Errorf("%s: threshold %d of %d keys", what, s.Threshold, len(s.Keys))
	}
	for i, k := range s.Keys {
		if err := k.check(); err != nil {
			return fmt.Errorf("%s: key %d: %w", what, i+1, err)
		}
	}
	return ascending(what+": key", s.Keys, Key.compare)
}

func (s KeySet) checkOptional(what string) error {
	if s.none() {
		return nil
	}
	return s.check(what)
}

func (r *reader) keySet() (s KeySet) {
	s.Threshold = int(r.u8())
	for range r.u8() {
		if r.err != nil {
			break
		}
		s.Keys = append(s.Keys, r.hash())
	}
	return s
}

func (w *writer) keySet(s KeySet) {
	w.u8(uint8(s.Threshold))
	w.u8(uint8(len(s.Keys)))
	for _, k := range s.Keys {
		w.hash(k)
	}
}

// A Witness is a cosigner whose timestamps let an epoch close.
type Witness struct {
	Name string // as in its C2SP note verifier key
	Alg  uint8  // 0x04 Ed25519 cosignature, 0x06 ML-DSA-44 cosignature (c2sp.org/tlog-cosignature)
	Key  []byte
}

// Sizes of a witness's fields.
const (
	maxWitnessName  = 255
	witnessEd25519  = 0x04
	witnessMLDSA44  = 0x06
	mldsa44KeySize  = 1312 // FIPS 204, table 2
	maxWitnessCount = maxKeys
)

func (w Witness) compare(o Witness) int {
	return cmp.Or(strings.Compare(w.Name, o.Name), cmp.Compare(w.Alg, o.Alg), bytes.Compare(w.Key, o.Key))
}

// nameByte is what the name of a log or witness may hold: c2sp.org/signed-note
// without the spaces and plus signs that it forbids, and of Unicode only ASCII,
// whose look-alikes people know.
func nameByte(_ int, c byte) bool { return c > ' ' && c < 0x7f && c != '+' }

func (w Witness) check() error {
	if err := checkText("name", w.Name, maxWitnessName, nameByte); err != nil {
		return err
	}
	switch {
	case w.Alg == witnessEd25519 && len(w.Key) == len(Key{}):
		return Key(w.Key).check()
	case w.Alg == witnessMLDSA44 && len(w.Key) == mldsa44KeySize:
		return nil
	}
	return fmt.Errorf("algorithm %d with a key of %d bytes, want 4 (ed25519, 32) or 6 (ml-dsa-44, %d)", w.Alg, len(w.Key), mldsa44KeySize)
}

// A WitnessSet is a quorum of witnesses, strictly ascending by name. One name
// or one key never counts twice.
type WitnessSet struct {
	Threshold int
	Witnesses []Witness
}

func (s WitnessSet) none() bool { return s.Threshold == 0 && len(s.Witnesses) == 0 }

func (s WitnessSet) check() error {
	if s.none() {
		return nil
	}
	if n := len(s.Witnesses); n > maxWitnessCount || s.Threshold < 1 || s.Threshold > n {
		return fmt.Errorf("witnesses: threshold %d of %d, want at most %d", s.Threshold, n, maxWitnessCount)
	}
	for i, w := range s.Witnesses {
		if err := w.check(); err != nil {
			return fmt.Errorf("witness %d: %w", i+1, err)
		}
		for _, o := range s.Witnesses[:i] {
			if o.Name == w.Name || bytes.Equal(o.Key, w.Key) {
				return fmt.Errorf("witness %d: its name or key stands twice", i+1)
			}
		}
	}
	return ascending("witness", s.Witnesses, Witness.compare)
}

func (r *reader) witnesses() (s WitnessSet) {
	s.Threshold = int(r.u8())
	for range r.u8() {
		if r.err != nil {
			break
		}
		s.Witnesses = append(s.Witnesses, Witness{Name: r.text(), Alg: r.u8(), Key: r.bytes()})
	}
	return s
}

func (w *writer) witnesses(s WitnessSet) {
	w.u8(uint8(s.Threshold))
	w.u8(uint8(len(s.Witnesses)))
	for _, x := range s.Witnesses {
		w.text(x.Name)
		w.u8(x.Alg)
		w.bytes(x.Key)
	}
}

// Bounds of a genesis.
const (
	maxOrigin      = 255
	maxSymbol      = 11
	minEpochLength = 60 // s; an epoch must outlast the interval of checkpoints by far
	// maxPolicySize bounds a policy text, in bytes. A genesis with it, its key
	// sets and 16 signatures still fits an entry.
	maxPolicySize = 8 << 10
)

// Genesis is entry 0 of a log: it founds the log's only ledger. It is signed by
// a threshold of its own governance keys, and by nobody else.
type Genesis struct {
	Rules       uint16     // RulesVersion
	Origin      string     // of the log, so that no other log can carry this genesis
	Operator    Key        // closes epochs
	Governance  KeySet     // changes authorities and policy
	Registrars  KeySet     // approve namespaces; none = first come
	Witnesses   WitnessSet // prove the time at which an epoch may close; none = epoch 0 for ever
	EpochStart  uint64     // of epoch 0, Unix seconds
	EpochLength uint32     // seconds
	Symbol      string     // of the token, such as "HMK"
	Decimals    uint8      // digits after the point of a whole token
	Cap         Amount     // base units that may ever be issued; can never change
	Policy      string     // the canonical text of the first policy
}

// Kind returns KindGenesis.
func (*Genesis) Kind() Kind { return KindGenesis }

// Marshal returns the body.
func (g *Genesis) Marshal() ([]byte, error) { return marshal(g) }

// ID returns the id of the ledger that this genesis founds.
func (g *Genesis) ID() (LedgerID, error) {
	body, err := g.Marshal()
	if err != nil {
		return LedgerID{}, err
	}
	return ledgerID(body), nil
}

func (g *Genesis) get(r *reader) {
	g.Rules = r.u16()
	g.Origin = r.text()
	g.Operator = r.hash()
	g.Governance = r.keySet()
	g.Registrars = r.keySet()
	g.Witnesses = r.witnesses()
	g.EpochStart = r.u64()
	g.EpochLength = r.u32()
	g.Symbol = r.text()
	g.Decimals = r.u8()
	g.Cap = r.amount()
	g.Policy = r.text()
}

func (g *Genesis) put(w *writer) {
	w.u16(g.Rules)
	w.text(g.Origin)
	w.hash(g.Operator)
	w.keySet(g.Governance)
	w.keySet(g.Registrars)
	w.witnesses(g.Witnesses)
	w.u64(g.EpochStart)
	w.u32(g.EpochLength)
	w.text(g.Symbol)
	w.u8(g.Decimals)
	w.amount(g.Cap)
	w.text(g.Policy)
}

func (g *Genesis) check() error {
	return cmp.Or(
		checkText("origin", g.Origin, maxOrigin, nameByte),
		checkText("symbol", g.Symbol, maxSymbol, func(i int, c byte) bool {
			return c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9'
		}),
		g.checkNumbers(),
		g.Operator.check(),
		g.Governance.check("governance"),
		g.Registrars.checkOptional("registrars"),
		g.Witnesses.check(),
	)
}

func (g *Genesis) checkNumbers() error {
	switch {
	case g.EpochLength < minEpochLength:
		return fmt.Errorf("epoch length %d s, want at least %d", g.EpochLength, minEpochLength)
	case g.Decimals > maxDecimals:
		return fmt.Errorf("%d decimals, want at most %d", g.Decimals, maxDecimals)
	case g.Cap.IsZero() || !g.Cap.rsh(capBits).IsZero():
		return fmt.Errorf("cap %s, want 1 to 2^%d-1", g.Cap, capBits)
	case len(g.Policy) == 0 || len(g.Policy) > maxPolicySize:
		return fmt.Errorf("policy text of %d bytes, want 1 to %d", len(g.Policy), maxPolicySize)
	}
	return nil
}
