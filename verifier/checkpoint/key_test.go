package checkpoint_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// The example of C2SP signed-note.
const (
	specKey  = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
	specNote = "This is an example message.\n\n" +
		"— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

func TestKeySpecExample(t *testing.T) {
	k, err := checkpoint.ParseKey(specKey)
	if err != nil {
		t.Fatal(err)
	}
	if k.Name() != "example.com/foo" || k.KeyHash() != 0x530d903a || k.Alg() != checkpoint.AlgEd25519 || k.String() != specKey {
		t.Errorf("got key %v: name %q, id %08x, type %v", k, k.Name(), k.KeyHash(), k.Alg())
	}
	// x/mod reads the note, our key verifies it.
	if _, err := note.Open([]byte(specNote), note.VerifierList(k)); err != nil {
		t.Errorf("note.Open: %v", err)
	}
	forged := strings.Replace(specNote, "example message", "exemplar message", 1)
	if _, err := note.Open([]byte(forged), note.VerifierList(k)); err == nil {
		t.Error("note.Open accepts a changed text")
	}
	// The note is no checkpoint.
	if _, err := checkpoint.Parse([]byte(specNote)); err == nil {
		t.Error("Parse accepts a note that is no checkpoint")
	}
}

func TestKeyRoundTrip(t *testing.T) {
	for _, s := range []*checkpoint.Signer{logKey, w1, w3} {
		k, err := checkpoint.ParseKey(s.Key().String())
		if err != nil {
			t.Errorf("%v: %v", s.Key().Alg(), err)
			continue
		}
		if k.String() != s.Key().String() || !bytes.Equal(k.Bytes(), s.Key().Bytes()) {
			t.Errorf("%v: key changes from %v to %v", k.Alg(), s.Key(), k)
		}
	}
}

// vkey writes a key whatever it is, with the id that belongs to it.
func vkey(name string, typ byte, pub []byte) string {
	raw := append([]byte{typ}, pub...)
	id := sha256.Sum256(append([]byte(name+"\n"), raw...))
	return fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(raw))
}

func TestParseKeyRefuses(t *testing.T) {
	pub := logKey.Key().Bytes()
	one := make([]byte, 32)
	one[0] = 1
	signed := bytes.Clone(one)
	signed[31] = 0x80
	// y = 2^255-19+3 is y = 3 again.
	high := append(append([]byte{0xf0}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)
	for _, tt := range []struct{ name, vkey, want string }{
		{"nothing", "", "not of the form"},
		{"a name alone", "example.com/foo", "not of the form"},
		{"a short hash", "example.com/foo+530d90+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "8 hex digits"},
		{"an upper-case hash", strings.Replace(specKey, "530d903a", "530D903A", 1), "not canonical"},
		{"another key's hash", strings.Replace(specKey, "530d903a", "530d903b", 1), "key id 530d903b, want 530d903a"},
		{"a mistyped key", strings.Replace(specKey, "AekyeR", "AekyeS", 1), "key id"},
		{"a newline in the base64", strings.Replace(specKey, "AekyeR", "Aeky\neR", 1), "not canonical"},
		{"no key", "example.com/foo+530d903a+", "canonical base64"},
		{"stray bits", vkeyStrayBits(), "canonical base64"},
		{"a type for ECDSA", vkey("k", 2, pub), "signature type unknown (0x02)"},
		{"a key one byte short", vkey("k", 1, pub[:31]), "31 bytes, want 32"},
		{"a key one byte long", vkey("k", 4, append(pub, 0)), "33 bytes, want 32"},
		{"an ML-DSA key of Ed25519's length", vkey("k", 6, pub), "32 bytes, want 1312"},
		{"the neutral point", vkey("k", 1, one), "small order"},
		{"the neutral point with a sign", vkey("k", 4, signed), "small order"},
		{"a coordinate above the prime", vkey("k", 1, high), "not canonically encoded"},
		{"an empty name", vkey("", 1, pub), "key name is empty"},
		{"a space in the name", vkey("a b", 1, pub), "a space or a plus"},
		{"a name that is not UTF-8", vkey("a\xff", 1, pub), "not UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := checkpoint.ParseKey(tt.vkey)
			if err == nil {
				t.Fatalf("accepted as %v", k)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q, want %q in it", err, tt.want)
			}
		})
	}
}

// vkeyStrayBits is a good key but for a bit behind the last byte.
func vkeyStrayBits() string {
	raw := append([]byte{6}, w3.Key().Bytes()...)
	s := base64.StdEncoding.EncodeToString(raw)
	trimmed := strings.TrimRight(s, "=")
	last := trimmed[len(trimmed)-1] + 1 // the low bits of the last character are spare
	s = trimmed[:len(trimmed)-1] + string(last) + s[len(trimmed):]
	return fmt.Sprintf("%s+%08x+%s", w3.Name(), w3.KeyHash(), s)
}

func TestSmallOrderKeysAreThoseOfTheCurve(t *testing.T) {
	// The eight points of small order in all their encodings, as published with
	// the Ed25519 speccheck cases (Chalkias, Garillot, Nikolaenko 2020).
	for _, hex := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		var pub []byte
		if _, err := fmt.Sscanf(hex, "%x", &pub); err != nil {
			t.Fatal(err)
		}
		if k, err := checkpoint.NewKey("k", checkpoint.AlgEd25519, pub); err == nil {
			t.Errorf("key %s accepted as %v", hex, k)
		}
	}
}
