package oms

import (
	"encoding/binary"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// SignerKey returns the key that the bundle itself says it was signed by: that of
// its certificate, or the one that older key bundles carry. A hint is no key; ok
// is false then.
func (b *Bundle) SignerKey() (key entry.PublicKey, ok bool, err error) {
	switch {
	case len(b.Chain) > 0:
		key, err = certificateKey(b.Chain[0])
		return key, err == nil, err
	case b.Key != nil:
		return *b.Key, true, nil
	}
	return key, false, nil
}

// Entry returns the signature as an entry of the log: the body is the payload and
// the signature the one signature, both byte for byte, since an entry begins with
// the PAE that was signed. key is the signer's; the signature is verified under
// it. Of the bundle that leaves out the media type and the certificates: an entry
// names keys, and whose key it is stays with whoever verifies the chain.
//
// An error is an *Error, or entry.ErrTooLarge for more than a leaf can hold.
func (b *Bundle) Entry(key entry.PublicKey) (*entry.Entry, error) {
	if b.Method == MethodSigstore {
		return nil, b.unsupported()
	}
	if err := b.checkHint(key); err != nil {
		return nil, err
	}
	if err := b.checkSignature(key); err != nil {
		return nil, err
	}
	if _, err := ParseManifest(b.Payload); err != nil {
		return nil, err
	}
	raw := append(entry.PAE(b.PayloadType, b.Payload), 1, byte(key.Alg))
	raw = binary.BigEndian.AppendUint16(raw, uint16(len(key.Bytes)))
	raw = append(raw, key.Bytes...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(len(b.Signature)))
	raw = append(raw, b.Signature...)
	return entry.Parse(raw)
}
