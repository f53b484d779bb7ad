package cyclonedx

import (
	"cmp"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A node is a model or dataset.
type node struct {
	kind   statement.Kind
	digest statement.Digest
	// name is ns/name@version as its own entry binds it; else as it is called
	// where it was first named; else empty.
	name     string
	claim    *claim // nil: no entry in the bundle describes it
	standing standing
	bases    []edge
	uses     []edge
}

// An edge leads from what was made to what it was made from.
type edge struct {
	to *node
	as string // relation of a base, role of a dataset
}

// A standing says what is known of a component's entry.
type standing string

const (
	proven       standing = "proven"       // the bundle proves it
	unregistered standing = "unregistered" // the registry was asked, and has none
	unknown      standing = "unknown"      // nobody asked
)

// ref is the node's bom-ref. A digest alone would do, but for a reader.
func (n *node) ref() string { return n.kind.String() + ":" + n.digest.String() }

// walk follows bases and datasets from the model through all that the related
// entries describe. A digest may be named before it is logged, so lineage can
// hold a cycle: each node is expanded once.
func (r *Record) walk(model claim, related []claim, asked bool) {
	w := walk{record: r, seen: map[thing]*node{}, claims: map[thing][]claim{}}
	for _, c := range related {
		t := thing{c.said.Kind, c.subject().Digest}
		w.claims[t] = append(w.claims[t], c)
	}
	root := w.add(thing{statement.KindModel, model.subject().Digest}, "", &model)
	for i := 0; i < len(r.nodes); i++ {
		w.expand(r.nodes[i])
	}
	for _, e := range slices.Concat(root.bases, root.uses) {
		if asked && e.to.claim == nil {
			e.to.standing = unregistered
		}
	}
}

// A thing is a model or dataset by its digest.
type thing struct {
	kind   statement.Kind
	digest statement.Digest
}

type walk struct {
	record *Record
	seen   map[thing]*node
	claims map[thing][]claim // the related entries about it
}

func (w *walk) add(t thing, called string, c *claim) *node {
	n := &node{kind: t.kind, digest: t.digest, name: called, claim: c, standing: unknown}
	if c != nil {
		n.name, n.standing = c.subject().Name, proven
	}
	w.record.nodes = append(w.record.nodes, n)
	w.seen[t] = n
	return n
}

func (w *walk) expand(n *node) {
	if n.claim == nil || n.claim.said.Model == nil {
		return
	}
	for _, b := range n.claim.said.Model.Bases {
		n.bases = append(n.bases, edge{w.find(thing{statement.KindModel, b.Digest}, b.Name), string(b.Relation)})
	}
	for _, u := range n.claim.said.Model.Datasets {
		n.uses = append(n.uses, edge{w.find(thing{statement.KindDataset, u.Digest}, u.Name), string(u.Role)})
	}
}

// find returns the node of a digest, which it adds when it is first named.
func (w *walk) find(t thing, name statement.Name) *node {
	if n := w.seen[t]; n != nil {
		return n
	}
	called := ""
	if name != (statement.Name{}) {
		called = name.String()
	}
	return w.add(t, called, w.describes(t, called))
}

// describes returns the entry that a component is drawn from, or nil. Anybody can
// log a statement about any digest, and whoever made the bundle chose what is in
// it. Of several the first in the log is taken, among those under the name that
// was given where the digest was named, if there are any.
func (w *walk) describes(t thing, called string) *claim {
	all := w.claims[t]
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, func(a, b claim) int {
		if as, bs := a.subject().Name == called, b.subject().Name == called; as != bs {
			if as {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Index, b.Index)
	})
	return &first
}
