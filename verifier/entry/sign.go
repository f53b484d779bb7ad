package entry

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// A PrivateKey signs entries. Its signatures are deterministic: the same key
// and bytes give the same entry, hence the same entry id, so that repeating a
// publish is recognised as a repeat.
type PrivateKey struct {
	public PublicKey
	ed     ed25519.PrivateKey // nil unless Ed25519
	ec     *ecdsa.PrivateKey  // nil unless P-256
	scalar []byte             // of ec, 32 bytes big-endian
}

// Public returns the public key.
func (p *PrivateKey) Public() PublicKey { return p.public }

// Sign signs msg. ECDSA nonces are those of RFC 6979 and s is the lower of its
// two values, so that the signature is a function of key and message.
func (p *PrivateKey) Sign(msg []byte) ([]byte, error) {
	if p.ed != nil {
		return ed25519.Sign(p.ed, msg), nil
	}
	digest := sha256.Sum256(msg)
	sig, err := p.ec.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return lowS(sig, p.ec.Params().N)
}

func lowS(sig []byte, order *big.Int) ([]byte, error) {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &v); err != nil {
		return nil, err
	}
	if half := new(big.Int).Rsh(order, 1); v.S.Cmp(half) <= 0 {
		return sig, nil
	}
	v.S.Sub(order, v.S)
	return asn1.Marshal(v)
}

// GenerateKey makes a key from 32 bytes of rand. For P-256 it draws again in
// the (astronomically rare) case that they are no valid scalar.
func GenerateKey(alg Alg, rand io.Reader) (*PrivateKey, error) {
	if alg != Ed25519 && alg != P256 {
		return nil, fmt.Errorf("%w: cannot make a key of algorithm %s", ErrKey, alg)
	}
	for {
		var seed [32]byte
		if _, err := io.ReadFull(rand, seed[:]); err != nil {
			return nil, fmt.Errorf("reading randomness: %w", err)
		}
		if alg == Ed25519 {
			return newEd25519(seed[:])
		}
		if p, err := newP256(seed[:]); err == nil {
			return p, nil
		}
	}
}

func newEd25519(seed []byte) (*PrivateKey, error) {
	ed := ed25519.NewKeyFromSeed(seed)
	pub, err := ParsePublicKey(Ed25519, ed[ed25519.SeedSize:])
	return &PrivateKey{public: pub, ed: ed}, err
}

func newP256(scalar []byte) (*PrivateKey, error) {
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return nil, fmt.Errorf("%w: P-256 scalar: %v", ErrKey, err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: P-256 point: %v", ErrKey, err)
	}
	pub, err := ParsePublicKey(P256, append(bytes.Clone(spkiP256), point...))
	return &PrivateKey{public: pub, ec: ec, scalar: bytes.Clone(scalar)}, err
}

const pemPrivate = "PRIVATE KEY" // RFC 7468, 10

// A PKCS #8 key (RFC 5958) as OpenSSL and Go write it has a fixed prefix; for
// P-256 the inner RFC 5915 key repeats the public point.
var (
	pkcs8Ed25519   = mustHex("302e020100300506032b657004220420")                                         // then the seed
	pkcs8P256      = mustHex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420") // then the scalar
	pkcs8P256Point = mustHex("a144034200")                                                               // then 04 X Y
)

// MarshalPEM returns the key as unencrypted PEM PKCS #8.
func (p *PrivateKey) MarshalPEM() []byte {
	var der []byte
	if p.ed != nil {
		der = slices.Concat(pkcs8Ed25519, p.ed.Seed())
	} else {
		der = slices.Concat(pkcs8P256, p.scalar, pkcs8P256Point, p.public.Bytes[len(spkiP256):])
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})
}

// ParsePrivateKeyPEM reads one PEM block of an unencrypted PKCS #8 key in the
// form that MarshalPEM, OpenSSL and Go write.
func ParsePrivateKeyPEM(text []byte) (*PrivateKey, error) {
	der, err := pemBlock(text, pemPrivate)
	if err != nil {
		return nil, err
	}
	if seed, ok := bytes.CutPrefix(der, pkcs8Ed25519); ok && len(seed) == ed25519.SeedSize {
		return newEd25519(seed)
	}
	rest, ok := bytes.CutPrefix(der, pkcs8P256)
	if !ok || len(rest) < 32 {
		return nil, fmt.Errorf("%w: not a PKCS #8 key of Ed25519 or P-256", ErrKey)
	}
	p, err := newP256(rest[:32])
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(rest[32:], slices.Concat(pkcs8P256Point, p.public.Bytes[len(spkiP256):])) {
		return nil, fmt.Errorf("%w: PKCS #8 P-256 key whose public point is absent or another's", ErrKey)
	}
	return p, nil
}

// Sign makes an entry of a body, signed by each key.
func Sign(typ string, body []byte, keys ...*PrivateKey) (*Entry, error) {
	raw := Draft(typ, body)
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key to sign with", ErrMalformed)
	}
	for _, k := range keys {
		e, err := AddSignature(raw, k)
		if err != nil {
			return nil, err
		}
		raw = e.raw
	}
	return Parse(raw)
}

// Draft returns an entry that nobody has signed yet: its signature count is
// zero, which Parse refuses and AddSignature accepts. It is how a k-of-n entry
// starts its way from machine to machine.
func Draft(typ string, body []byte) []byte {
	return append(PAE(typ, body), 0)
}

// ParseDraft reads a draft or an entry, for showing to whoever is to sign it.
func ParseDraft(raw []byte) (*Entry, error) {
	e, rest, err := parsePAE(raw)
	if err != nil {
		return nil, err
	}
	if e.sigs, err = parseSignatures(rest); err != nil {
		return nil, err
	}
	e.id = sha256.Sum256(raw)
	return e, nil
}

// AddSignature signs a draft or an entry once more. A signature that the same
// key made before is replaced.
func AddSignature(raw []byte, key *PrivateKey) (*Entry, error) {
	e, err := ParseDraft(raw)
	if err != nil {
		return nil, err
	}
	sig, err := key.Sign(e.pae)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	sigs := slices.Clone(e.sigs)
	at, found := slices.BinarySearchFunc(sigs, key.public, func(s Signature, k PublicKey) int { return s.Key.compare(k) })
	if found {
		sigs[at].Sig = sig
	} else {
		sigs = slices.Insert(sigs, at, Signature{Key: key.public, Sig: sig})
	}
	return Parse(encode(e.pae, sigs))
}

func encode(pae []byte, sigs []Signature) []byte {
	out := append(bytes.Clone(pae), byte(len(sigs)))
	for _, s := range sigs {
		out = append(out, byte(s.Key.Alg))
		out = binary.BigEndian.AppendUint16(out, uint16(len(s.Key.Bytes)))
		out = append(out, s.Key.Bytes...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(s.Sig)))
		out = append(out, s.Sig...)
	}
	return out
}
