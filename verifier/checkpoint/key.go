package checkpoint

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"filippo.io/mldsa"
)

// Alg is a signature type byte of C2SP signed-note. It says what is signed as
// well as how.
type Alg uint8

// The signature types that this package understands.
const (
	// AlgEd25519 signs the text of a note: a log's signature.
	AlgEd25519 Alg = 0x01
	// AlgCosignature signs a time and the text with Ed25519 (cosignature/v1).
	AlgCosignature Alg = 0x04
	// AlgMLDSA44 signs the signer's name, a time, origin, size and root with
	// ML-DSA-44 (subtree/v1). Cosigners use it, and logs too.
	AlgMLDSA44 Alg = 0x06
)

// String names the algorithm and its byte.
func (a Alg) String() string {
	switch a {
	case AlgEd25519:
		return "Ed25519 (0x01)"
	case AlgCosignature:
		return "Ed25519 cosignature (0x04)"
	case AlgMLDSA44:
		return "ML-DSA-44 cosignature (0x06)"
	}
	return fmt.Sprintf("unknown (0x%02x)", uint8(a))
}

// Key is a named public key, written as a vkey (C2SP signed-note, "Verifier
// keys"). It is immutable and implements [note.Verifier].
//
// [note.Verifier]: https://pkg.go.dev/golang.org/x/mod/sumdb/note#Verifier
type Key struct {
	name string
	id   uint32
	alg  Alg
	pub  string           // the encoded public key; a string can't be changed by a caller
	ml   *mldsa.PublicKey // set for AlgMLDSA44
}

// NewKey makes a key from its parts. pub is 32 bytes for Ed25519 and 1312 for
// ML-DSA-44.
func NewKey(name string, alg Alg, pub []byte) (*Key, error) {
	if err := checkKeyName(name); err != nil {
		return nil, err
	}
	k := &Key{name: name, alg: alg, pub: string(pub)}
	switch alg {
	case AlgEd25519, AlgCosignature:
		if err := checkEd25519(pub); err != nil {
			return nil, err
		}
	case AlgMLDSA44:
		ml, err := mldsa.NewPublicKey(mldsa.MLDSA44(), pub)
		if err != nil {
			return nil, fmt.Errorf("ML-DSA-44 key of %d bytes, want %d: %v", len(pub), mldsa.MLDSA44PublicKeySize, err)
		}
		k.ml = ml
	default:
		return nil, fmt.Errorf("signature type %v, want 0x01, 0x04 or 0x06", alg)
	}
	k.id = keyID(name, alg, k.pub)
	return k, nil
}

// ParseKey reads a vkey, "name+hex key id+base64(type || public key)". Its key
// id must be the one that C2SP recommends, so that a mistyped key is noticed.
func ParseKey(vkey string) (*Key, error) {
	name, id, encoded, err := cutKey(vkey)
	if err != nil {
		return nil, err
	}
	raw, err := strictBase64.DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		return nil, fmt.Errorf("vkey %q does not end in canonical base64", clip(vkey))
	}
	k, err := NewKey(name, Alg(raw[0]), raw[1:])
	if err != nil {
		return nil, err
	}
	if k.id != id {
		return nil, fmt.Errorf("vkey %q has key id %08x, want %08x", clip(vkey), id, k.id)
	}
	if k.String() != vkey {
		return nil, fmt.Errorf("vkey %q is not canonical, want %q", clip(vkey), clip(k.String()))
	}
	return k, nil
}

// cutKey takes "name+hex key id+encoded" apart.
func cutKey(s string) (name string, id uint32, encoded string, err error) {
	name, rest, _ := strings.Cut(s, "+")
	hexID, encoded, _ := strings.Cut(rest, "+")
	n, err := strconv.ParseUint(hexID, 16, 32)
	if err != nil || len(hexID) != 2*keyIDSize {
		return "", 0, "", fmt.Errorf("key %q is not of the form name+hash+key with 8 hex digits for the hash", clip(name))
	}
	return name, uint32(n), encoded, nil
}

// Name returns the key's name; for a log it is its origin.
func (k *Key) Name() string { return k.name }

// KeyHash returns the 32-bit key id. The method has the name that
// note.Verifier gives it.
func (k *Key) KeyHash() uint32 { return k.id }

// Alg returns the signature type.
func (k *Key) Alg() Alg { return k.alg }

// Bytes returns a copy of the encoded public key.
func (k *Key) Bytes() []byte { return []byte(k.pub) }

// String returns the vkey.
func (k *Key) String() string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.id, base64.StdEncoding.EncodeToString(append([]byte{byte(k.alg)}, k.pub...)))
}

// Verify reports whether sig, the bytes behind the key id, is this key's
// signature on text. For a cosigning key text must be a checkpoint.
func (k *Key) Verify(text, sig []byte) bool {
	if k.alg == AlgEd25519 {
		return ed25519.Verify(ed25519.PublicKey(k.pub), text, sig)
	}
	c, err := ParseText(text)
	if err != nil {
		return false
	}
	_, err = k.verify(c, text, sig)
	return err == nil
}

// verify checks one signature on a checkpoint and its text, and returns the time
// it bears in POSIX seconds, or 0.
func (k *Key) verify(c Checkpoint, text, sig []byte) (time int64, err error) {
	if k.alg == AlgEd25519 {
		if len(sig) != ed25519.SignatureSize {
			return 0, fmt.Errorf("signature has %d bytes, want %d", len(sig), ed25519.SignatureSize)
		}
		if !ed25519.Verify(ed25519.PublicKey(k.pub), text, sig) {
			return 0, fmt.Errorf("signature does not verify")
		}
		return 0, nil
	}
	time, sig, err = cutTime(sig, k.alg)
	if err != nil {
		return 0, err
	}
	if k.alg == AlgCosignature {
		if !ed25519.Verify(ed25519.PublicKey(k.pub), cosignatureMessage(text, time), sig) {
			return 0, fmt.Errorf("cosignature of time %d does not verify", time)
		}
		return time, nil
	}
	message, err := SubtreeMessage(k.name, time, c)
	if err != nil {
		return 0, err
	}
	if mldsa.Verify(k.ml, message, sig, nil) != nil {
		return 0, fmt.Errorf("cosignature of time %d does not verify", time)
	}
	return time, nil
}

// keyID is the id that C2SP signed-note recommends.
func keyID(name string, alg Alg, pub string) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', byte(alg)})
	h.Write([]byte(pub))
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// smallOrderY are the y coordinates (little-endian, sign bit clear) of the eight
// points of small order on edwards25519. Under such a key a signature can be
// made without any secret, so it is nobody's key.
var smallOrderY = [][ed25519.PublicKeySize]byte{
	{0x00}, // order 4
	{0x01}, // order 1
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, // order 2
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, // order 8
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}, // order 8
}

// checkEd25519 refuses keys that nobody can own, and second encodings: a
// y coordinate of 2^255-19 or more is a smaller one again, and would let one key
// count as two in a quorum (RFC 8032, section 5.1.3).
func checkEd25519(pub []byte) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("Ed25519 key has %d bytes, want %d", len(pub), ed25519.PublicKeySize)
	}
	y := [ed25519.PublicKeySize]byte(pub)
	y[31] &^= 0x80
	for _, small := range smallOrderY {
		if y == small {
			return fmt.Errorf("Ed25519 key %x is a point of small order", pub)
		}
	}
	if y[31] == 0x7f && y[0] >= 0xed && bytes.Equal(y[1:31], bytes.Repeat([]byte{0xff}, 30)) {
		return fmt.Errorf("Ed25519 key %x is not canonically encoded", pub)
	}
	return nil
}
