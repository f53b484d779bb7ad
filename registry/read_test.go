package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

func TestSearchIsOneSnapshot(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	for i := range 7 {
		s.publish(s.dataset(fmt.Sprintf("acme/rows@1.0.%d", i), uint64(i+1)))
	}
	q := registry.SearchQuery{Filter: `kind = "dataset" AND namespace = acme`, PageSize: 3}
	page, err := s.Search(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	s.publish(s.dataset("acme/rows@2.0.0", 99)) // after the first page
	var names []string
	for {
		for _, e := range page.Entries {
			names = append(names, e.Name)
		}
		if page.Next == "" {
			break
		}
		q.PageToken = page.Next
		if page, err = s.Search(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 7 || names[0] != "acme/rows@1.0.0" || names[6] != "acme/rows@1.0.6" {
		t.Errorf("pages hold %q, want the seven of the first page's size", names)
	}
	if _, err := s.Search(ctx, registry.SearchQuery{Filter: `colour = red`}); reason(err) != "FILTER_FIELD" || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown field: %v", err)
	}
	if _, err := s.Search(ctx, registry.SearchQuery{Filter: `kind = model`, PageToken: q.PageToken}); reason(err) != "PAGE_TOKEN_MISMATCH" {
		t.Errorf("a token of another filter: %v", err)
	}
}

func TestLineage(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.dataset("acme/rows@1.0.0", 1))
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{Datasets: []statement.Use{{Digest: s.datasetDigest(1), Role: statement.RoleTrain}}}))
	s.publish(s.model("acme/ft@1.0.0", "ft", statement.Model{
		Bases:    []statement.Base{{Digest: modelDigest("base"), Relation: statement.RelationFinetune}},
		Datasets: []statement.Use{{Digest: s.datasetDigest(77), Role: statement.RoleTest}}}))
	up, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/ft@1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range up.Edges {
		got = append(got, fmt.Sprintf("%s <- %s %s %v", up.Nodes[e.Child].Name, up.Nodes[e.Parent].Name, e.Relation, up.Nodes[e.Parent].Registered))
	}
	want := []string{"acme/ft@1.0.0 <- acme/base@1.0.0 finetune true", "acme/ft@1.0.0 <-  dataset:test false", "acme/base@1.0.0 <- acme/rows@1.0.0 dataset:train true"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("up: %q, want %q", got, want)
	}
	down, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/rows@1.0.0", Down: true})
	if err != nil || len(down.Nodes) != 3 || down.Nodes[2].Name != "acme/ft@1.0.0" {
		t.Errorf("down: %+v, %v", down, err)
	}
	shallow, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/rows@1.0.0", Down: true, Depth: 1})
	if err != nil || len(shallow.Nodes) != 2 || !shallow.Truncated {
		t.Errorf("depth 1: %+v, %v", shallow, err)
	}
}

func TestBundleVerifiesOffline(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.dataset("acme/rows@1.0.0", 1))
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{Datasets: []statement.Use{{Digest: s.datasetDigest(1), Role: statement.RoleTrain}}}))
	text, err := s.Bundle(ctx, "acme/base@1.0.0", registry.BundleOptions{Related: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := verifier.Verify(ctx, text, verifier.Trust{Policy: s.policy, Publishers: []entry.KeyID{key(t, "publisher").Public().ID()}}, nil)
	if err != nil || !r.Verified() || r.Check("related") == nil {
		t.Errorf("%v\n%s", err, r.Text())
	}
}

func TestBlobs(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	manifest := []byte("a manifest")
	digest := sha256.Sum256(manifest)
	if err := s.PutBlob(ctx, digest, bytes.NewReader(manifest)); reason(err) != "BLOB_UNNAMED" {
		t.Errorf("a blob that no entry names: %v", err)
	}
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{Manifest: digest}))
	if err := s.PutBlob(ctx, digest, strings.NewReader("something else")); reason(err) != "BLOB_DIGEST" {
		t.Errorf("another content: %v", err)
	}
	if err := s.PutBlob(ctx, digest, bytes.NewReader(manifest)); err != nil {
		t.Fatal(err)
	}
	r, size, err := s.Blob(ctx, digest)
	if err != nil || size != int64(len(manifest)) {
		t.Fatalf("size %d, %v", size, err)
	}
	r.Close()
	if _, _, err := s.Blob(ctx, [32]byte{1}); reason(err) != "BLOB_NOT_FOUND" {
		t.Errorf("an unknown blob: %v", err)
	}
}
