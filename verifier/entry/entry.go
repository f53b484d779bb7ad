// Package entry reads and writes the signed entry, the leaf of a Hallmark log.
//
//	entry := PAE(type, body) signatures
//	PAE   := "DSSEv1" SP len(type) SP type SP len(body) SP body
//	signatures := count u8 (1..16), then each: alg u8, key u16-prefixed, sig u16-prefixed,
//	              strictly ascending by (alg, key)
//
// PAE is DSSE's pre-authentication encoding (DSSE v1, protocol.md), so the
// bytes that were signed stand in the log as they were signed: verifying an
// entry never re-encodes anything. Everything after the PAE is fixed binary
// with one encoding per meaning. Lengths in the PAE are decimal and count
// bytes; the other integers are big-endian.
//
// Parse checks structure and keys and costs no signature check; Verify checks
// every signature and remembers that it did. An entry that parses is recorded,
// not thereby true: what it says is for the packages that read its body.
package entry

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
)

// Body types of a Hallmark log.
const (
	// TypeStatement is the body type of an in-toto statement.
	TypeStatement = "application/vnd.in-toto+json"
	// TypeLedger is the body type of a ledger entry, fixed binary.
	TypeLedger = "application/vnd.hallmark.ledger"
)

// Bounds. Each is checked before anything is allocated or hashed.
const (
	// MaxEntrySize bounds an entry of our own types, in bytes. It holds a model
	// statement with 64 listed files and leaves room for 16 signatures.
	MaxEntrySize = 16 << 10
	// MaxForeignSize bounds the body of a foreign statement, in bytes. With the
	// largest signature list the entry still fits the 16-bit length of
	// tlog-tiles entry bundles.
	MaxForeignSize = 60_000
	// MaxSignatures bounds the signatures of one entry: what a k-of-n over the
	// largest sensible board needs.
	MaxSignatures = 16

	maxLeafSize = 1<<16 - 1 // c2sp.org/tlog-tiles: entries have a 16-bit length
	maxTypeSize = 255
	maxKeySize  = 158 // SPKI of P-521, the longest key of the format
	maxSigSize  = 139 // DER signature of P-521, the longest of the format
)

const paePrefix = "DSSEv1 "

// Errors to branch on. All but ErrSignature come from parsing.
var (
	ErrMalformed = errors.New("malformed entry")
	ErrTooLarge  = errors.New("entry too large")
	ErrSignature = errors.New("signature does not verify")
)

// A Signature is one signature of an entry over its PAE.
type Signature struct {
	Key PublicKey
	Sig []byte // Ed25519: 64 bytes; ECDSA: ASN.1 DER
}

// An Entry is one parsed leaf. It is immutable and safe for concurrent use.
type Entry struct {
	raw      []byte
	typ      string
	pae      []byte // prefix of raw
	body     []byte // suffix of pae
	sigs     []Signature
	id       [32]byte
	verified atomic.Bool // every signature was checked and held
}

// Type returns the body type.
func (e *Entry) Type() string { return e.typ }

// Body returns the body bytes. The caller must not change them.
func (e *Entry) Body() []byte { return e.body }

// PAE returns the signed bytes. The caller must not change them.
func (e *Entry) PAE() []byte { return e.pae }

// Raw returns the whole entry, the bytes of the log leaf. The caller must not
// change them.
func (e *Entry) Raw() []byte { return e.raw }

// Signatures returns the signatures in their canonical order. The caller must
// not change them.
func (e *Entry) Signatures() []Signature { return e.sigs }

// ID returns SHA-256 of the entry, the only idempotency key of the registry.
func (e *Entry) ID() [32]byte { return e.id }

// StatementID returns SHA-256 of the PAE. It groups entries that say the same
// under other signatures, and must never be used to refuse one: anybody can
// log a stranger's statement under a signature of their own.
func (e *Entry) StatementID() [32]byte { return sha256.Sum256(e.pae) }

// SignedBy reports whether a signature of the entry is by the key. It says
// nothing about that signature's validity; call Verify first.
func (e *Entry) SignedBy(id KeyID) bool {
	for i := range e.sigs {
		if e.sigs[i].Key.ID() == id {
			return true
		}
	}
	return false
}

// Verify checks every signature and returns an error wrapping ErrSignature
// that names the first one that fails. A success is remembered, so that one
// process pays for it once however many of its parts insist on it.
func (e *Entry) Verify() error {
	if e.verified.Load() {
		return nil
	}
	for i, s := range e.sigs {
		if err := s.Key.Verify(e.pae, s.Sig); err != nil {
			return fmt.Errorf("signature %d of %d, by %s key %s: %w", i+1, len(e.sigs), s.Key.Alg, s.Key.ID(), err)
		}
	}
	e.verified.Store(true)
	return nil
}

// Parse reads an entry strictly. It checks the structure, the bounds and that
// every key is canonical, and does not check signatures. It keeps raw.
func Parse(raw []byte) (*Entry, error) {
	e, rest, err := parsePAE(raw)
	if err != nil {
		return nil, err
	}
	if e.sigs, err = parseSignatures(rest); err != nil {
		return nil, err
	}
	if len(e.sigs) == 0 {
		return nil, fmt.Errorf("%w: no signature, want 1 to %d", ErrMalformed, MaxSignatures)
	}
	e.id = sha256.Sum256(raw)
	return e, nil
}

// PAE returns DSSE's pre-authentication encoding of a body and its type.
func PAE(typ string, body []byte) []byte {
	out := make([]byte, 0, len(paePrefix)+len(typ)+len(body)+16)
	out = append(out, paePrefix...)
	out = strconv.AppendInt(out, int64(len(typ)), 10)
	out = append(out, ' ')
	out = append(out, typ...)
	out = append(out, ' ')
	out = strconv.AppendInt(out, int64(len(body)), 10)
	out = append(out, ' ')
	return append(out, body...)
}

// parsePAE reads the PAE that raw begins with and returns what follows it.
func parsePAE(raw []byte) (*Entry, []byte, error) {
	if len(raw) > maxLeafSize {
		return nil, nil, fmt.Errorf("%w: %d bytes, a leaf holds at most %d", ErrTooLarge, len(raw), maxLeafSize)
	}
	rest, ok := bytes.CutPrefix(raw, []byte(paePrefix))
	if !ok {
		return nil, nil, fmt.Errorf("%w: does not begin with %q", ErrMalformed, paePrefix)
	}
	typ, rest, err := paeField(rest, maxTypeSize)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: type: %v", ErrMalformed, err)
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(" ")); !ok {
		return nil, nil, fmt.Errorf("%w: no space after the type", ErrMalformed)
	}
	body, rest, err := paeField(rest, len(rest))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: body: %v", ErrMalformed, err)
	}
	e := &Entry{raw: raw, typ: string(typ), pae: raw[:len(raw)-len(rest)], body: body}
	return e, rest, e.checkSize()
}

// checkSize holds own types to the small bound. Statements alone may be
// foreign, and whether one is, its reader decides.
func (e *Entry) checkSize() error {
	switch {
	case e.typ == TypeStatement && len(e.body) > MaxForeignSize:
		return fmt.Errorf("%w: statement of %d bytes, want at most %d", ErrTooLarge, len(e.body), MaxForeignSize)
	case e.typ != TypeStatement && len(e.raw) > MaxEntrySize:
		return fmt.Errorf("%w: %d bytes, want at most %d", ErrTooLarge, len(e.raw), MaxEntrySize)
	}
	return nil
}

// paeField reads "len SP bytes". The length has no sign and no leading zero.
func paeField(b []byte, most int) (field, rest []byte, err error) {
	const maxDigits = 5 // a leaf has at most 65,535 bytes
	sp := bytes.IndexByte(b[:min(len(b), maxDigits+1)], ' ')
	if sp < 1 {
		return nil, nil, errors.New("no length of 1 to 5 digits and a space")
	}
	digits, rest := b[:sp], b[sp+1:]
	n := 0
	for i, d := range digits {
		if d < '0' || d > '9' || (d == '0' && i == 0 && len(digits) > 1) {
			return nil, nil, fmt.Errorf("length %q is not a canonical decimal", digits)
		}
		n = n*10 + int(d-'0')
	}
	if n > most || n > len(rest) {
		return nil, nil, fmt.Errorf("length %d, want at most %d", n, min(most, len(rest)))
	}
	return rest[:n], rest[n:], nil
}

// parseSignatures reads the signature list, which must be all of b.
func parseSignatures(b []byte) ([]Signature, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: no signature list", ErrMalformed)
	}
	count, b := int(b[0]), b[1:]
	if count > MaxSignatures {
		return nil, fmt.Errorf("%w: %d signatures, want at most %d", ErrMalformed, count, MaxSignatures)
	}
	sigs := make([]Signature, 0, count)
	for i := range count {
		s, rest, err := parseSignature(b)
		if err != nil {
			return nil, fmt.Errorf("%w: signature %d of %d: %w", ErrMalformed, i+1, count, err)
		}
		if i > 0 && sigs[i-1].Key.compare(s.Key) >= 0 {
			return nil, fmt.Errorf("%w: signature %d of %d: not in strictly ascending order of (algorithm, key)", ErrMalformed, i+1, count)
		}
		sigs, b = append(sigs, s), rest
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last signature", ErrMalformed, len(b))
	}
	return sigs, nil
}

func parseSignature(b []byte) (s Signature, rest []byte, err error) {
	if len(b) == 0 {
		return s, nil, errors.New("ends before its algorithm")
	}
	alg := Alg(b[0])
	keyBytes, b, err := prefixed(b[1:], maxKeySize)
	if err != nil {
		return s, nil, fmt.Errorf("key: %w", err)
	}
	sig, b, err := prefixed(b, maxSigSize)
	if err != nil {
		return s, nil, fmt.Errorf("value: %w", err)
	}
	key, err := ParsePublicKey(alg, keyBytes)
	if err != nil {
		return s, nil, err
	}
	return Signature{Key: key, Sig: sig}, b, nil
}

// prefixed reads a field with a two-byte length.
func prefixed(b []byte, most int) (field, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errors.New("ends before its length")
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n > most || n > len(b) {
		return nil, nil, fmt.Errorf("length %d, want at most %d", n, min(most, len(b)))
	}
	return b[:n], b[n:], nil
}
