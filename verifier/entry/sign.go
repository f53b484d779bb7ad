package entry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
)

// A PrivateKey signs entries. Its signatures are deterministic: the same key
// and bytes give the same entry, hence the same entry id, so that repeating a
// publish is recognised as a repeat.
type PrivateKey struct {
	public PublicKey
	ed     ed25519.PrivateKey // nil unless Ed25519

	ec     *ecdsa.PrivateKey // nil if Ed25519, with what follows
	curve  *curve
	scalar []byte // big-endian
}

// Public returns the public key.
func (p *PrivateKey) Public() PublicKey { return p.public }

// Sign signs msg.
func (p *PrivateKey) Sign(msg []byte) ([]byte, error) {
	if p.ed != nil {
		return ed25519.Sign(p.ed, msg), nil
	}
	return p.curve.sign(p.ec, msg)
}

// GenerateKey makes a key from rand. For ECDSA it draws again until the bytes
// are a valid scalar.
func GenerateKey(alg Alg, rand io.Reader) (*PrivateKey, error) {
	c := curveOf(alg)
	if c == nil && alg != Ed25519 {
		return nil, fmt.Errorf("%w: cannot make a key of algorithm %s", ErrKey, alg)
	}
	size := ed25519.SeedSize
	if c != nil {
		size = c.scalarSize()
	}
	for {
		seed := make([]byte, size)
		if _, err := io.ReadFull(rand, seed); err != nil {
			return nil, fmt.Errorf("reading randomness: %w", err)
		}
		if c == nil {
			return newEd25519(seed)
		}
		seed[0] &= byte(1<<((c.curve.Params().BitSize-1)%8+1) - 1) // P-521 has a bit in its first byte
		if p, err := c.private(seed); err == nil {
			return p, nil
		}
	}
}

func newEd25519(seed []byte) (*PrivateKey, error) {
	ed := ed25519.NewKeyFromSeed(seed)
	pub, err := ParsePublicKey(Ed25519, ed[ed25519.SeedSize:])
	return &PrivateKey{public: pub, ed: ed}, err
}

const pemPrivate = "PRIVATE KEY" // RFC 7468, 10

// pkcs8Ed25519 is PKCS #8 (RFC 8410, 7) before the seed.
var pkcs8Ed25519 = mustHex("302e020100300506032b657004220420")

// MarshalPEM returns the key as unencrypted PEM PKCS #8.
func (p *PrivateKey) MarshalPEM() []byte {
	der := slices.Concat(pkcs8Ed25519, p.seed())
	if p.ec != nil {
		der = p.curve.marshal(p)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})
}

func (p *PrivateKey) seed() []byte {
	if p.ed == nil {
		return nil
	}
	return p.ed.Seed()
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
	for i := range curves {
		if bytes.HasPrefix(der, curves[i].pkcs8) {
			return curves[i].unmarshal(der)
		}
	}
	return nil, fmt.Errorf("%w: not a PKCS #8 key of Ed25519, P-256, P-384 or P-521", ErrKey)
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
