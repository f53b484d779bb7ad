package entry_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// key returns a key that is a function of alg and seed.
func key(t testing.TB, alg entry.Alg, seed byte) *entry.PrivateKey {
	t.Helper()
	k, err := entry.GenerateKey(alg, bytes.NewReader(bytes.Repeat([]byte{seed}, 66)))
	if err != nil {
		t.Fatalf("making a %s key: %v", alg, err)
	}
	return k
}

func sign(t testing.TB, body string, keys ...*entry.PrivateKey) *entry.Entry {
	t.Helper()
	e, err := entry.Sign(entry.TypeLedger, []byte(body), keys...)
	if err != nil {
		t.Fatalf("signing: %v", err)
	}
	return e
}

// The example of DSSE v1, protocol.md.
func TestPAE(t *testing.T) {
	got := entry.PAE("http://example.com/HelloWorld", []byte("hello world"))
	if want := "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; string(got) != want {
		t.Errorf("PAE = %q, want %q", got, want)
	}
}

func TestSignedEntryComesBack(t *testing.T) {
	a, b, c := key(t, entry.Ed25519, 1), key(t, entry.P256, 2), key(t, entry.Ed25519, 3)
	e := sign(t, "body", c, b, a)
	got, err := entry.Parse(e.Raw())
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if got.Type() != entry.TypeLedger || string(got.Body()) != "body" || len(got.Signatures()) != 3 || got.ID() != e.ID() {
		t.Errorf("parsed %q %q with %d signatures, want what was signed", got.Type(), got.Body(), len(got.Signatures()))
	}
	if err := got.Verify(); err != nil {
		t.Errorf("Verify: %v", err)
	}
	if again := sign(t, "body", a, c, b); !bytes.Equal(again.Raw(), e.Raw()) {
		t.Error("signing in another order gives another entry")
	}
	if !got.SignedBy(a.Public().ID()) || got.SignedBy(key(t, entry.P256, 9).Public().ID()) {
		t.Error("SignedBy does not tell signers from strangers")
	}
}

func TestSigningOnSeveralMachines(t *testing.T) {
	a, b := key(t, entry.Ed25519, 1), key(t, entry.P256, 2)
	draft := entry.Draft(entry.TypeLedger, []byte("body"))
	if _, err := entry.Parse(draft); !errors.Is(err, entry.ErrMalformed) {
		t.Fatalf("Parse of a draft = %v, want ErrMalformed", err)
	}
	one, err := entry.AddSignature(draft, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := entry.AddSignature(one.Raw(), a)
	if err != nil {
		t.Fatal(err)
	}
	same, err := entry.AddSignature(two.Raw(), a)
	if err != nil {
		t.Fatal(err)
	}
	if want := sign(t, "body", a, b); !bytes.Equal(two.Raw(), want.Raw()) || !bytes.Equal(same.Raw(), want.Raw()) {
		t.Error("signed one by one differs from signed at once")
	}
	if one.ID() == two.ID() || one.StatementID() != two.StatementID() {
		t.Error("a further signature must change the entry id and keep the statement id")
	}
}

// Every single flipped bit must be refused by Parse or by Verify.
func TestFlippedBits(t *testing.T) {
	raw := sign(t, "body", key(t, entry.Ed25519, 1), key(t, entry.P256, 2)).Raw()
	for i := range len(raw) * 8 {
		evil := bytes.Clone(raw)
		evil[i/8] ^= 1 << (i % 8)
		e, err := entry.Parse(evil)
		if err == nil {
			err = e.Verify()
		}
		if err == nil {
			t.Errorf("bit %d flipped: accepted", i)
		}
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	raw := sign(t, "body", key(t, entry.Ed25519, 1)).Raw()
	for n := range len(raw) {
		if _, err := entry.Parse(raw[:n]); err == nil {
			t.Errorf("accepted the first %d of %d bytes", n, len(raw))
		}
	}
	if _, err := entry.Parse(append(bytes.Clone(raw), 0)); !errors.Is(err, entry.ErrMalformed) {
		t.Errorf("one byte more: %v, want ErrMalformed", err)
	}
}

func TestSizes(t *testing.T) {
	k := key(t, entry.Ed25519, 1)
	for _, c := range []struct {
		story string
		typ   string
		size  int
		want  error
	}{
		{"a ledger entry just below the bound", entry.TypeLedger, entry.MaxEntrySize - 200, nil},
		{"a ledger entry above the bound", entry.TypeLedger, entry.MaxEntrySize, entry.ErrTooLarge},
		{"the largest foreign statement", entry.TypeStatement, entry.MaxForeignSize, nil},
		{"a statement one byte larger", entry.TypeStatement, entry.MaxForeignSize + 1, entry.ErrTooLarge},
		{"what no tile can hold", entry.TypeStatement, 1 << 16, entry.ErrTooLarge},
	} {
		if _, err := entry.Sign(c.typ, make([]byte, c.size), k); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.story, err, c.want)
		}
	}
}

// The points of small order are derived here from the curve itself: P is one
// if and only if 8P is the identity.
func TestSmallOrderKeysAreRefused(t *testing.T) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	d := new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), p))
	mod := func(v *big.Int) *big.Int { return v.Mod(v, p) }
	add := func(x1, y1, x2, y2 *big.Int) (x, y *big.Int) {
		xx, yy := new(big.Int).Mul(x1, x2), new(big.Int).Mul(y1, y2)
		k := mod(new(big.Int).Mul(new(big.Int).Mul(xx, yy), d))
		num := new(big.Int).Add(new(big.Int).Mul(x1, y2), new(big.Int).Mul(y1, x2))
		x = mod(num.Mul(num, new(big.Int).ModInverse(mod(new(big.Int).Add(big.NewInt(1), k)), p)))
		num = new(big.Int).Add(yy, xx)
		y = mod(num.Mul(num, new(big.Int).ModInverse(mod(new(big.Int).Sub(big.NewInt(1), k)), p)))
		return x, y
	}
	recover := func(y *big.Int) *big.Int {
		yy := new(big.Int).Mul(y, y)
		num := new(big.Int).Sub(yy, big.NewInt(1))
		den := new(big.Int).Add(new(big.Int).Mul(d, yy), big.NewInt(1))
		return new(big.Int).ModSqrt(mod(num.Mul(num, new(big.Int).ModInverse(mod(den), p))), p)
	}
	for _, le := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		b, _ := hex.DecodeString(le)
		rev := slices.Clone(b)
		slices.Reverse(rev)
		y := new(big.Int).SetBytes(rev)
		x := recover(y)
		if x == nil {
			t.Fatalf("%s is on no point", le)
		}
		sx, sy := x, y
		for range 3 {
			sx, sy = add(sx, sy, sx, sy)
		}
		if sx.Sign() != 0 || sy.Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%s: 8P is not the identity: the list is wrong", le)
		}
		for _, sign := range []byte{0, 0x80} {
			evil := slices.Clone(b)
			evil[31] |= sign
			if _, err := entry.ParsePublicKey(entry.Ed25519, evil); !errors.Is(err, entry.ErrKey) {
				t.Errorf("key %x: %v, want ErrKey", evil, err)
			}
		}
	}
}

func TestForeignKeys(t *testing.T) {
	notCanonical := bytes.Repeat([]byte{0xff}, 32)
	spki := key(t, entry.P256, 1).Public().Bytes
	offCurve := bytes.Clone(spki)
	offCurve[len(offCurve)-1] ^= 1
	for _, c := range []struct {
		story string
		alg   entry.Alg
		key   []byte
	}{
		{"ed25519 above p", entry.Ed25519, notCanonical},
		{"ed25519 too short", entry.Ed25519, notCanonical[:31]},
		{"P-256 point off the curve", entry.P256, offCurve},
		{"P-256 with a byte after it", entry.P256, append(bytes.Clone(spki), 0)},
		{"P-384 with a P-256 key", entry.P384, spki},
		{"secp256k1", entry.Secp256k1, spki},
		{"algorithm 0", 0, spki},
		{"algorithm 255", 255, spki},
	} {
		if _, err := entry.ParsePublicKey(c.alg, c.key); !errors.Is(err, entry.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", c.story, err)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	for _, alg := range []entry.Alg{entry.Ed25519, entry.P256, entry.P384, entry.P521} {
		k := key(t, alg, 7)
		back, err := entry.ParsePrivateKeyPEM(k.MarshalPEM())
		if err != nil {
			t.Fatalf("%s: reading a private key back: %v", alg, err)
		}
		pub, err := entry.ParsePublicKeyPEM(k.Public().MarshalPEM())
		if err != nil {
			t.Fatalf("%s: reading a public key back: %v", alg, err)
		}
		if back.Public().ID() != k.Public().ID() || pub.ID() != k.Public().ID() {
			t.Errorf("%s: another key came back", alg)
		}
		if _, err := entry.ParsePrivateKeyPEM(k.Public().MarshalPEM()); !errors.Is(err, entry.ErrKey) {
			t.Errorf("%s: a public key read as a private one: %v", alg, err)
		}
		if _, err := entry.ParsePublicKeyPEM(append(k.Public().MarshalPEM(), 'x')); !errors.Is(err, entry.ErrKey) {
			t.Errorf("%s: bytes after the block: %v, want ErrKey", alg, err)
		}
	}
}

// A foreign ECDSA signature may have the high s; ours never has.
func TestECDSASignaturesAreLowS(t *testing.T) {
	for i := range 30 {
		alg, curve := entry.P256, elliptic.P256()
		switch i % 3 {
		case 1:
			alg, curve = entry.P384, elliptic.P384()
		case 2:
			alg, curve = entry.P521, elliptic.P521()
		}
		k := key(t, alg, 2)
		msg := []byte{byte(i)}
		sig, err := k.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		var v struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(sig, &v); err != nil {
			t.Fatal(err)
		}
		n := curve.Params().N
		if v.S.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
			t.Errorf("message %d: high s", i)
		}
		v.S.Sub(n, v.S)
		high, _ := asn1.Marshal(v)
		for _, s := range [][]byte{sig, high} {
			if err := k.Public().Verify(msg, s); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
	}
}

// A vector is one entry and what a reader must say of it: "ok" or an error.
type vector struct {
	Story       string `json:"story"`
	Entry       string `json:"entry"` // hex
	Want        string `json:"want"`  // ok | malformed | too large | key | signature
	ID          string `json:"id,omitempty"`
	StatementID string `json:"statementId,omitempty"`
	KeyID       string `json:"keyId,omitempty"` // of the first signature
}

func verdict(raw []byte) (*entry.Entry, string) {
	e, err := entry.Parse(raw)
	if err == nil {
		err = e.Verify()
	}
	for _, c := range []struct {
		err  error
		word string
	}{{nil, "ok"}, {entry.ErrKey, "key"}, {entry.ErrTooLarge, "too large"}, {entry.ErrSignature, "signature"}, {entry.ErrMalformed, "malformed"}} {
		if errors.Is(err, c.err) {
			return e, c.word
		}
	}
	return e, err.Error()
}

func TestVectors(t *testing.T) {
	path := filepath.Join("..", "testdata", "vectors", "entry", "entries.json")
	if *update {
		writeVectors(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		raw, err := hex.DecodeString(v.Entry)
		if err != nil {
			t.Fatal(err)
		}
		e, got := verdict(raw)
		if got != v.Want {
			t.Errorf("%s: %s, want %s", v.Story, got, v.Want)
		}
		if got != "ok" {
			continue
		}
		id, sid := e.ID(), e.StatementID()
		if hex.EncodeToString(id[:]) != v.ID || hex.EncodeToString(sid[:]) != v.StatementID || e.Signatures()[0].Key.ID().String() != v.KeyID {
			t.Errorf("%s: ids %x %x %s, want %s %s %s", v.Story, id, sid, e.Signatures()[0].Key.ID(), v.ID, v.StatementID, v.KeyID)
		}
	}
}

func writeVectors(t *testing.T, path string) {
	ed, p256 := key(t, entry.Ed25519, 1), key(t, entry.P256, 2)
	one, two := sign(t, "body", ed).Raw(), sign(t, "body", ed, p256).Raw()
	pae := entry.PAE(entry.TypeLedger, []byte("body"))
	tail := one[len(pae)+1:] // one signature, without the count
	edit := func(raw []byte, at int, with ...byte) []byte {
		out := bytes.Clone(raw)
		copy(out[at:], with)
		return out
	}
	field := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	zeroKey := slices.Concat(pae, []byte{1, 1}, field(make([]byte, 32)), field(make([]byte, 64)))
	high := slices.Concat(pae, []byte{1, 1}, field(bytes.Repeat([]byte{0xff}, 32)), field(make([]byte, 64)))
	cases := []struct {
		story string
		raw   []byte
	}{
		{"one Ed25519 signature", one},
		{"Ed25519 and P-256", two},
		{"P-256 alone", sign(t, "body", p256).Raw()},
		{"P-384 alone", sign(t, "body", key(t, entry.P384, 4)).Raw()},
		{"P-521 alone", sign(t, "body", key(t, entry.P521, 5)).Raw()},
		{"empty body", sign(t, "", ed).Raw()},
		{"no signatures", append(bytes.Clone(pae), 0)},
		{"no signature list", pae},
		{"seventeen signatures", append(append(bytes.Clone(pae), 17), bytes.Repeat(tail, 17)...)},
		{"the same signature twice", slices.Concat(pae, []byte{2}, tail, tail)},
		{"signatures in descending order", slices.Concat(pae, []byte{2}, two[len(one):], tail)},
		{"a byte after the last signature", append(bytes.Clone(one), 0)},
		{"last byte missing", one[:len(one)-1]},
		{"another version of DSSE", edit(one, 5, '2')},
		{"leading zero in a length", bytes.Replace(one, []byte(" 4 body"), []byte(" 04 body"), 1)},
		{"two spaces", bytes.Replace(one, []byte(" 4 body"), []byte("  4 body"), 1)},
		{"a length beyond the end", bytes.Replace(one, []byte(" 4 body"), []byte(" 9999 body"), 1)},
		{"a body that was changed", bytes.Replace(one, []byte(" 4 body"), []byte(" 4 Body"), 1)},
		{"a type that was changed", bytes.Replace(one, []byte("hallmark.ledger"), []byte("hallmark.Ledger"), 1)},
		{"a signature that was changed", edit(one, len(one)-40, one[len(one)-40]^1)},
		{"Ed25519 S not below the order", edit(one, len(one)-1, one[len(one)-1]|0xf0)},
		{"Ed25519 key of small order, zero signature", zeroKey},
		{"Ed25519 key above p", high},
		{"an Ed25519 key under the number of P-384", edit(one, len(pae)+1, 3)},
		{"algorithm secp256k1, reserved", edit(one, len(pae)+1, 5)},
		{"algorithm 0", edit(one, len(pae)+1, 0)},
		{"a ledger entry of more than 16 KiB", append(append(entry.PAE(entry.TypeLedger, make([]byte, entry.MaxEntrySize)), 1), tail...)},
	}
	var out []vector
	for _, c := range cases {
		e, word := verdict(c.raw)
		v := vector{Story: c.story, Entry: hex.EncodeToString(c.raw), Want: word}
		if word == "ok" {
			id, sid := e.ID(), e.StatementID()
			v.ID, v.StatementID, v.KeyID = hex.EncodeToString(id[:]), hex.EncodeToString(sid[:]), e.Signatures()[0].Key.ID().String()
		}
		out = append(out, v)
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whatever Parse accepts encodes back to the same bytes, and never panics.
func FuzzParse(f *testing.F) {
	ed := key(f, entry.Ed25519, 1)
	f.Add(sign(f, "body", ed).Raw())
	f.Add(sign(f, "", ed, key(f, entry.P256, 2)).Raw())
	f.Add([]byte("DSSEv1 0  0 \x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := entry.Parse(raw)
		if err != nil {
			return
		}
		_ = e.Verify()
		again := append(entry.PAE(e.Type(), e.Body()), byte(len(e.Signatures())))
		for _, s := range e.Signatures() {
			again = append(again, byte(s.Key.Alg))
			again = append(binary.BigEndian.AppendUint16(again, uint16(len(s.Key.Bytes))), s.Key.Bytes...)
			again = append(binary.BigEndian.AppendUint16(again, uint16(len(s.Sig))), s.Sig...)
		}
		if !bytes.Equal(again, raw) {
			t.Errorf("two encodings of one entry:\n%x\n%x", raw, again)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	raw := sign(b, string(make([]byte, 300)), key(b, entry.Ed25519, 1)).Raw()
	for b.Loop() {
		e, err := entry.Parse(raw)
		if err != nil || e.Verify() != nil {
			b.Fatal("does not verify")
		}
	}
}

// The keys that Go's own encoder writes are read, and written the same.
func TestKeyFilesAreThoseOfX509(t *testing.T) {
	for _, alg := range []entry.Alg{entry.Ed25519, entry.P256, entry.P384, entry.P521} {
		k := key(t, alg, 9)
		block, _ := pem.Decode(k.MarshalPEM())
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatalf("%s: x509 refuses our private key: %v", alg, err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(parsed)
		if err != nil || !bytes.Equal(der, block.Bytes) {
			t.Errorf("%s: x509 writes PKCS #8 %x, %v; we %x", alg, der, err, block.Bytes)
		}
		block, _ = pem.Decode(k.Public().MarshalPEM())
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatalf("%s: x509 refuses our public key: %v", alg, err)
		}
		if der, err = x509.MarshalPKIXPublicKey(pub); err != nil || !bytes.Equal(der, block.Bytes) {
			t.Errorf("%s: x509 writes SPKI %x, %v; we %x", alg, der, err, block.Bytes)
		}
	}
}
