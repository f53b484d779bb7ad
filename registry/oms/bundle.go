package oms

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// MediaType is that of the bundles that are written and read: sigstore bundle
// v0.3, which OMS v1.0 is defined on.
const MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

const (
	// MaxBundleSize bounds a bundle, in bytes. A resource takes some 200 with its
	// base64, so that a folder of 300,000 files still fits.
	MaxBundleSize = 64 << 20

	// maxChain bounds the certificates of a bundle. Chains in use have two or
	// three; building them costs a signature check for every pair that fits.
	maxChain = 8
)

// A Bundle is a signature as read. Nothing in it is verified: see Authenticate.
type Bundle struct {
	Method Method
	Hint   string // key: lower hex of SHA-256 over the PEM text of the key

	// Key is the key itself, from key bundles of before v1.1.0, which had it
	// instead of a hint (11.1).
	Key *entry.PublicKey

	Chain []*x509.Certificate // certificate: leaf first

	PayloadType string
	Payload     []byte // as it was signed
	Signature   []byte // ASN.1 DER

	// Unchecked counts transparency log entries and timestamps that came along.
	// They belong to the sigstore method; nothing is concluded from them.
	Unchecked int
}

// ParseBundle reads a bundle strictly. It does not look into the payload. Every
// error is an *Error.
func ParseBundle(text []byte) (*Bundle, error) {
	if len(text) > MaxBundleSize {
		return nil, fault(ErrTooLarge, "", "got %d bytes, want at most %d", len(text), MaxBundleSize)
	}
	b := new(Bundle)
	var mediaType string
	r := newReader(text)
	err := r.object(members{
		"mediaType":            r.text(&mediaType),
		"verificationMaterial": func() error { return b.readMaterial(r) },
		"dsseEnvelope":         func() error { return b.readEnvelope(r) },
	}, "mediaType", "verificationMaterial", "dsseEnvelope")
	if err == nil {
		err = r.end()
	}
	switch {
	case err != nil:
		return nil, err
	case mediaType != MediaType:
		return nil, fault(ErrMediaType, "/mediaType", "got %q, want %q", mediaType, MediaType)
	}
	return b, nil
}

// readMaterial reads verificationMaterial, whose one member of three is the
// method.
func (b *Bundle) readMaterial(r reader) error {
	method := func(m Method, read func() error) func() error {
		return func() error {
			if b.Method != "" {
				return r.fault(ErrBadValue, "a second method beside %q, want one", b.Method)
			}
			b.Method = m
			return read()
		}
	}
	err := r.object(members{
		"publicKey":            method(MethodKey, func() error { return b.readKey(r) }),
		"x509CertificateChain": method(MethodCertificate, func() error { return b.readChain(r) }),
		"certificate":          method(MethodSigstore, r.skip),
		"tlogEntries": func() error {
			n, err := r.array(r.skip)
			b.Unchecked += n
			return err
		},
		"timestampVerificationData": func() error {
			return r.object(members{"rfc3161Timestamps": func() error {
				n, err := r.array(r.skip)
				b.Unchecked += n
				return err
			}})
		},
	})
	if err == nil && b.Method == "" {
		err = fault(ErrMissingMember, "/verificationMaterial", "neither publicKey nor x509CertificateChain")
	}
	return err
}

// readKey reads publicKey: a hint, or what stood in its place before.
func (b *Bundle) readKey(r reader) error {
	var raw []byte
	err := r.object(members{
		"hint":       r.text(&b.Hint),
		"rawBytes":   r.base64(&raw),
		"keyDetails": r.skip, // says of the key what the key says itself
	})
	switch {
	case err != nil:
		return err
	case (b.Hint == "") == (raw == nil):
		return fault(ErrMissingMember, "/verificationMaterial/publicKey", "want a hint, or in older bundles rawBytes, and not both")
	case raw == nil:
		return nil
	}
	key, err := entry.ParsePublicKeyPEM(raw)
	if err != nil {
		return fault(ErrKey, "/verificationMaterial/publicKey/rawBytes", "%v", err)
	}
	b.Key = &key
	return nil
}

func (b *Bundle) readChain(r reader) error {
	return r.object(members{"certificates": func() error {
		_, err := r.array(func() error {
			if len(b.Chain) == maxChain {
				return r.fault(ErrTooLarge, "got more than %d certificates", maxChain)
			}
			var der []byte
			if err := r.object(members{"rawBytes": r.base64(&der)}, "rawBytes"); err != nil {
				return err
			}
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return r.fault(ErrBadValue, "certificate: %v", err)
			}
			b.Chain = append(b.Chain, c)
			return nil
		})
		if err == nil && len(b.Chain) == 0 {
			err = r.fault(ErrBadValue, "got no certificate, want the signer's")
		}
		return err
	}}, "certificates")
}

// readEnvelope reads dsseEnvelope. A sigstore bundle has exactly one signature.
func (b *Bundle) readEnvelope(r reader) error {
	var keyID string
	signatures := 0
	err := r.object(members{
		"payload":     r.base64(&b.Payload),
		"payloadType": r.text(&b.PayloadType),
		"signatures": func() (err error) {
			signatures, err = r.array(func() error {
				return r.object(members{"sig": r.base64(&b.Signature), "keyid": r.textOrNull(&keyID)}, "sig")
			})
			return err
		},
	}, "payload", "payloadType", "signatures")
	switch {
	case err != nil:
		return err
	case signatures != 1:
		return fault(ErrSignatureCount, "/dsseEnvelope/signatures", "got %d signatures, want 1", signatures)
	case keyID != "":
		// Nothing is looked up by it, and one that named another key than the
		// bundle does would be read differently by other tools.
		return fault(ErrBadValue, "/dsseEnvelope/signatures/0/keyid", "got %q, want none", keyID)
	}
	return nil
}

// Hint returns how a bundle points at a key: SHA-256 over its PEM text, with
// header, line ends and all, in lower hex.
func Hint(key entry.PublicKey) string {
	sum := sha256.Sum256(key.MarshalPEM())
	return hex.EncodeToString(sum[:])
}
