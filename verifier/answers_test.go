package verifier_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// TestBadCosignatureIsNotTheLogs: the log signed, and the report goes on with that.
func TestBadCosignatureIsNotTheLogs(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(3)
	spoil(b.Proof, "w3.example ")
	r := w.verify(b, w.trust(), nil)
	for name, want := range map[string]verifier.Result{"checkpoint": verifier.OK, "cosigners": verifier.Failed, "inclusion": verifier.OK} {
		if c := r.Check(name); c.Result != want {
			t.Errorf("%s is %s, want %s:\n%s", name, c.Result, want, r.Text())
		}
	}
	if !r.Facts.Time.IsZero() {
		t.Errorf("got time %v from cosigners of whom one is wrong, want none", r.Facts.Time)
	}
}

func TestCosigners(t *testing.T) {
	const auditors = "group auditors 1 w3\n"
	for _, c := range []struct {
		story, groups string
		signed        int
		result        verifier.Result
		text          string
	}{
		{"nobody is asked", "quorum none\n", 0, verifier.NotAsked, "none required by the policy: witnesses 0 of 3, operator-asserted, time unknown"},
		{"nobody is asked, all are there", auditors + "quorum none\n", 3, verifier.NotAsked, "none required by the policy: witnesses 2 of 2, auditors 1 of 1, time unknown"},
		{"no auditor among them", auditors + "group witnesses 2 w1 w2\nquorum witnesses\n", 2, verifier.OK,
			"witnesses 2 of 2, auditors 0 of 1, operator-asserted, time 2026-11-21T09:14:07Z"},
		{"an auditor too", auditors + "group witnesses 2 w1 w2\nquorum witnesses\n", 3, verifier.OK, "witnesses 2 of 2, auditors 1 of 1, time 2026-11-21T09:14:07Z"},
	} {
		w := newWorld(t)
		trust := w.trust()
		text, _, _ := strings.Cut(trust.Policy.String(), "group ")
		trust.Policy = must(checkpoint.ParsePolicy([]byte(text + c.groups)))
		r := w.verify(w.bundle(c.signed), trust, nil)
		if got := r.Check("cosigners"); !r.Verified() || got.Result != c.result || got.Message != c.text {
			t.Errorf("%s: %s %q, want %s %q", c.story, got.Result, got.Message, c.result, c.text)
		}
	}
}

// TestRelatedEntriesAreVerifiedOnce: a bundle of the most related entries, each
// with the most signatures, and each under the same checkpoint.
func TestRelatedEntriesAreVerifiedOnce(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(3)
	for range 1024 {
		b.Related = append(b.Related, bundle.Proven{Entry: b.Entry, Proof: b.Proof})
	}
	if r := w.verify(b, w.trust(), nil); !r.Verified() || r.Check("related").Result != verifier.OK {
		t.Errorf("not verified:\n%s", r.Text())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := verifier.Verify(ctx, must(b.Marshal()), w.trust(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got report %v and error %v, want %v", r, err, context.Canceled)
	}
}

func TestNoRelatedEntriesAreNoAnswer(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(3)
	b.Related = []bundle.Proven{}
	if c := w.verify(b, w.trust(), nil).Check("related"); c != nil {
		t.Errorf("got %+v, want no check", c)
	}
}
