package main

import (
	"context"
	"fmt"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// maxCompared bounds the manifests that one lineage fetches: a person reads no
// more lines than that, and each manifest may have megabytes.
const maxCompared = 32

// A sharing is how many tensors of a child are identical to its base's.
type sharing struct {
	Identical uint64 `json:"identical"`
	Tensors   uint64 `json:"tensors"` // of the child
}

func (s *sharing) String() string {
	return fmt.Sprintf("(%d of %d tensors identical)", s.Identical, s.Tensors)
}

// sharings compares each model with the models that it was made from, as far as
// the registry has their manifests: computed from what the digests commit to,
// not from what anybody claims. A manifest that is missing, or is another
// model's, is as good as none. The keys are positions in l.Edges.
func (s *session) sharings(ctx context.Context, c *client.Client, l *client.Lineage) map[int]*sharing {
	fetched := map[int]*weights.Manifest{}
	manifest := func(node int) *weights.Manifest {
		if m, ok := fetched[node]; ok || len(fetched) == maxCompared {
			return m
		}
		fetched[node] = s.provenManifest(ctx, c, &l.Nodes[node])
		return fetched[node]
	}
	out := map[int]*sharing{}
	for i, e := range l.Edges {
		child, parent := &l.Nodes[e.Child], &l.Nodes[e.Parent]
		if child.Kind != "model" || parent.Kind != "model" || !child.Registered || !parent.Registered {
			continue
		}
		base, made := manifest(e.Parent), manifest(e.Child)
		if base == nil || made == nil {
			continue
		}
		t := weights.Compare(base, made).Tensors
		if n := t.Identical.Number + t.Changed.Number + t.Added.Number; n > 0 {
			out[i] = &sharing{t.Identical.Number, n}
		}
	}
	return out
}

// provenManifest fetches a node's manifest, if the model digest that follows
// from it is the node's.
func (s *session) provenManifest(ctx context.Context, c *client.Client, n *client.LineageNode) *weights.Manifest {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	text, err := c.Bundle(ctx, n.Digest, client.BundleOptions{Manifest: true})
	if err != nil {
		return nil
	}
	b, err := bundle.Parse(text)
	if err != nil || b.Manifest == nil {
		return nil
	}
	m, err := weights.ParseManifest(b.Manifest)
	if err != nil || statement.Digest(m.Model().Digest).String() != n.Digest {
		return nil
	}
	return m
}
