package verifier_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
)

// Whatever bytes come in, Verify answers; and nothing verifies but the bundle
// that was made, in whatever layout.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	text, err := w.bundle(3).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	trust := w.trust()
	want := must(bundle.Parse(text))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := verifier.Verify(context.Background(), text, trust, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Verified() {
			return
		}
		if b := must(bundle.Parse(text)); !bytes.Equal(b.Entry, want.Entry) {
			t.Errorf("verified an entry that nobody logged: %q", b.Entry)
		}
	})
}

func BenchmarkVerifyBundle(b *testing.B) {
	w := newWorld(b)
	bun := w.bundle(2)
	bun.Manifest = nil
	text, err := bun.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	trust := w.trust()
	for b.Loop() {
		r, err := verifier.Verify(context.Background(), text, trust, nil)
		if err != nil || !r.Verified() {
			b.Fatal(err, r.Text())
		}
	}
}
