package checkpoint_test

import (
	"bytes"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// What is accepted formats back to the same bytes, and x/mod reads it too.
func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(sofa))
	for _, c := range noteCases() {
		f.Add(c.note)
	}
	policy := mustPolicy(f, policyText())
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := checkpoint.Parse(data)
		if _, verr := policy.Verify(data); verr == nil && err != nil {
			t.Fatalf("Verify accepts what Parse refuses: %v", err)
		}
		if err != nil {
			errorCode(t, err)
			return
		}
		if got := n.Format(); !bytes.Equal(got, data) {
			t.Fatalf("formats to\n%q\nfrom\n%q", got, data)
		}
		text, err := checkpoint.ParseText(n.Text())
		if err != nil || text != n.Checkpoint {
			t.Fatalf("text reads as %+v (%v), note as %+v", text, err, n.Checkpoint)
		}
		// x/mod knows no key here, so the best it can say is that none verified.
		_, err = note.Open(data, note.VerifierList())
		if _, ok := err.(*note.UnverifiedNoteError); !ok {
			t.Fatalf("x/mod: %v", err)
		}
	})
}

// What is accepted has a canonical form that means the same.
func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(policyText()))
	for _, c := range policyCases() {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := checkpoint.ParsePolicy(data)
		if err != nil {
			errorCode(t, err)
			return
		}
		again, err := checkpoint.ParsePolicy([]byte(p.String()))
		if err != nil {
			t.Fatalf("%v, in canonical form\n%s\nof\n%s", err, p, data)
		}
		if again.String() != p.String() {
			t.Fatalf("canonical form is\n%s\nand then\n%s", p, again)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	for n := range 4 {
		p, _ := signedTree(n, n+1)
		f.Add(p.Format())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := checkpoint.ParseProof(data)
		if err != nil {
			errorCode(t, err)
			return
		}
		if got := p.Format(); !bytes.Equal(got, data) {
			t.Fatalf("formats to\n%q\nfrom\n%q", got, data)
		}
	})
}

// Keys, public and private, have one encoding.
func FuzzParseKey(f *testing.F) {
	f.Add(specKey)
	f.Add(w1.Key().String())
	f.Add(w3.Key().String())
	f.Add(logKey.Private())
	f.Add(w3.Private())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := checkpoint.ParseKey(text); err == nil && k.String() != text {
			t.Fatalf("key %q formats to %q", text, k)
		}
		if s, err := checkpoint.ParseSigner(text); err == nil && s.Private() != text {
			t.Fatalf("private key %q formats to %q", text, s.Private())
		}
	})
}
