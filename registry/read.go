package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// MaxEntries is the most entries of one Entries call: a few megabytes.
const MaxEntries = 1000

// Entry returns the entry that ref names: an index, ns/name@version, or a
// digest (of a model, dataset, entry or statement).
func (r *Registry) Entry(ctx context.Context, ref string) (*EntryView, error) {
	size, err := r.settle(ctx)
	if err != nil {
		return nil, err
	}
	at, err := r.resolve(ctx, ref, size)
	if err != nil {
		return nil, err
	}
	views, err := r.views(ctx, at, 1, size)
	if err != nil {
		return nil, err
	}
	return &views[0], nil
}

// Entries returns up to limit entries from an index on, and the size that the
// answer is valid for.
func (r *Registry) Entries(ctx context.Context, from uint64, limit int) ([]EntryView, uint64, error) {
	size, err := r.settle(ctx)
	if err != nil {
		return nil, 0, err
	}
	if from >= size {
		return nil, size, nil
	}
	n := min(uint64(max(limit, 1)), MaxEntries, size-from)
	views, err := r.views(ctx, from, int(n), size)
	return views, size, err
}

// views joins n log entries from an index on with what the index knows of them.
func (r *Registry) views(ctx context.Context, from uint64, n int, size uint64) ([]EntryView, error) {
	rows, raws := make([]index.Row, 0, n), make([][]byte, 0, n)
	for raw, err := range tlog.Entries(ctx, r.Log, from, size) {
		if err != nil {
			return nil, internal("reading the log", err)
		}
		row, err := r.Index.Get(ctx, from+uint64(len(rows)))
		if err != nil {
			return nil, internal("reading the index", err)
		}
		raws = append(raws, bytes.Clone(raw)) // raw keeps a whole bundle in memory
		if rows = append(rows, row); len(rows) == n {
			break
		}
	}
	views := r.viewsOf(rows, size)
	for i := range views {
		views[i].Raw = raws[i]
	}
	return views, nil
}

// viewsOf shows rows, without the bytes of their entries.
func (r *Registry) viewsOf(rows []index.Row, size uint64) []EntryView {
	views := make([]EntryView, len(rows))
	for i, how := range r.stand(rows) {
		row := &rows[i]
		views[i] = EntryView{
			Index: row.Index, Kind: row.Kind, Name: row.Name, Digest: row.Digest, Code: row.Code, EntryID: row.EntryID, Size: size, Standing: how}
	}
	return views
}

// resolve finds the index of what ref names, below size. A name or digest that
// several entries bind is the first of them: later ones are amendments.
func (r *Registry) resolve(ctx context.Context, ref string, size uint64) (uint64, error) {
	if strings.HasPrefix(ref, "sha256:") {
		return r.resolveDigest(ctx, ref, size)
	}
	if at, err := strconv.ParseUint(ref, 10, 64); err == nil && strconv.FormatUint(at, 10) == ref {
		if at >= size {
			return 0, notFound("there is no entry %d as of tree size %d", at, size)
		}
		return at, nil
	}
	name, err := statement.ParseName(ref)
	if err != nil {
		return 0, &Error{Code: InvalidArgument, Reason: "REF_MALFORMED",
			Message: fmt.Sprintf("reference %.200q is no ns/name@version, sha256:<hex> or entry index", ref)}
	}
	return r.resolveName(ctx, name, size)
}

func (r *Registry) resolveName(ctx context.Context, name statement.Name, size uint64) (uint64, error) {
	from, ref := uint64(0), name.String()
	if at, claimed := r.claimedBelow(name.Namespace, size); claimed {
		from = at
	}
	model, isModel, err := r.firstBinding(ctx, "model", ref, from, size)
	if err != nil {
		return 0, err
	}
	dataset, isDataset, err := r.firstBinding(ctx, "dataset", ref, from, size)
	if err != nil {
		return 0, err
	}
	switch {
	case isModel && isDataset:
		return 0, &Error{Code: FailedPrecondition, Reason: "REF_AMBIGUOUS", Hint: "name it by its entry index or digest",
			Message: fmt.Sprintf("%s is a model (entry %d) and a dataset (entry %d)", ref, model, dataset)}
	case isModel:
		return model, nil
	case isDataset:
		return dataset, nil
	}
	return 0, notFound("no entry binds %s as of tree size %d", ref, size)
}

// resolveDigest tries what a digest may name, commonest first.
func (r *Registry) resolveDigest(ctx context.Context, ref string, size uint64) (uint64, error) {
	digest, err := statement.ParseDigest(ref)
	if err != nil {
		return 0, invalid("REF_MALFORMED", err)
	}
	bound, err := r.Index.Resolve(ctx, ref, size)
	if err != nil {
		return 0, internal("looking the digest up", err)
	}
	if len(bound) > 0 {
		row, _, err := r.binding(ctx, bound)
		return row.Index, err
	}
	at, err := r.Index.Lookup(ctx, digest)
	if err == nil && at < size {
		return at, nil
	}
	if err != nil && !errors.Is(err, index.ErrNotFound) {
		return 0, internal("looking the digest up", err)
	}
	filter, err := index.ParseFilter(fmt.Sprintf("statement = %q", strings.TrimPrefix(ref, "sha256:")))
	if err != nil {
		return 0, internal("looking the digest up", err)
	}
	at, ok, err := r.firstRow(ctx, filter, 0, size)
	if err == nil && !ok {
		err = notFound("%s is no model, dataset, entry or statement as of tree size %d", ref, size)
	}
	return at, err
}

// firstRow returns the index of the first row at or above from that a filter
// finds. A page without rows need not be the last.
func (r *Registry) firstRow(ctx context.Context, filter index.Filter, from, size uint64) (at uint64, ok bool, err error) {
	for q := (index.Query{Filter: filter, Size: size, From: from, Limit: 1}); ; {
		page, err := r.Index.Search(ctx, q)
		switch {
		case err != nil:
			return 0, false, internal("looking the digest up", err)
		case len(page.Rows) > 0:
			return page.Rows[0].Index, true, nil
		case !page.More:
			return 0, false, nil
		}
		q.From = page.Next
	}
}

// Checkpoint returns the newest published checkpoint, a signed note.
func (r *Registry) Checkpoint(context.Context) ([]byte, error) {
	p, err := r.published()
	if err != nil {
		return nil, err
	}
	return p.Note, nil
}

// InclusionProof returns the tlog-proof of the entry at index under the newest
// published checkpoint. There is no proof under an older one: those are not
// kept, and without its signed tree head a proof proves nothing.
func (r *Registry) InclusionProof(ctx context.Context, at uint64) ([]byte, error) {
	head, err := r.published()
	if err != nil {
		return nil, err
	}
	if at >= head.Size {
		return nil, notFound("there is no entry %d as of tree size %d", at, head.Size)
	}
	return r.proof(ctx, at, head)
}

// ConsistencyProof proves that the tree of size from is the beginning of that
// of size to (RFC 9162, 2.1.4).
func (r *Registry) ConsistencyProof(ctx context.Context, from, to uint64) ([][32]byte, error) {
	head, err := r.published()
	if err != nil {
		return nil, err
	}
	if from > to || to > head.Size {
		return nil, invalid("SIZE_RANGE", fmt.Errorf("sizes %d and %d, want from <= to <= the published size %d", from, to, head.Size))
	}
	hashes, err := r.Prover.Consistency(ctx, from, to, head)
	if err != nil {
		return nil, internal("building the consistency proof", err)
	}
	return hashes, nil
}

// maxRelated bounds the entries that one bundle brings along: what a model
// statement can name, with room to spare.
const maxRelated = 256

// Bundle returns the bundle of what ref names, under the newest published
// checkpoint.
func (r *Registry) Bundle(ctx context.Context, ref string, o BundleOptions) ([]byte, error) {
	size, err := r.settle(ctx)
	if err != nil {
		return nil, err
	}
	head, err := r.published()
	if err != nil {
		return nil, err
	}
	at, err := r.resolve(ctx, ref, size)
	if err != nil {
		return nil, err
	}
	raw, err := tlog.ReadEntry(ctx, r.Log, at, head.Size)
	if err != nil {
		return nil, internal("reading the log", err)
	}
	b := &bundle.Bundle{}
	if b.Proven, err = r.proven(ctx, raw, at, head); err != nil {
		return nil, err
	}
	if o.Related || o.Status {
		b.Related = []bundle.Proven{}
	}
	in := ledger.Read(raw)
	if st := in.Statement(); st != nil && st.Model != nil {
		if err := r.enrich(ctx, b, st.Model, o, size, head); err != nil {
			return nil, err
		}
	}
	if o.Status && in.Statement() != nil {
		if err := r.relateStatuses(ctx, b, in, at, head); err != nil {
			return nil, err
		}
	}
	text, err := b.Marshal()
	if err != nil {
		return nil, internal("writing the bundle", err)
	}
	return text, nil
}

func (r *Registry) proven(ctx context.Context, raw []byte, at uint64, head *tlog.Published) (p bundle.Proven, err error) {
	p.Entry = bytes.Clone(raw) // raw keeps a whole bundle in memory
	p.Proof, err = r.proof(ctx, at, head)
	return p, err
}

// enrich adds what a model rests on: its manifest, and the entries of its bases
// and datasets as far as the log has them.
func (r *Registry) enrich(ctx context.Context, b *bundle.Bundle, m *statement.Model, o BundleOptions, size uint64, head *tlog.Published) error {
	if o.Manifest && !m.Manifest.IsZero() {
		manifest, err := r.smallBlob(ctx, m.Manifest, bundle.MaxManifest)
		if err != nil {
			return err
		}
		b.Manifest = manifest
	}
	if !o.Related {
		return nil
	}
	for _, digest := range parentsOf(m) {
		bound, err := r.Index.Resolve(ctx, digest.String(), size)
		if err != nil {
			return internal("looking a parent up", err)
		}
		if len(bound) == 0 {
			continue // unregistered: lineage shows it as such
		}
		row, _, err := r.binding(ctx, bound)
		if err != nil {
			return err
		}
		if err := r.relate(ctx, b, row.Index, head); err != nil {
			return err
		}
	}
	return nil
}

func parentsOf(m *statement.Model) []statement.Digest {
	var out []statement.Digest
	for _, b := range m.Bases {
		out = append(out, b.Digest)
	}
	for _, d := range m.Datasets {
		out = append(out, d.Digest)
	}
	return out
}
