package cyclonedx

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// meaning stands in every BOM, for readers who know nothing of logs.
const meaning = "recorded in the log by the keys named, and not thereby true"

// Marshal returns the BOM as indented JSON with a final newline.
func (r *Record) Marshal() ([]byte, error) {
	root := r.nodes[0]
	doc := document{
		Schema: schemaURL, Format: "CycloneDX", SpecVersion: specVersion,
		SerialNumber: r.SerialNumber(),
		Version:      root.claim.Checkpoint.Size,
		Metadata: metadata{
			Timestamp:  timeText(root.claim.Checkpoint.Time),
			Tools:      tools{[]component{{Type: typeApplication, Name: "hallmark"}}},
			Component:  r.component(root),
			Properties: []property{{"hallmark:meaning", meaning}},
		},
		Dependencies: r.dependencies(),
		Compositions: r.compositions(),
	}
	for _, n := range r.nodes[1:] {
		doc.Components = append(doc.Components, r.component(n))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("writing the BOM: %w", err)
	}
	return b.Bytes(), nil
}

// SerialNumber returns the BOM's URN: a function of the model's statement, so that
// the BOM of the same statement under a larger log is the same BOM in a later
// version. It is a UUID of version 8, which leaves it to its maker how the bits
// come about (RFC 9562, 5.8): here by SHA-256.
func (r *Record) SerialNumber() string {
	statementID := r.nodes[0].claim.Entry.StatementID()
	h := sha256.Sum256(append([]byte("hallmark/cyclonedx/v1\n"), statementID[:]...))
	u := h[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// timeText shows a cosigned time, in POSIX seconds. 0 is unknown: no timestamp.
func timeText(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// dependencies has a line for each node, also for those that depend on nothing
// known: CycloneDX readers take a missing line for one not looked at.
func (r *Record) dependencies() (all []dependency) {
	for _, n := range r.nodes {
		d := dependency{Ref: n.ref()}
		for _, e := range slices.Concat(n.bases, n.uses) {
			if ref := e.to.ref(); !slices.Contains(d.DependsOn, ref) { // a dataset may have several roles
				d.DependsOn = append(d.DependsOn, ref)
			}
		}
		all = append(all, d)
	}
	return all
}

// compositions say how complete all this is. Whether all files of a model are
// listed, its statement tells. That all its parents are named, nothing does.
func (r *Record) compositions() (all []composition) {
	lineage := composition{Aggregate: aggregateUnknown}
	for _, n := range r.nodes {
		lineage.Dependencies = append(lineage.Dependencies, n.ref())
		if n.claim == nil || n.claim.said.Model == nil {
			continue
		}
		files := composition{Aggregate: aggregateIncomplete, Assemblies: []string{n.ref()}}
		if m := n.claim.said.Model; uint64(len(m.Listed)) == m.Files {
			files.Aggregate = aggregateComplete
		}
		all = append(all, files)
	}
	return append(all, lineage)
}
