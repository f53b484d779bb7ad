package entry

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
)

// A curve is one of the ECDSA algorithms. Its keys have one DER form each: a
// fixed prefix, then the uncompressed point 04 X Y; so DER is checked by
// comparing bytes.
type curve struct {
	alg   Alg
	curve elliptic.Curve
	hash  crypto.Hash
	sum   func([]byte) []byte

	spki       []byte // SubjectPublicKeyInfo (RFC 5280, 4.1) before the point
	pkcs8      []byte // PKCS #8 (RFC 5958) before the scalar
	pkcs8Point []byte // between the scalar and the point, which RFC 5915 repeats
}

// curves are the supported ones. The hash has the curve's size, as in every
// standard that names them together.
var curves = [...]curve{
	{
		alg: P256, curve: elliptic.P256(), hash: crypto.SHA256,
		sum:        func(m []byte) []byte { h := sha256.Sum256(m); return h[:] },
		spki:       mustHex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
		pkcs8:      mustHex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"),
		pkcs8Point: mustHex("a144034200"),
	},
	{
		alg: P384, curve: elliptic.P384(), hash: crypto.SHA384,
		sum:        func(m []byte) []byte { h := sha512.Sum384(m); return h[:] },
		spki:       mustHex("3076301006072a8648ce3d020106052b81040022036200"),
		pkcs8:      mustHex("3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430"),
		pkcs8Point: mustHex("a164036200"),
	},
	{
		alg: P521, curve: elliptic.P521(), hash: crypto.SHA512,
		sum:        func(m []byte) []byte { h := sha512.Sum512(m); return h[:] },
		spki:       mustHex("30819b301006072a8648ce3d020106052b8104002303818600"),
		pkcs8:      mustHex("3081ee020100301006072a8648ce3d020106052b810400230481d63081d30201010442"),
		pkcs8Point: mustHex("a1818903818600"),
	},
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// curveOf returns the curve of an algorithm, or nil.
func curveOf(alg Alg) *curve {
	for i := range curves {
		if curves[i].alg == alg {
			return &curves[i]
		}
	}
	return nil
}

// parse reads the one DER form of a public key.
func (c *curve) parse(der []byte) (*ecdsa.PublicKey, error) {
	point, ok := bytes.CutPrefix(der, c.spki)
	if !ok {
		return nil, fmt.Errorf("%w: not a %s SubjectPublicKeyInfo in DER", ErrKey, c.alg)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: %s point: %v", ErrKey, c.alg, err)
	}
	return pub, nil
}

// scalarSize is the length in bytes of a private key.
func (c *curve) scalarSize() int { return (c.curve.Params().BitSize + 7) / 8 }

// private makes a key from its scalar.
func (c *curve) private(scalar []byte) (*PrivateKey, error) {
	ec, err := ecdsa.ParseRawPrivateKey(c.curve, scalar)
	if err != nil {
		return nil, fmt.Errorf("%w: %s scalar: %v", ErrKey, c.alg, err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %s point: %v", ErrKey, c.alg, err)
	}
	pub, err := ParsePublicKey(c.alg, slices.Concat(c.spki, point))
	return &PrivateKey{public: pub, ec: ec, curve: c, scalar: bytes.Clone(scalar)}, err
}

// marshal and unmarshal write and read PKCS #8 as OpenSSL and Go write it.
func (c *curve) marshal(p *PrivateKey) []byte {
	return slices.Concat(c.pkcs8, p.scalar, c.pkcs8Point, p.public.Bytes[len(c.spki):])
}

func (c *curve) unmarshal(der []byte) (*PrivateKey, error) {
	rest := der[len(c.pkcs8):]
	if len(rest) < c.scalarSize() {
		return nil, fmt.Errorf("%w: PKCS #8 %s key is cut short", ErrKey, c.alg)
	}
	p, err := c.private(rest[:c.scalarSize()])
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(der, c.marshal(p)) {
		return nil, fmt.Errorf("%w: PKCS #8 %s key whose public point is absent or another's", ErrKey, c.alg)
	}
	return p, nil
}

// sign makes the signature a function of key and message: the nonce is that of
// RFC 6979, and s the lower of its two values.
func (c *curve) sign(ec *ecdsa.PrivateKey, msg []byte) ([]byte, error) {
	sig, err := ec.Sign(nil, c.sum(msg), c.hash)
	if err != nil {
		return nil, err
	}
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &v); err != nil {
		return nil, err
	}
	order := c.curve.Params().N
	if half := new(big.Int).Rsh(order, 1); v.S.Cmp(half) <= 0 {
		return sig, nil
	}
	v.S.Sub(order, v.S)
	return asn1.Marshal(v)
}
