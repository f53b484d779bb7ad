package registry_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// status returns a signed status about a model.
func (s *site) status(name, content string, state statement.State, signers ...string) []byte {
	s.t.Helper()
	target := statement.Subject{Name: name, Alg: statement.AlgModel, Digest: modelDigest(content)}
	return s.sign(statement.NewStatus(target, &statement.Status{State: state, Reason: "test"}), signers...)
}

// namespace returns a signed claim, or the rotation after prev.
func (s *site) namespace(name string, prev []byte, holders []string, signers ...string) []byte {
	s.t.Helper()
	n := &statement.Namespace{Threshold: uint64(len(holders))}
	for _, h := range holders {
		n.Keys = append(n.Keys, key(s.t, h).Public())
	}
	if prev != nil {
		e, err := entry.Parse(prev)
		if err != nil {
			s.t.Fatal(err)
		}
		n.Sequence, n.Previous = 1, e.StatementID()
	}
	st := statement.NewNamespace(name, n)
	st.Sort()
	return s.sign(st, signers...)
}

func (s *site) get(ref string) *registry.EntryView {
	s.t.Helper()
	v, err := s.Entry(context.Background(), ref)
	if err != nil {
		s.t.Fatalf("entry %s: %v", ref, err)
	}
	return v
}

func (s *site) verify(ref string, signer string) *verifier.Report {
	s.t.Helper()
	text, err := s.Bundle(context.Background(), ref, registry.BundleOptions{Status: true})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := verifier.Verify(context.Background(), text, verifier.Trust{Policy: s.policy, Publishers: []entry.KeyID{key(s.t, signer).Public().ID()}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestStatusIsShownEverywhere(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{}))
	s.publish(s.model("acme/ft@1.0.0", "ft", statement.Model{Bases: []statement.Base{{Digest: modelDigest("base"), Relation: statement.RelationFinetune}}}))
	s.publish(s.model("copy/base@1.0.0", "base", statement.Model{}, "mallory"))
	if v := s.get("acme/base@1.0.0"); !v.Standing.Empty() {
		t.Errorf("before anything was said: %+v", v.Standing)
	}
	if r := s.verify("acme/base@1.0.0", "publisher"); !r.Verified() || r.Check("status").Result != verifier.NotAsked {
		t.Errorf("before anything was said:\n%s", r.Text())
	}

	disputed := s.publish(s.status("acme/base@1.0.0", "base", statement.StateRevoked, "mallory")).Index
	want := registry.Standing{Disputed: 1, Disputes: []uint64{disputed}, Size: 5}
	if diff := cmp.Diff(want, s.get("acme/base@1.0.0").Standing); diff != "" {
		t.Errorf("disputed by a stranger (-want +got):\n%s", diff)
	}
	if r := s.verify("acme/base@1.0.0", "publisher"); !r.Verified() || r.Check("related") == nil {
		t.Errorf("disputed by a stranger:\n%s", r.Text())
	}

	revoked := s.publish(s.status("", "base", statement.StateRevoked)).Index
	want = registry.Standing{State: "revoked", Index: revoked, Disputed: 1, Disputes: []uint64{disputed}, Size: 6}
	if diff := cmp.Diff(want, s.get("acme/base@1.0.0").Standing); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
	page, err := s.Search(ctx, registry.SearchQuery{Filter: `name = "acme/base"`})
	if err != nil || len(page.Entries) != 2 || page.Entries[0].Standing.State != "revoked" || page.Entries[1].Kind != "status" {
		t.Errorf("search: %+v, %v", page, err)
	}
	up, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/ft@1.0.0"})
	if err != nil || up.Nodes[1].Standing.State != "revoked" || !up.Nodes[0].Standing.Empty() {
		t.Errorf("lineage: %+v, %v", up, err)
	}
	r := s.verify("acme/base@1.0.0", "publisher")
	if d := r.Decisive(); d == nil || d.Reason != "REVOKED" || d.Class != verifier.ClassPolicy {
		t.Errorf("the bundle of what is revoked: %+v\n%s", d, r.Text())
	}
}

func TestNamespace(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	squatted := s.model("acme/tiny@1.0.0", "bad", statement.Model{}, "squatter")
	s.publish(squatted)
	early := s.model("acme/base@1.0.0", "base", statement.Model{}, "ann")
	s.publish(early)
	if _, err := s.Publish(ctx, s.namespace("acme", nil, []string{"ann", "ben"}, "ann"), registry.PublishOptions{}); reason(err) != "QUORUM_UNMET" {
		t.Errorf("a claim by one of two: %v", err)
	}
	claim := s.namespace("acme", nil, []string{"ann"}, "ann")
	at := s.publish(claim).Index
	if _, err := s.Publish(ctx, s.namespace("acme", nil, []string{"squatter"}, "squatter"), registry.PublishOptions{}); reason(err) != "NAMESPACE_CLAIMED" {
		t.Errorf("a second claim: %v", err)
	}
	if _, err := s.Publish(ctx, s.model("acme/tiny@2.0.0", "bad", statement.Model{}, "squatter"), registry.PublishOptions{}); reason(err) != "SIGNER_UNLISTED" {
		t.Errorf("a name by who squatted: %v", err)
	}

	// What was bound before is found by its digest alone, and says so.
	if _, err := s.Entry(ctx, "acme/tiny@1.0.0"); reason(err) != "NOT_FOUND" {
		t.Errorf("a name that nobody has bound since the claim: %v", err)
	}
	if v := s.get(modelDigest("bad").String()); !v.Standing.Unbound {
		t.Errorf("bound before the claim: %+v", v)
	}
	tiny := s.publish(s.model("acme/tiny@1.0.0", "good", statement.Model{}, "ann"))
	if v := s.get("acme/tiny@1.0.0"); v.Index != tiny.Index || v.Standing.Unbound {
		t.Errorf("bound since the claim: %+v, want entry %d", v, tiny.Index)
	}

	// The claim's own keys get back what they had, with the same entry.
	if r := s.publish(squatted); !r.Existing {
		t.Error("who squatted logs the same entry again")
	}
	again := s.publish(early)
	if v := s.get("acme/base@1.0.0"); again.Existing || v.Index != again.Index || again.Index <= at {
		t.Errorf("bound again: %+v at entry %d", v, again.Index)
	}
	if v := s.get(modelDigest("base").String()); v.Index != again.Index {
		t.Errorf("its digest is found at entry %d, want %d", v.Index, again.Index)
	}
	if r := s.publish(early); !r.Existing {
		t.Error("what is bound is logged a third time")
	}

	rotation := s.namespace("acme", claim, []string{"ben"}, "ann", "ben")
	s.publish(rotation)
	if _, err := s.Publish(ctx, s.namespace("acme", claim, []string{"squatter"}, "ann", "squatter"), registry.PublishOptions{}); reason(err) != "NAMESPACE_SEQUENCE" {
		t.Errorf("an old rotation: %v", err)
	}
	s.publish(s.model("acme/tiny@2.0.0", "better", statement.Model{}, "ben"))
}
