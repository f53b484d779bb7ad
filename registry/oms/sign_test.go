package oms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

func TestSignsWhatItVerifies(t *testing.T) {
	files := map[string]string{"a.bin": "1", "d/b": strings.Repeat("2", 100), "d.txt": "3", "empty": "", ".git/HEAD": "x", "logs/1": "y", "say \"é\"": "4"}
	for _, c := range []struct {
		story string
		q     oms.Request
		files int
	}{
		{"P-256", oms.Request{Key: newKey(entry.P256, 3)}, 5},
		{"P-384", oms.Request{Key: newKey(entry.P384, 3)}, 5},
		{"P-521", oms.Request{Key: newKey(entry.P521, 3)}, 5},
		{"a name of its own", oms.Request{Key: signer, Name: "tiny"}, 5},
		{"by BLAKE2b", oms.Request{Key: signer, Hash: "blake2b"}, 5},
		{"by BLAKE3", oms.Request{Key: signer, Hash: "blake3"}, 5},
		{"shards", oms.Request{Key: signer, ShardSize: 7}, 4},
		{"shards by BLAKE2b", oms.Request{Key: signer, Hash: "blake2b", ShardSize: 7}, 4},
		{"shards of the size of a file", oms.Request{Key: signer, ShardSize: 50}, 4},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := write(t, files)
			f := openFolder(t, dir)
			c.q.Ignore = []string{"logs", "model.sig"}
			var done, total uint64
			c.q.Progress = func(d, of uint64) { done, total = d, of }
			text, m, err := oms.Sign(t.Context(), f, c.q)
			if err != nil {
				t.Fatal(err)
			}
			if done != total || done < 103 {
				t.Errorf("progress ended at %d of %d", done, total)
			}
			if want := c.q.Name; m.Name != want && (want != "" || m.Name != "model") {
				t.Errorf("name %q, want %q", m.Name, want)
			}
			if root, n, err := oms.Digest(t.Context(), f, c.q); err != nil || root != m.Root || n != len(m.Resources) {
				t.Errorf("digest %x over %d, %v; want what was signed, %x over %d", root, n, err, m.Root, len(m.Resources))
			}
			again, _, err := oms.Sign(t.Context(), f, c.q)
			if err != nil || !bytes.Equal(text, again) {
				t.Errorf("signed again: %v, other bytes %t", err, !bytes.Equal(text, again))
			}
			if err := os.WriteFile(filepath.Join(dir, "model.sig"), text, 0o644); err != nil {
				t.Fatal(err)
			}
			r, err := verify(t.Context(), string(text), byKey(c.q.Key), f, oms.Options{})
			if err != nil || r.Files != c.files || r.Manifest.Root != m.Root {
				t.Fatalf("%d files hold, %v; want %d", r.Files, err, c.files)
			}
			if err := os.WriteFile(filepath.Join(dir, "d/b"), []byte(strings.Repeat("2", 99)+"3"), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err = verify(t.Context(), string(text), byKey(c.q.Key), f, oms.Options{})
			wantFault(t, err, oms.ErrFiles)
		})
	}
}

// The bytes of a bundle are what others have hashed, logged and compared.
func TestSignsTheSameBytesForever(t *testing.T) {
	f := openFolder(t, write(t, map[string]string{"a": "1", "b/c": "2"}))
	text, _, err := oms.Sign(t.Context(), f, oms.Request{Key: signer})
	if err != nil {
		t.Fatal(err)
	}
	b, err := oms.ParseBundle(text)
	if err != nil {
		t.Fatal(err)
	}
	const payload = `{"_type":"https://in-toto.io/Statement/v1","predicate":{"resources":[` +
		`{"algorithm":"sha256","digest":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b","name":"a"},` +
		`{"algorithm":"sha256","digest":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35","name":"b/c"}],` +
		`"serialization":{"allow_symlinks":false,"hash_type":"sha256","ignore_paths":[".git",".gitattributes",".github",".gitignore"],"method":"files"}},` +
		`"predicateType":"https://model_signing/signature/v1.0",` +
		`"subject":[{"digest":{"sha256":"4295f72eeb1e3507b8461e240e3b8d18c1e7bd2f1122b11fc9ec40a65894031a"},"name":"model"}]}`
	if string(b.Payload) != payload {
		t.Errorf("payload\n%s, want\n%s", b.Payload, payload)
	}
	if got, want := sha256Of(string(text)), "7c222af3659043dd15e48f2e5c4c59b39d09768a85f3c69d316c7d3f669438bb"; got != want {
		t.Errorf("the bundle hashes to %s, want %s:\n%s", got, want, text)
	}
}

func TestRefusesToSign(t *testing.T) {
	good := map[string]string{"a": "1"}
	other := []*x509.Certificate{issue(t, nil, &newAuthority(t).template, newKey(entry.P256, 9).Public())}
	for _, c := range []struct {
		story string
		files map[string]string
		q     oms.Request
		want  oms.Fault
	}{
		{"with an Ed25519 key", good, oms.Request{Key: newKey(entry.Ed25519, 1)}, oms.ErrKey},
		{"with another key's certificate", good, oms.Request{Key: signer, Chain: other}, oms.ErrKey},
		{"nothing", nil, oms.Request{Key: signer}, oms.ErrNoFiles},
		{"what is all ignored", good, oms.Request{Key: signer, Ignore: []string{"a"}}, oms.ErrNoFiles},
		{"empty files by shards", map[string]string{"a": ""}, oms.Request{Key: signer, ShardSize: 1}, oms.ErrNoFiles},
		{"by an unknown hash", good, oms.Request{Key: signer, Hash: "md5"}, oms.ErrSerialization},
		{"shards by BLAKE3", good, oms.Request{Key: signer, Hash: "blake3", ShardSize: 1}, oms.ErrUnsupported},
		{"a link", map[string]string{"a": "1", "l": "->a"}, oms.Request{Key: signer}, oms.ErrLink},
		{"a link out of the folder", map[string]string{"l": "->../x"}, oms.Request{Key: signer, FollowLinks: true}, oms.ErrLink},
		{"a name that other systems read as a path", map[string]string{`a\b`: "1"}, oms.Request{Key: signer}, oms.ErrResourceName},
		{"an ignored path that climbs", good, oms.Request{Key: signer, Ignore: []string{"../x"}}, oms.ErrSerialization},
		{"an ignored pattern", good, oms.Request{Key: signer, Ignore: []string{"*.log"}}, oms.ErrSerialization},
		{"a name that is no text", good, oms.Request{Key: signer, Name: "\xff"}, oms.ErrSubject},
	} {
		t.Run(c.story, func(t *testing.T) {
			_, _, err := oms.Sign(t.Context(), openFolder(t, write(t, c.files)), c.q)
			wantFault(t, err, c.want)
			if c.q.Name == "" && c.want != oms.ErrKey { // no key and no name goes into a digest
				_, _, err := oms.Digest(t.Context(), openFolder(t, write(t, c.files)), c.q)
				wantFault(t, err, c.want)
			}
		})
	}
}

func TestSignsLinks(t *testing.T) {
	f := openFolder(t, write(t, map[string]string{"a": "1", "l": "->a"}))
	text, m, err := oms.Sign(t.Context(), f, oms.Request{Key: signer, FollowLinks: true})
	if err != nil || len(m.Resources) != 2 {
		t.Fatalf("%v, %v; want two resources", m, err)
	}
	if _, err := verify(t.Context(), string(text), byKey(signer), f, oms.Options{}); err != nil {
		t.Error(err)
	}
}

// An authority issues certificates in tests.
type authority struct {
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	template x509.Certificate // of the certificates that it issues
}

var (
	yearOne = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	yearTwo = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: yearOne.AddDate(-1, 0, 0), NotAfter: yearOne.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &authority{must(x509.ParseCertificate(der)), key, x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "signer"}, NotBefore: yearOne, NotAfter: yearTwo,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}}
}

// issue makes a certificate; without an authority, one of its own.
func issue(t testing.TB, a *authority, template *x509.Certificate, key entry.PublicKey) *x509.Certificate {
	t.Helper()
	if a == nil {
		a = newAuthority(t)
	}
	block, _ := pem.Decode(key.MarshalPEM())
	public := must(x509.ParsePKIXPublicKey(block.Bytes))
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key))))
}

func TestCertificates(t *testing.T) {
	a := newAuthority(t)
	changed := func(change func(*x509.Certificate)) *x509.Certificate {
		c := a.template
		change(&c)
		return issue(t, a, &c, signer.Public())
	}
	plain := changed(func(*x509.Certificate) {})
	during, after, before := yearOne.AddDate(0, 6, 0), yearTwo.AddDate(0, 0, 1), yearOne.AddDate(0, 0, -1)
	for _, c := range []struct {
		story   string
		leaf    *x509.Certificate
		anchors []*x509.Certificate
		logTime time.Time
		want    oms.Fault
		warns   bool
	}{
		{story: "at a time that nobody knows", leaf: plain, anchors: []*x509.Certificate{a.cert}, warns: true},
		{story: "logged while it was valid", leaf: plain, anchors: []*x509.Certificate{a.cert}, logTime: during},
		{story: "logged after it ran out", leaf: plain, anchors: []*x509.Certificate{a.cert}, logTime: after, want: oms.ErrExpired},
		{story: "logged before it began", leaf: plain, anchors: []*x509.Certificate{a.cert}, logTime: before, want: oms.ErrExpired},
		{story: "of another authority", leaf: plain, anchors: []*x509.Certificate{newAuthority(t).cert}, logTime: during, want: oms.ErrUntrusted},
		{story: "of nobody who is trusted", leaf: plain, want: oms.ErrUntrusted},
		{story: "trusted by itself", leaf: plain, anchors: []*x509.Certificate{plain}, want: oms.ErrUntrusted},
		{story: "for no use in particular", leaf: changed(func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil }),
			anchors: []*x509.Certificate{a.cert}, logTime: during, want: oms.ErrUsage},
		{story: "for web sites", leaf: changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
			anchors: []*x509.Certificate{a.cert}, logTime: during, want: oms.ErrUsage},
		{story: "for agreeing on keys", leaf: changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }),
			anchors: []*x509.Certificate{a.cert}, logTime: during, want: oms.ErrUsage},
		{story: "for signatures, by one usage alone", leaf: changed(func(c *x509.Certificate) { c.ExtKeyUsage = nil }),
			anchors: []*x509.Certificate{a.cert}, logTime: during},
		{story: "for code, by one usage alone", leaf: changed(func(c *x509.Certificate) { c.KeyUsage = 0 }),
			anchors: []*x509.Certificate{a.cert}, logTime: during},
	} {
		t.Run(c.story, func(t *testing.T) {
			f := openFolder(t, write(t, map[string]string{"a": "1"}))
			text, _, err := oms.Sign(t.Context(), f, oms.Request{Key: signer, Chain: []*x509.Certificate{c.leaf}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := verify(t.Context(), string(text), oms.Trust{Method: oms.MethodCertificate, Anchors: c.anchors, LogTime: c.logTime}, f, oms.Options{})
			wantFault(t, err, c.want)
			if c.want != "" {
				return
			}
			if c.warns != (len(r.Warnings) == 1) {
				t.Errorf("warnings %q; want one: %t", r.Warnings, c.warns)
			}
			if r.Signer.Key.ID() != signer.Public().ID() {
				t.Errorf("signed by %s, want %s", r.Signer.Key.ID(), signer.Public().ID())
			}
		})
	}
}

func TestSelfSignedCertificate(t *testing.T) {
	block, _ := pem.Decode(signer.MarshalPEM())
	private := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*ecdsa.PrivateKey)
	template := newAuthority(t).template
	own := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private))))
	f := openFolder(t, write(t, map[string]string{"a": "1"}))
	text, _, err := oms.Sign(t.Context(), f, oms.Request{Key: signer, Chain: []*x509.Certificate{own}})
	if err != nil {
		t.Fatal(err)
	}
	trust := oms.Trust{Method: oms.MethodCertificate, Anchors: []*x509.Certificate{own}}
	if _, err := verify(t.Context(), string(text), trust, f, oms.Options{}); err != nil {
		t.Errorf("trusted as it is: %v", err)
	}
	trust.Anchors[0] = newAuthority(t).cert
	_, err = verify(t.Context(), string(text), trust, f, oms.Options{})
	wantFault(t, err, oms.ErrUntrusted)
}

func TestEntryKeepsEveryByte(t *testing.T) {
	f := openFolder(t, write(t, map[string]string{"a": "1"}))
	leaf := issue(t, nil, &newAuthority(t).template, signer.Public())
	for story, chain := range map[string][]*x509.Certificate{"key": nil, "certificate": {leaf}} {
		text, _, err := oms.Sign(t.Context(), f, oms.Request{Key: signer, Chain: chain})
		if err != nil {
			t.Fatal(err)
		}
		b := must(oms.ParseBundle(text))
		key, ok, err := b.SignerKey()
		if err != nil || ok != (chain != nil) {
			t.Errorf("%s: the bundle has a key: %t, %v", story, ok, err)
		}
		if !ok {
			key = signer.Public()
		}
		e, err := b.Entry(key)
		if err != nil {
			t.Fatalf("%s: %v", story, err)
		}
		if err := e.Verify(); err != nil {
			t.Errorf("%s: %v", story, err)
		}
		sigs := e.Signatures()
		if e.Type() != b.PayloadType || !bytes.Equal(e.Body(), b.Payload) || len(sigs) != 1 || !bytes.Equal(sigs[0].Sig, b.Signature) {
			t.Errorf("%s: the entry is not the bundle's payload under its signature", story)
		}
		if _, err := b.Entry(newKey(entry.P256, 7).Public()); err == nil {
			t.Errorf("%s: an entry under a key that did not sign", story)
		}
	}
}

func TestEntryIsBounded(t *testing.T) {
	payload := statement(filesSHA256, resource{strings.Repeat("n", 3000), "sha256", sha256Of("1")})
	many := make([]resource, 0, 600)
	for i := range 600 {
		many = append(many, resource{itoa(1000 + i), "sha256", sha256Of("1")})
	}
	for _, c := range []struct {
		payload string
		want    error
	}{{payload, nil}, {statement(filesSHA256, many...), entry.ErrTooLarge}} {
		b := must(oms.ParseBundle([]byte(signStatement(c.payload))))
		if _, err := b.Entry(signer.Public()); !errors.Is(err, c.want) {
			t.Errorf("a payload of %d bytes: got %v, want %v", len(c.payload), err, c.want)
		}
	}
}
