package cyclonedx

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// component describes a node by its entry, or by no more than its digest.
func (r *Record) component(n *node) component {
	c := bare(n)
	c.Ref = n.ref()
	if n.claim != nil {
		c.place(n.claim)
		switch s := n.claim.said; n.kind {
		case statement.KindModel:
			c.model(n, s.Model)
		case statement.KindDataset:
			c.dataset(n, s.Dataset)
		}
	}
	r.addStatuses(&c, n)
	return c
}

// bare is a component that says what it is, and whether it is known.
func bare(n *node) component {
	c := component{Type: typeModel, Name: cmp.Or(n.name, n.digest.String())}
	if n.kind == statement.KindDataset {
		c.Type = typeData
	}
	if name, err := statement.ParseName(n.name); err == nil {
		c.Name, c.Version = name.Base(), name.Version
	}
	// Neither digest is that of a file, which is what CycloneDX calls a hash.
	c.add(n.kind.String()+":digest", n.digest.String())
	c.add("registered", string(n.standing))
	return c
}

// add adds a property under our name. What is empty is left out.
func (c *component) add(name, value string) {
	if value != "" {
		c.Properties = append(c.Properties, property{"hallmark:" + name, value})
	}
}

func (c *component) addNumber(name string, n uint64) { c.add(name, strconv.FormatUint(n, 10)) }

func (c *component) addDigest(name string, d statement.Digest) {
	if !d.IsZero() {
		c.add(name, d.String())
	}
}

func (c *component) addAll(name string, values []string) {
	for _, v := range values {
		c.add(name, v)
	}
}

// place says which entry the component is drawn from, and under which tree that
// was proven.
func (c *component) place(from *claim) {
	e, head := from.Entry, from.Checkpoint
	c.add("log:origin", head.Origin)
	c.addNumber("log:size", head.Size)
	c.addDigest("log:root", head.Root)
	c.add("log:time", timeText(head.Time))
	c.addNumber("entry:index", from.Index)
	c.addDigest("entry:id", e.ID())
	c.addDigest("entry:statement", e.StatementID())
	for _, s := range e.Signatures() {
		c.add("entry:signer", s.Key.ID().String())
	}
	c.refer("attestation", e.ID(), fmt.Sprintf("entry %d of %s: the signed statement that this component is drawn from", from.Index, head.Origin))
}

// refer points at bytes outside by their SHA-256 alone, which is all that a log
// knows of where they are (RFC 6920, section 3). A zero digest is none.
func (c *component) refer(typ string, sha256 statement.Digest, comment string) {
	if sha256.IsZero() {
		return
	}
	c.References = append(c.References, reference{
		Type: typ, URL: "ni:///sha-256;" + base64.RawURLEncoding.EncodeToString(sha256[:]), Comment: comment, Hashes: hashes(sha256)})
}

func hashes(sha256 statement.Digest) []hash {
	return []hash{{"SHA-256", hex.EncodeToString(sha256[:])}}
}

// license puts down what the publisher declared. NONE and NOASSERTION are words
// of SPDX documents and no licence expressions.
func (c *component) license(declared string) {
	switch declared {
	case "":
	case "NONE", "NOASSERTION":
		c.add("license", declared)
	default:
		c.Licenses = []license{{declared, "declared"}}
	}
}

func (c *component) model(n *node, m *statement.Model) {
	c.license(m.License)
	c.addDigest("model:file-root", m.FileRoot)
	c.addDigest("model:weights-root", m.WeightsRoot)
	c.addNumber("model:files", m.Files)
	c.addNumber("model:bytes", m.Bytes)
	c.addNumber("model:tensors", m.Tensors)
	c.addAll("model:ignored", m.Ignored)
	c.addAll("model:raw", m.Raw)
	for _, a := range m.Aliases {
		c.addDigest("model:alias:"+string(a.Kind), a.Value)
	}
	c.addDigest("model:training", m.Training)
	c.refer("evidence", m.Manifest, "the manifest: every file and tensor with its digest")
	for _, f := range m.Listed {
		file := component{Type: typeFile, Ref: n.ref() + "/" + f.Path, Name: f.Path, Hashes: hashes(f.SHA256)}
		file.addNumber("file:bytes", f.Size)
		c.Components = append(c.Components, file)
	}
	c.lineage(n)
}

// lineage names a model's parents where CycloneDX looks for them. They are
// described among the components; relation and role belong to the edge.
func (c *component) lineage(n *node) {
	if len(n.bases) > 0 {
		c.Pedigree = &pedigree{}
	}
	for _, e := range n.bases {
		ancestor := bare(e.to)
		ancestor.add("relation", e.as)
		ancestor.add("ref", e.to.ref())
		c.Pedigree.Ancestors = append(c.Pedigree.Ancestors, ancestor)
	}
	if len(n.uses) > 0 {
		c.ModelCard = &modelCard{}
	}
	for _, e := range n.uses {
		ref := datasetRef{e.to.ref()}
		if p := &c.ModelCard.Parameters; !slices.Contains(p.Datasets, ref) {
			p.Datasets = append(p.Datasets, ref)
		}
		c.add("model:dataset:"+e.as, ref.Ref) // a card has properties too, which not every reader knows
	}
}

func (c *component) dataset(n *node, d *statement.Dataset) {
	c.license(d.License)
	c.addDigest("dataset:root", d.Root)
	c.addAll("dataset:source", d.Sources)
	c.addAll("dataset:modality", d.Modalities)
	if d.Collection != nil {
		c.add("dataset:collected", d.Collection.From+"/"+d.Collection.To)
	}
	if d.Consent != nil {
		c.add("dataset:consent", string(d.Consent.Basis))
		c.refer("evidence", d.Consent.Document, "on what ground the dataset may be used")
	}
	c.refer("documentation", d.Croissant, "the dataset's Croissant document")
	for _, s := range d.Sources {
		if isWebAddress(s) {
			c.References = append(c.References, reference{Type: "website", URL: s, Comment: "a source of the dataset"})
		}
	}
	content := component{}
	content.add("dataset:record", string(d.Form))
	content.addNumber("dataset:records", d.Records)
	content.addNumber("dataset:files", d.Files)
	content.addNumber("dataset:bytes", d.Bytes)
	content.add("dataset:salted", strconv.FormatBool(d.Salted))
	c.Data = []componentData{{Type: "dataset", Name: n.name, Contents: contents{content.Properties}}}
}

// isWebAddress reports whether a source, which is free text, can stand as a URL.
func isWebAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.String() == s && !strings.ContainsAny(s, "[]")
}
