package verifier_test

import (
	"testing"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A saidStatus is a status that some log holds, about the world's model.
type saidStatus struct {
	state    statement.State
	byOthers bool
	ofID     bool // the statement, not the model
	ofOther  bool // another model
}

// relate logs the statuses after the model's entry and puts them into a bundle.
func (w *world) relate(said ...saidStatus) *bundle.Bundle {
	w.t.Helper()
	model := must(entry.Parse(w.leaves[w.at]))
	at := w.at
	for _, s := range said {
		subject := must(statement.Parse(model.Body())).Subjects[0]
		switch {
		case s.ofID:
			subject = statement.Subject{Alg: statement.AlgStatement, Digest: model.StatementID()}
		case s.ofOther:
			subject.Digest[0] ^= 1
		}
		k := w.publisher
		if s.byOthers {
			k = key(w.t, "somebody")
		}
		body := must(statement.NewStatus(subject, &statement.Status{State: s.state, Reason: "security"}).Marshal())
		at++
		w.leaves[at] = must(entry.Sign(entry.TypeStatement, body, k)).Raw()
	}
	b := w.bundle(3)
	b.Related = []bundle.Proven{}
	for i := w.at + 1; i <= at; i++ {
		b.Related = append(b.Related, bundle.Proven{Entry: w.leaves[i], Proof: w.proof(i, 3)})
	}
	return b
}

func TestStatus(t *testing.T) {
	const revoked, withdrawn, deprecated = statement.StateRevoked, statement.StateConsentWithdrawn, statement.StateDeprecated
	for _, tt := range []struct {
		story  string
		said   []saidStatus
		result verifier.Result
		text   string
	}{
		{"nothing said", nil, verifier.NotAsked, "no status statement in the bundle: revocations are not checked"},
		{"its publisher revoked the model", []saidStatus{{state: revoked}}, verifier.Failed, "revoked, for the reason security, as entry 9 says"},
		{"its publisher revoked the statement", []saidStatus{{state: revoked, ofID: true}}, verifier.Failed, "revoked, for the reason security, as entry 9 says"},
		{"consent was withdrawn", []saidStatus{{state: withdrawn}}, verifier.Failed, "consent-withdrawn, for the reason security, as entry 9 says"},
		{"a later deprecation undoes nothing", []saidStatus{{state: withdrawn}, {state: revoked}, {state: deprecated}}, verifier.Failed,
			"revoked, for the reason security, as entry 10 says"},
		{"deprecated", []saidStatus{{state: statement.StateSuperseded}, {state: deprecated}}, verifier.NotAsked,
			"deprecated, for the reason security, as entry 10 says; later revocations are not checked"},
		{"a stranger revoked it", []saidStatus{{state: revoked, byOthers: true}}, verifier.NotAsked,
			"no status statement by its signers in the bundle; 1 by others, which decide nothing: revocations are not checked"},
		{"a stranger revoked, its publisher deprecated", []saidStatus{{state: revoked, byOthers: true}, {state: deprecated}}, verifier.NotAsked,
			"deprecated, for the reason security, as entry 10 says; 1 by others, which decide nothing; later revocations are not checked"},
		{"another model was revoked", []saidStatus{{state: revoked, ofOther: true}}, verifier.NotAsked, "no status statement in the bundle: revocations are not checked"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			w := newWorld(t)
			r := w.verify(w.relate(tt.said...), w.trust(), nil)
			got := r.Check("status")
			if got.Result != tt.result || got.Message != tt.text {
				t.Errorf("%s: %q, want %s: %q", got.Result, got.Message, tt.result, tt.text)
			}
			if d := r.Decisive(); tt.result == verifier.Failed && (d == nil || d.Reason != "REVOKED" || d.Class != verifier.ClassPolicy) {
				t.Errorf("decided by %+v, want REVOKED, class 4", d)
			}
			if tt.result != verifier.Failed && !r.Verified() {
				t.Errorf("not verified:\n%s", r.Text())
			}
		})
	}
}

// A status whose proof does not hold was never logged, as far as anybody knows.
func TestUnprovenStatus(t *testing.T) {
	w := newWorld(t)
	b := w.relate(saidStatus{state: statement.StateDeprecated})
	b.Related[0].Proof = w.proof(w.at, 3)
	r := w.verify(b, w.trust(), nil)
	if d := r.Decisive(); d == nil || d.Reason != "RELATED_INVALID" || r.Check("status").Result != verifier.Skipped {
		t.Errorf("decided by %+v, want RELATED_INVALID:\n%s", d, r.Text())
	}
}
