// Package cyclonedx writes what a log records about a model as a CycloneDX 1.6
// bill of materials (ECMA-424), which the tools of a supply chain read.
//
//	bundle --Read--> Record --Marshal--> BOM
//
//	model entry              metadata.component, a machine-learning-model
//	  listed files             its components, with their SHA-256
//	  bases                    pedigree.ancestors, components, dependencies
//	  datasets                 modelCard.modelParameters.datasets, components, dependencies
//	related entries          what those components say of themselves
//	place in the log         properties hallmark:*, externalReferences
//
// A BOM carries no proof, so whoever gets one believes whoever made it. It says
// for each component which entry of which log it was drawn from, so that it can
// be proven again; and it says no more than the log does: that something was
// recorded, by these keys. A parent that no entry describes is there all the
// same, under its digest, and called unregistered or unknown. What a licence
// says is marked as declared; whether lineage is complete, as unknown.
//
// The same bundle gives the same bytes. There is no clock and nothing random:
// the serial number is a function of the statement, the version is the size of
// the log, the timestamp is that of the log's cosigners.
package cyclonedx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// ErrNotModel says that a bundle proves the entry of something else.
var ErrNotModel = errors.New("not a model")

// Options say how a bundle is read.
type Options struct {
	// Believe decides about checkpoints: checkpoint.Policy.Verify.
	Believe func(note []byte) (*checkpoint.Verified, error)
	// Asked says that a registry was asked for the entries of all the model's
	// parents. By its word those that it did not bring are unregistered; else
	// nothing is known of them.
	Asked bool
}

// A Record is what a bundle proves about a model, and about what it was made
// from as far as the bundle brings that along.
type Record struct {
	nodes    []*node // the first is the model, then in the order in which they are first named
	statuses []claim
}

// A claim is a statement that stands in a log, proven.
type claim struct {
	*verifier.Included
	said *statement.Statement // nil: nothing that we read
}

func (c *claim) subject() statement.Subject { return c.said.Subjects[0] }

// Read proves every entry of a bundle once more, so that a BOM can't be made of
// what does not hold. It does not ask who signed, nor what became of it since:
// verify the bundle with verifier.Verify first. The error is ErrNotModel, or
// says what does not hold.
func Read(text []byte, o Options) (*Record, error) {
	b, err := bundle.Parse(text)
	if err != nil {
		return nil, err
	}
	model, err := prove(b.Proven, o.Believe)
	switch {
	case err != nil:
		return nil, err
	case model.said == nil || model.said.Model == nil:
		return nil, fmt.Errorf("entry %d is %w", model.Index, ErrNotModel)
	}
	var related []claim
	r := &Record{}
	for i, p := range b.Related {
		c, err := prove(p, o.Believe)
		switch {
		case err != nil:
			return nil, fmt.Errorf("related entry %d of %d: %w", i+1, len(b.Related), err)
		case c.said == nil:
		case c.said.Status != nil:
			r.statuses = append(r.statuses, c)
		case c.said.Model != nil || c.said.Dataset != nil:
			related = append(related, c)
		}
	}
	slices.SortFunc(r.statuses, func(a, b claim) int { return cmp.Compare(a.Index, b.Index) })
	r.walk(model, related, o.Asked)
	return r, nil
}

// prove checks one entry. Anybody can log what is no statement that we read: it
// stands in the log, and says nothing.
func prove(p bundle.Proven, believe func([]byte) (*checkpoint.Verified, error)) (c claim, err error) {
	if c.Included, err = verifier.VerifyReceipt(p.Entry, p.Proof, believe); err != nil {
		return c, err
	}
	if c.Entry.Type() == entry.TypeStatement {
		if said, err := statement.Parse(c.Entry.Body()); err == nil {
			c.said = said
		}
	}
	return c, nil
}

// Name returns the model's ns/name@version.
func (r *Record) Name() string { return r.nodes[0].name }

// Components counts the models and datasets that the model was made from,
// directly or not, as far as the bundle tells.
func (r *Record) Components() int { return len(r.nodes) - 1 }

// Unproven returns the names, or else the digests, of those components that no
// entry in the bundle describes.
func (r *Record) Unproven() (names []string) {
	for _, n := range r.nodes {
		if n.claim == nil {
			names = append(names, cmp.Or(n.name, n.digest.String()))
		}
	}
	return names
}
