package entry

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// Alg numbers a signature algorithm in an entry. The numbers are frozen.
type Alg uint8

// Algorithms. Secp256k1, for chain settlement, has its number and is refused.
const (
	Ed25519   Alg = 1 // RFC 8032; key: 32 bytes
	P256      Alg = 2 // ECDSA with SHA-256; key: SubjectPublicKeyInfo DER
	P384      Alg = 3 // ECDSA with SHA-384
	P521      Alg = 4 // ECDSA with SHA-512
	Secp256k1 Alg = 5 // reserved
)

func (a Alg) String() string {
	switch a {
	case Ed25519:
		return "ed25519"
	case P256:
		return "p256"
	case P384:
		return "p384"
	case P521:
		return "p521"
	case Secp256k1:
		return "secp256k1"
	}
	return fmt.Sprintf("alg(%d)", uint8(a))
}

// ErrKey says that a key is malformed, not canonical, or of an algorithm that
// this version does not support.
var ErrKey = errors.New("unusable key")

// A KeyID is SHA-256(alg || key bytes as in an entry).
type KeyID [32]byte

// String returns the id as 64 lower-case hex digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// ParseKeyID reads 64 lower-case hex digits.
func ParseKeyID(s string) (id KeyID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != s {
		return id, fmt.Errorf("%w: key id %q is not 64 lower-case hex digits", ErrKey, s)
	}
	return KeyID(b), nil
}

// A PublicKey is a canonical public key: two PublicKeys verify the same
// signatures only if their bytes are equal, so that one key is never counted
// as two in a k-of-n.
type PublicKey struct {
	Alg   Alg
	Bytes []byte // as in an entry: Ed25519 32 bytes, ECDSA SPKI DER
}

// ID returns the key's id.
func (k PublicKey) ID() KeyID {
	var buf [1 + maxKeySize]byte
	buf[0] = byte(k.Alg)
	n := copy(buf[1:], k.Bytes)
	return sha256.Sum256(buf[:1+n])
}

func (k PublicKey) compare(o PublicKey) int {
	return cmp.Or(cmp.Compare(k.Alg, o.Alg), bytes.Compare(k.Bytes, o.Bytes))
}

// ParsePublicKey accepts a key in the form of an entry, if it is canonical.
// It keeps b.
func ParsePublicKey(alg Alg, b []byte) (PublicKey, error) {
	k := PublicKey{Alg: alg, Bytes: b}
	switch alg {
	case Ed25519:
		return k, checkEd25519(b)
	case P256, P384, P521:
		_, err := curveOf(alg).parse(b)
		return k, err
	case Secp256k1:
		return PublicKey{}, fmt.Errorf("%w: algorithm %s is reserved", ErrKey, alg)
	}
	return PublicKey{}, fmt.Errorf("%w: unknown algorithm %d", ErrKey, uint8(alg))
}

// Verify checks one signature over msg. Ed25519 is checked as in RFC 8032
// without the cofactor and with S < L (crypto/ed25519 does both); an ECDSA
// signature must be DER, and may have either of its two values of s.
func (k PublicKey) Verify(msg, sig []byte) error {
	ok := false
	switch k.Alg {
	case Ed25519:
		ok = len(k.Bytes) == ed25519.PublicKeySize && ed25519.Verify(k.Bytes, msg, sig)
	case P256, P384, P521:
		c := curveOf(k.Alg)
		pub, err := c.parse(k.Bytes)
		if err != nil {
			return err
		}
		ok = ecdsa.VerifyASN1(pub, c.sum(msg), sig)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// Encodings of y, little-endian and without the sign bit of x, of the points
// of small order of edwards25519. A key among them would verify a signature
// over every message.
var smallOrderY = [...]string{
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"0100000000000000000000000000000000000000000000000000000000000000", // order 1
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
}

// checkEd25519 refuses keys that do not re-encode to themselves (y >= p) and
// keys of small order. The points with x = 0, whose sign bit is free, are both
// of small order. A y that is on no point passes, and verifies nothing.
func checkEd25519(b []byte) error {
	if len(b) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: ed25519 key of %d bytes, want %d", ErrKey, len(b), ed25519.PublicKeySize)
	}
	y := [32]byte(b)
	y[31] &= 0x7f
	if !belowP(y) {
		return fmt.Errorf("%w: ed25519 key is not canonical", ErrKey)
	}
	text := hex.EncodeToString(y[:])
	for _, bad := range smallOrderY {
		if text == bad {
			return fmt.Errorf("%w: ed25519 key of small order", ErrKey)
		}
	}
	return nil
}

// belowP reports whether y < p = 2^255 - 19.
func belowP(y [32]byte) bool {
	if y[31] != 0x7f {
		return true
	}
	for _, b := range y[1:31] {
		if b != 0xff {
			return true
		}
	}
	return y[0] < 0xed
}

// spkiEd25519 is the SubjectPublicKeyInfo (RFC 8410, 4) before the key.
var spkiEd25519 = mustHex("302a300506032b6570032100")

const pemPublic = "PUBLIC KEY" // RFC 7468, 13

// ParsePublicKeyPEM reads one PEM block of a SubjectPublicKeyInfo. Text before
// the block is allowed (RFC 7468, 2), anything but white space after it not.
func ParsePublicKeyPEM(text []byte) (PublicKey, error) {
	der, err := pemBlock(text, pemPublic)
	if err != nil {
		return PublicKey{}, err
	}
	if key, ok := bytes.CutPrefix(der, spkiEd25519); ok {
		return ParsePublicKey(Ed25519, key)
	}
	for i := range curves {
		if bytes.HasPrefix(der, curves[i].spki) {
			return ParsePublicKey(curves[i].alg, der)
		}
	}
	return PublicKey{}, fmt.Errorf("%w: not a SubjectPublicKeyInfo of Ed25519, P-256, P-384 or P-521", ErrKey)
}

// MarshalPEM returns the key as a PEM SubjectPublicKeyInfo.
func (k PublicKey) MarshalPEM() []byte {
	der := k.Bytes
	if k.Alg == Ed25519 {
		der = append(bytes.Clone(spkiEd25519), k.Bytes...)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der})
}

func pemBlock(text []byte, want string) ([]byte, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("%w: no PEM block %q", ErrKey, want)
	case block.Type != want:
		return nil, fmt.Errorf("%w: PEM block %q, want %q", ErrKey, block.Type, want)
	case len(block.Headers) != 0:
		return nil, fmt.Errorf("%w: PEM block with headers", ErrKey)
	case len(bytes.TrimSpace(rest)) != 0:
		return nil, fmt.Errorf("%w: %d bytes after the PEM block", ErrKey, len(rest))
	}
	return block.Bytes, nil
}
