package checkpoint

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"filippo.io/mldsa"
)

// SeedSize is the length in bytes of the secret behind a [Signer], for every
// algorithm.
const SeedSize = 32

// privatePrefix begins a private key in the form of x/mod/sumdb/note.
const privatePrefix = "PRIVATE+KEY+"

// Signer holds a private key: a log's, or a cosigner's. It signs whatever
// checkpoint it is given; that no two of them contradict each other is the
// caller's duty. It is immutable, safe for concurrent use, and implements
// [note.Signer]. Printing it shows the public key.
//
// [note.Signer]: https://pkg.go.dev/golang.org/x/mod/sumdb/note#Signer
type Signer struct {
	key  *Key
	seed [SeedSize]byte
	ed   ed25519.PrivateKey // for AlgEd25519 and AlgCosignature
	ml   *mldsa.PrivateKey  // for AlgMLDSA44
}

// NewSigner makes a signer from a 32-byte seed (RFC 8032 and FIPS 204 both derive
// their keys from one).
func NewSigner(name string, alg Alg, seed []byte) (*Signer, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("seed has %d bytes, want %d", len(seed), SeedSize)
	}
	s := &Signer{seed: [SeedSize]byte(seed)}
	var pub []byte
	switch alg {
	case AlgEd25519, AlgCosignature:
		s.ed = ed25519.NewKeyFromSeed(seed)
		pub = s.ed.Public().(ed25519.PublicKey)
	case AlgMLDSA44:
		ml, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed)
		if err != nil {
			return nil, fmt.Errorf("making an ML-DSA-44 key: %w", err)
		}
		s.ml, pub = ml, ml.PublicKey().Bytes()
	}
	var err error
	s.key, err = NewKey(name, alg, pub)
	return s, err
}

// GenerateSigner makes a new key from 32 bytes of rand.
func GenerateSigner(name string, alg Alg, rand io.Reader) (*Signer, error) {
	var seed [SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("generating the key of %q: %w", name, err)
	}
	return NewSigner(name, alg, seed[:])
}

// ParseSigner reads "PRIVATE+KEY+name+hash+base64(type || seed)", the form of
// x/mod/sumdb/note. Its errors never quote the secret.
func ParseSigner(private string) (*Signer, error) {
	body, ok := strings.CutPrefix(private, privatePrefix)
	if !ok {
		return nil, fmt.Errorf("private key does not begin with %q", privatePrefix)
	}
	name, id, encoded, err := cutKey(body)
	if err != nil {
		return nil, err
	}
	raw, err := strictBase64.DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		return nil, fmt.Errorf("private key of %q does not end in canonical base64", name)
	}
	s, err := NewSigner(name, Alg(raw[0]), raw[1:])
	if err != nil {
		return nil, fmt.Errorf("private key of %q: %w", name, err)
	}
	if s.key.id != id || s.Private() != private {
		return nil, fmt.Errorf("private key of %q has key id %08x, want %08x, or is not canonical", name, id, s.key.id)
	}
	return s, nil
}

// Private returns the private key as text, for [ParseSigner]. It is a secret.
func (s *Signer) Private() string {
	raw := append([]byte{byte(s.key.alg)}, s.seed[:]...)
	return fmt.Sprintf("%s%s+%08x+%s", privatePrefix, s.key.name, s.key.id, base64.StdEncoding.EncodeToString(raw))
}

// Key returns the public key.
func (s *Signer) Key() *Key { return s.key }

// Name returns the key's name; for a log it is its origin.
func (s *Signer) Name() string { return s.key.name }

// KeyHash returns the 32-bit key id.
func (s *Signer) KeyHash() uint32 { return s.key.id }

// String returns the public key, so that no log line can leak the private one.
func (s *Signer) String() string { return s.key.String() }

// GoString does the same for %#v.
func (s *Signer) GoString() string { return s.key.String() }

// Sign signs a checkpoint's text as its log, and returns what follows the key id
// in a signature line. It refuses a text that is not a checkpoint of its own
// name, so that a log's key can't be made to sign anything else through it. A
// key of type 0x04 can't sign as a log; one of type 0x06 does with the time 0,
// which makes no statement about time.
func (s *Signer) Sign(text []byte) ([]byte, error) {
	c, err := ParseText(text)
	if err != nil {
		return nil, err
	}
	if c.Origin != s.key.name {
		return nil, fmt.Errorf("signing as %q: the checkpoint's origin is %q", s.key.name, c.Origin)
	}
	switch s.key.alg {
	case AlgEd25519:
		return ed25519.Sign(s.ed, text), nil
	case AlgMLDSA44:
		return s.cosign(c, 0)
	}
	return nil, fmt.Errorf("signing as %q: a key of type %v cosigns, and signs no log", s.key.name, s.key.alg)
}

// Sign returns a note: the checkpoint signed by its log's keys.
func Sign(c Checkpoint, logKeys ...*Signer) ([]byte, error) {
	text := c.Text()
	note := append(text[:len(text):len(text)], '\n')
	for _, s := range logKeys {
		sig, err := s.Sign(text)
		if err != nil {
			return nil, err
		}
		note = appendSignatureLine(note, Signature{s.key.name, s.key.id, sig})
	}
	return note, nil
}

// Cosign returns the signature line, newline included, by which s cosigns a
// signed checkpoint at the given time in POSIX seconds; appended to the note it
// makes a note again. It verifies nothing: a witness first checks the log's
// signature, and that the tree extends the one it cosigned last.
func Cosign(note []byte, s *Signer, time int64) ([]byte, error) {
	n, err := Parse(note)
	if err != nil {
		return nil, err
	}
	if time < 0 {
		return nil, fmt.Errorf("cosigning as %q: time %d is before 1970", s.key.name, time)
	}
	sig, err := s.cosign(n.Checkpoint, time)
	if err != nil {
		return nil, err
	}
	return appendSignatureLine(nil, Signature{s.key.name, s.key.id, sig}), nil
}

// cosign returns time u64 || signature.
func (s *Signer) cosign(c Checkpoint, time int64) ([]byte, error) {
	sig := binary.BigEndian.AppendUint64(nil, uint64(time))
	switch s.key.alg {
	case AlgCosignature:
		return append(sig, ed25519.Sign(s.ed, CosignatureMessage(c, time))...), nil
	case AlgMLDSA44:
		message, err := SubtreeMessage(s.key.name, time, c)
		if err != nil {
			return nil, fmt.Errorf("cosigning as %q: %w", s.key.name, err)
		}
		// Deterministic, so that the same checkpoint and time give the same note.
		raw, err := s.ml.SignDeterministic(message, nil)
		if err != nil {
			return nil, fmt.Errorf("cosigning as %q: %w", s.key.name, err)
		}
		return append(sig, raw...), nil
	}
	return nil, fmt.Errorf("cosigning as %q: a key of type %v bears no time", s.key.name, s.key.alg)
}
