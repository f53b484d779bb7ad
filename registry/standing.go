package registry

import (
	"context"
	"slices"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// statementKinds are the kinds of rows that have a standing, by their names.
var statementKinds = func() map[string]statement.Kind {
	kinds := map[string]statement.Kind{}
	for k := statement.KindModel; k <= statement.KindForeign; k++ {
		kinds[k.String()] = k
	}
	return kinds
}()

// stand says of each row how its statement stands, in the order of the rows. It
// asks the fold as it is, which is never behind the answer that the rows are
// for: what was revoked a moment ago is not shown as good.
func (r *Registry) stand(rows []index.Row) []Standing {
	out := make([]Standing, len(rows))
	r.State.View(func(s *ledger.State) {
		for i := range rows {
			out[i] = standing(s, &rows[i])
		}
	})
	return out
}

func standing(s *ledger.State, row *index.Row) Standing {
	kind, ok := statementKinds[row.Kind]
	if !ok || row.Code != index.CodeAccepted {
		return Standing{}
	}
	of := ledger.Said{Index: row.Index, ID: row.StatementID, Kind: kind, Name: row.Name, Signers: row.Publishers}
	of.Digest, _ = statement.ParseDigest(row.Digest) // none in a namespace statement
	got := s.Standing(of)
	out := Standing{Disputed: got.Disputed, Disputes: got.Disputes, Unbound: got.Unbound, Size: s.Size()}
	if len(got.Effects) > 0 {
		e := got.Effects[0]
		out.State, out.Index = string(e.State), e.Index
		if !e.By.IsZero() {
			out.By = e.By.String()
		}
	}
	return out
}

// claimedBelow returns where a namespace was claimed, below size. What was bound
// in it before that is bound no more.
func (r *Registry) claimedBelow(namespace string, size uint64) (at uint64, claimed bool) {
	r.State.View(func(s *ledger.State) {
		n, ok := s.Namespace(namespace)
		at, claimed = n.Claimed, ok && n.Claimed < size
	})
	return at, claimed
}

// firstBinding returns the first accepted entry at or above from that binds a
// name.
func (r *Registry) firstBinding(ctx context.Context, kind, name string, from, size uint64) (at uint64, ok bool, err error) {
	filter := index.NewFilter(index.Term{Field: index.KeyRef, Value: name},
		index.Term{Field: index.FieldCode, Value: index.CodeAccepted}, index.Term{Field: index.FieldKind, Value: kind})
	for q := (index.Query{Filter: filter, Size: size, From: from, Limit: 1}); ; {
		page, err := r.Index.Search(ctx, q)
		switch {
		case err != nil:
			return 0, false, internal("looking the name up", err)
		case len(page.Rows) > 0:
			return page.Rows[0].Index, true, nil
		case !page.More:
			return 0, false, nil
		}
		q.From = page.Next
	}
}

// binding returns the row by which a digest is known: the first that still binds
// it to a name, else the first of all. bound is what Index.Resolve returned, and
// not empty.
func (r *Registry) binding(ctx context.Context, bound []uint64) (index.Row, Standing, error) {
	var first index.Row
	for i, at := range bound {
		row, err := r.Index.Get(ctx, at)
		if err != nil {
			return row, Standing{}, internal("reading the index", err)
		}
		if how := r.stand([]index.Row{row})[0]; !how.Unbound {
			return row, how, nil
		}
		if i == 0 {
			first = row
		}
	}
	return first, r.stand([]index.Row{first})[0], nil
}

// bindsAnew reports whether an entry that stands in the log would bind its name
// if it were logged again: its namespace was claimed since, by keys that have
// signed it, and its name is not bound to its digest.
func (r *Registry) bindsAnew(in *ledger.Input, at uint64) (anew bool) {
	st := in.Statement()
	if st == nil {
		return false
	}
	b, ok := st.Binding()
	if !ok {
		return false
	}
	r.State.View(func(s *ledger.State) {
		digest, bound := s.Binding(b.Kind, b.Name)
		anew = s.Standing(ledger.SaidBy(at, in.Entry(), st)).Unbound && (!bound || digest != b.Digest) && s.CheckInput(in).Accepted()
	})
	return anew
}

// relateStatuses adds the statuses about an entry's statement to its bundle:
// those in effect, and the first that dispute it. Which of them count is for the
// verifier to find again.
func (r *Registry) relateStatuses(ctx context.Context, b *bundle.Bundle, in *ledger.Input, at uint64, head *tlog.Published) error {
	var wanted []uint64
	r.State.View(func(s *ledger.State) {
		got := s.Standing(ledger.SaidBy(at, in.Entry(), in.Statement()))
		for _, e := range got.Effects {
			wanted = append(wanted, e.Index)
		}
		wanted = append(wanted, got.Disputes...)
	})
	slices.Sort(wanted)
	for _, at := range slices.Compact(wanted) {
		if at >= head.Size { // logged since: the next bundle has it
			continue
		}
		if err := r.relate(ctx, b, at, head); err != nil {
			return err
		}
	}
	return nil
}

// relate adds one entry to what a bundle brings along, as long as there is room.
func (r *Registry) relate(ctx context.Context, b *bundle.Bundle, at uint64, head *tlog.Published) error {
	if len(b.Related) == maxRelated {
		return nil
	}
	raw, err := tlog.ReadEntry(ctx, r.Log, at, head.Size)
	if err != nil {
		return internal("reading the log", err)
	}
	p, err := r.proven(ctx, raw, at, head)
	if err != nil {
		return err
	}
	b.Related = append(b.Related, p)
	return nil
}
