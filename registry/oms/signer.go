package oms

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// A Trust says whose signature the caller takes. It never comes from a bundle.
type Trust struct {
	Method Method

	Key entry.PublicKey // key: the signer's

	// Anchors are, for the certificate method, the certificates that the caller
	// brings: those that are self-signed are trusted, the others help to build a
	// chain to one of them. There is no default: the authorities that a system
	// trusts for web sites say nothing about who may sign a model.
	Anchors []*x509.Certificate

	// LogTime is when the signature is known to have existed, as from the
	// cosigned checkpoint over a log entry of it; zero if that is not known.
	LogTime time.Time
}

// A Signer is who signed, as far as it was proven.
type Signer struct {
	Key         entry.PublicKey
	Certificate *x509.Certificate // of the certificate method, else nil
	CheckedAt   time.Time         // the time at which its chain was found valid
	Warnings    []string          // what was not proven
}

// Authenticate verifies the signature over the payload, and that it is by
// someone whom t names. Only then does the payload mean anything. Every error is
// an *Error.
func (b *Bundle) Authenticate(t Trust) (*Signer, error) {
	s, err := b.signer(t)
	if err != nil {
		return nil, err
	}
	if err := b.checkSignature(s.Key); err != nil {
		return nil, err
	}
	if b.Unchecked > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%d transparency log entries or timestamps in the bundle were not checked", b.Unchecked))
	}
	return s, nil
}

// signer decides by which key the signature has to be.
func (b *Bundle) signer(t Trust) (*Signer, error) {
	switch {
	case b.Method == MethodSigstore:
		return nil, b.unsupported()
	case b.Method != t.Method:
		return nil, fault(ErrMethod, "/verificationMaterial", "signed by the method %q, want %q", b.Method, t.Method)
	case b.Method == MethodCertificate:
		return b.certified(t)
	}
	return &Signer{Key: t.Key}, b.checkHint(t.Key)
}

func (b *Bundle) unsupported() error {
	return fault(ErrUnsupported, "/verificationMaterial", "signed by the sigstore method, whose certificates and log are not checked by this version")
}

// checkHint compares what the bundle says of its key. A signature under a key
// that it does not name would be found by some tools and not by others.
func (b *Bundle) checkHint(key entry.PublicKey) error {
	if got, want := b.Hint, Hint(key); got != "" && got != want {
		return fault(ErrKeyHint, "/verificationMaterial/publicKey/hint", "signed by the key %q, want %s", got, want)
	}
	if b.Key != nil && !sameKey(*b.Key, key) {
		return fault(ErrKeyHint, "/verificationMaterial/publicKey/rawBytes", "signed by the key %s, want %s", b.Key.ID(), key.ID())
	}
	return nil
}

// checkSignature checks the one signature, and then that what was signed is a
// statement at all: the type is part of what PAE binds.
func (b *Bundle) checkSignature(key entry.PublicKey) error {
	if !ecdsaKey(key) {
		return fault(ErrKey, "", "got a key of %s, want P-256, P-384 or P-521", key.Alg)
	}
	if err := key.Verify(entry.PAE(b.PayloadType, b.Payload), b.Signature); err != nil {
		return fault(ErrSignature, "/dsseEnvelope/signatures/0", "over %d bytes, under the %s key %s: %v", len(b.Payload), key.Alg, key.ID(), err)
	}
	if b.PayloadType != entry.TypeStatement {
		return fault(ErrPayloadType, "/dsseEnvelope/payloadType", "got %q, want %q", b.PayloadType, entry.TypeStatement)
	}
	return nil
}

// certified builds a chain from the leaf to an anchor. When a signature was made
// cannot be told from it, and the implementations in use look at the chain as of
// the leaf's first day, so that a certificate never runs out. With a time from a
// log the rule of the specification (8.2) can be kept: valid at that time.
func (b *Bundle) certified(t Trust) (*Signer, error) {
	const at = "/verificationMaterial/x509CertificateChain"
	leaf := b.Chain[0]
	s := &Signer{Certificate: leaf, CheckedAt: t.LogTime}
	if t.LogTime.IsZero() {
		s.CheckedAt = leaf.NotBefore
		s.Warnings = append(s.Warnings, fmt.Sprintf(
			"when this was signed is not known: the certificate, valid from %s to %s, was checked as of its first day, even if it has run out since",
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	trusted := 0
	for _, c := range t.Anchors {
		if selfSigned(c) {
			roots.AddCert(c)
			trusted++
		} else {
			others.AddCert(c)
		}
	}
	if trusted == 0 {
		return nil, fault(ErrUntrusted, at, "none of the %d certificates given to trust is self-signed", len(t.Anchors))
	}
	for _, c := range b.Chain[1:] {
		others.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, CurrentTime: s.CheckedAt, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return nil, fault(ErrExpired, at, "at %s: %v", s.CheckedAt.UTC().Format(time.RFC3339), err)
	case err != nil:
		return nil, fault(ErrUntrusted, at, "%v", err)
	case !maySign(leaf):
		return nil, fault(ErrUsage, at, "the certificate of %q is not for signing", leaf.Subject)
	}
	s.Key, err = certificateKey(leaf)
	return s, err
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// maySign holds a certificate to its usages. RFC 5280, 4.2.1.12, wants both kinds
// to agree where both stand; one of them has to stand, as other implementations
// demand.
func maySign(c *x509.Certificate) bool {
	extended := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0
	if c.KeyUsage == 0 && !extended {
		return false
	}
	if c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return false
	}
	return !extended || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func certificateKey(c *x509.Certificate) (entry.PublicKey, error) {
	key, err := entry.ParsePublicKeyPEM(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: c.RawSubjectPublicKeyInfo}))
	if err != nil {
		return key, fault(ErrKey, "/verificationMaterial/x509CertificateChain/certificates/0", "%v", err)
	}
	return key, nil
}

// ecdsaKey reports whether a key is of a curve that OMS names.
func ecdsaKey(k entry.PublicKey) bool {
	return k.Alg == entry.P256 || k.Alg == entry.P384 || k.Alg == entry.P521
}

func sameKey(a, b entry.PublicKey) bool { return a.Alg == b.Alg && bytes.Equal(a.Bytes, b.Bytes) }

// ParseCertificates reads the certificates of a PEM file. Text around the blocks
// is passed over (RFC 7468, 2); blocks of another kind are refused.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %q, want CERTIFICATE", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all, text = append(all, c), rest
	}
	if len(all) == 0 {
		return nil, errors.New("no PEM block CERTIFICATE")
	}
	return all, nil
}
