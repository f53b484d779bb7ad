// Package indextest is the conformance test of an [index.Index]: what its contract says, against a reference that
// keeps rows in a slice and looks at every one.
package indextest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A Store opens one index. It is called again after the index was closed, and must then find what was applied.
type Store func() (index.Index, error)

// TestIndex runs the conformance test. newStore returns a store of its own, empty, for each part.
func TestIndex(t *testing.T, newStore func(t *testing.T) Store) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, open Store)
	}{
		{"an empty index", testEmpty},
		{"rows come back as they were applied", testRoundTrip},
		{"a batch applies once and without a hole", testGap},
		{"an entry logged twice is found where it was first", testLookup},
		{"names and digests resolve to accepted bindings", testBindings},
		{"a search is what looking at every row finds", testSearch},
		{"lineage is what accepted entries claim", testLineage},
		{"blobs that entries name", testNamed},
		{"a reopened index has everything", testReopen},
		{"readers beside a writer see whole batches", testConcurrent},
		{"a closed index fails", testClosed},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, newStore(t)) })
	}
}

// Rows returns n rows from the index from on, the same for the same arguments: a small world of names, models and
// people, so that every key has several rows, with entries logged twice and rejected ones among them.
func Rows(from uint64, n int) []index.Row {
	rows := make([]index.Row, n)
	for i := range rows {
		rows[i] = makeRow(from + uint64(i))
	}
	return rows
}

func makeRow(i uint64) index.Row {
	r := rand.New(rand.NewPCG(i, 1))
	pick := func(from string, n int) string { return fmt.Sprintf("%s%d", from, r.IntN(n)) }
	row := index.Row{
		Index:       i,
		EntryID:     hash("entry", i-i%10/9), // every tenth entry is the one before it again
		StatementID: hash("statement", i),
		Kind:        []string{"model", "model", "dataset", "evaluation", "credit"}[r.IntN(5)],
		Name:        pick("ns", 4) + "/" + pick("name", 8) + "@" + pick("v", 3),
		Digest:      statement.Digest(hash("digest", uint64(r.IntN(40)))).String(),
		Publishers:  []entry.KeyID{hash("key", uint64(r.IntN(6)))},
		Code:        index.CodeAccepted,
		Terms: []index.Term{
			{Field: index.FieldLicense, Value: pick("licence ", 3)},
			{Field: index.FieldFile, Value: statement.Digest(hash("file", uint64(r.IntN(100)))).String()},
		},
	}
	if r.IntN(5) == 0 {
		row.Code = "NAME_BOUND"
		return row
	}
	if row.Kind == "model" {
		for range r.IntN(3) {
			parent := statement.Digest(hash("digest", uint64(r.IntN(40)))).String()
			row.Terms = append(row.Terms, index.Term{Field: index.FieldBase, Value: parent})
			row.Edges = append(row.Edges, index.Edge{Child: row.Digest, Parent: parent, ParentName: pick("ns1/name1@", 3), Relation: "merge"})
		}
	}
	return row
}

func hash(domain string, i uint64) [32]byte {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%s %d", domain, i))
	var h [32]byte
	rand.NewChaCha8(seed).Read(h[:])
	return h
}

func testEmpty(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	mustNot(t, x.Sync(ctx))
	wantPosition(t, x, 0)
	_, err := x.Get(ctx, 0)
	wantError(t, "Get(0)", err, index.ErrNotFound)
	_, err = x.Lookup(ctx, [32]byte{1})
	wantError(t, "Lookup", err, index.ErrNotFound)
	page, err := x.Search(ctx, index.Query{Limit: 10})
	if err != nil || len(page.Rows) != 0 || page.More {
		t.Errorf("Search of size 0 = %+v, %v, want a complete empty page", page, err)
	}
	_, err = x.Search(ctx, index.Query{Size: 1, Limit: 10})
	wantError(t, "Search of size 1", err, index.ErrBehind)
	if err := x.Apply(ctx, 0, nil); err != nil {
		t.Errorf("Apply of no rows: %v", err)
	}
}

func testRoundTrip(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	rows := Rows(0, 3)
	rows[1] = index.Row{Index: 1, EntryID: [32]byte{7}, Kind: index.KindMalformed, Code: "ENTRY_MALFORMED"}
	rows[2].Name, rows[2].Digest = "acme", ""
	rows[2].Publishers = append(rows[2].Publishers, entry.KeyID{9})
	rows[2].Terms = append(rows[2].Terms, index.Term{Field: index.FieldLicense, Value: `odd " \ ` + "\x00 ümlaut sha256:"}, rows[2].Terms[0])
	mustApply(t, x, 0, rows)
	wantPosition(t, x, 3)
	for i, want := range rows {
		got, err := x.Get(ctx, uint64(i))
		if err != nil {
			t.Fatalf("Get(%d): %v", i, err)
		}
		wantEqual(t, fmt.Sprintf("Get(%d)", i), got, want)
	}
	_, err := x.Get(ctx, 3)
	wantError(t, "Get beyond the position", err, index.ErrNotFound)
}

func testGap(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	mustApply(t, x, 0, Rows(0, 10))
	wantError(t, "the same batch again", x.Apply(ctx, 0, Rows(0, 10)), index.ErrGap)
	wantError(t, "an overlapping batch", x.Apply(ctx, 5, Rows(5, 10)), index.ErrGap)
	wantError(t, "a batch after a hole", x.Apply(ctx, 11, Rows(11, 1)), index.ErrGap)
	wantError(t, "no rows after a hole", x.Apply(ctx, 11, nil), index.ErrGap)
	holed := Rows(10, 3)
	holed[1].Index = 12
	wantError(t, "a batch with a hole", x.Apply(ctx, 10, holed), index.ErrGap)
	if err := x.Apply(ctx, 10, Rows(10, index.MaxApply+1)); err == nil {
		t.Errorf("Apply of %d rows: no error, want at most %d", index.MaxApply+1, index.MaxApply)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, "with a cancelled context", x.Apply(cancelled, 10, Rows(10, 1)), context.Canceled)
	wantPosition(t, x, 10)
	mustApply(t, x, 10, Rows(10, 1))
	wantPosition(t, x, 11)
}

func testLookup(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	rows := applyMany(t, x, 500)
	first := map[[32]byte]uint64{}
	for _, r := range rows {
		if _, ok := first[r.EntryID]; !ok {
			first[r.EntryID] = r.Index
		}
	}
	if len(first) == len(rows) {
		t.Fatal("no entry is logged twice, the test tests nothing")
	}
	for _, r := range rows {
		got, err := x.Lookup(ctx, r.EntryID)
		if err != nil || got != first[r.EntryID] {
			t.Errorf("Lookup of entry %d = %d, %v, want %d", r.Index, got, err, first[r.EntryID])
		}
	}
	for i := range uint64(100) {
		_, err := x.Lookup(ctx, hash("absent", i))
		wantError(t, "Lookup of an absent entry", err, index.ErrNotFound)
	}
}

func testBindings(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	rows := applyMany(t, x, 1500)
	for _, size := range []uint64{0, 1, 700, 1500} {
		for _, r := range rows[:60] {
			var byName, byDigest []uint64
			for _, o := range rows[:size] {
				accepted := o.Code == index.CodeAccepted && len(byName) < index.MaxBindings
				if accepted && o.Kind == r.Kind && o.Name == r.Name {
					byName = append(byName, o.Index)
				}
				if accepted && (o.Kind == "model" || o.Kind == "dataset") && o.Digest == r.Digest {
					byDigest = append(byDigest, o.Index)
				}
			}
			got, err := x.ByName(ctx, r.Kind, r.Name, size)
			mustNot(t, err)
			wantEqual(t, fmt.Sprintf("ByName(%s, %s, size %d)", r.Kind, r.Name, size), got, byName)
			got, err = x.Resolve(ctx, r.Digest, size)
			mustNot(t, err)
			wantEqual(t, fmt.Sprintf("Resolve(%s, size %d)", r.Digest, size), got, byDigest)
		}
	}
	_, err := x.ByName(ctx, "model", "a/b@c", 1501)
	wantError(t, "ByName beyond the position", err, index.ErrBehind)
	_, err = x.Resolve(ctx, rows[0].Digest, 1501)
	wantError(t, "Resolve beyond the position", err, index.ErrBehind)
}

func testSearch(t *testing.T, open Store) {
	x := mustOpen(t, open)
	rows := applyMany(t, x, 600)
	for _, text := range []string{
		``,
		`kind = model`,
		`kind = model AND code = NAME_BOUND`,
		`kind = model AND kind = dataset`, // no row has both, and every row is a candidate
		`namespace = ns1 AND version = v2 AND license = "licence 1"`,
		`name = "ns2/name3" AND kind = "evaluation"`,
		`digest = "` + rows[3].Digest + `"`,
		`subject = "` + rows[3].Digest + `"`,
		`file = "` + rows[9].Terms[1].Value + `" AND publisher = ` + rows[9].Publishers[0].String(),
		`base = "` + rows[3].Digest + `" AND code = ACCEPTED AND kind = model AND namespace = ns0`,
		`entry = ` + statement.Digest(rows[40].EntryID).String(),
		`class = nothing`,
	} {
		filter, err := index.ParseFilter(text)
		mustNot(t, err)
		for _, size := range []uint64{0, 1, 299, 600} {
			for _, limit := range []int{7, index.MaxPage} {
				testQuery(t, x, rows, index.Query{Filter: filter, Size: size, Limit: limit})
			}
			testQuery(t, x, rows, index.Query{Filter: filter, Size: min(size, 50), Limit: 1})
		}
	}
	for _, limit := range []int{-1, 0, index.MaxPage + 1} {
		if _, err := x.Search(t.Context(), index.Query{Size: 10, Limit: limit}); err == nil {
			t.Errorf("a page of %d rows: no error, want 1 to %d", limit, index.MaxPage)
		}
	}
	_, err := x.Search(t.Context(), index.Query{Size: 601, Limit: 1})
	wantError(t, "a search beyond the position", err, index.ErrBehind)
}

// testQuery follows all pages of a search. A page may be short, but every one must move on.
func testQuery(t *testing.T, x index.Index, rows []index.Row, q index.Query) {
	t.Helper()
	var want, got []index.Row
	for i := range rows[:q.Size] {
		if q.Filter.Match(&rows[i]) {
			want = append(want, rows[i])
		}
	}
	for more := true; more; {
		page, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("Search(%q, size %d, from %d): %v", q.Filter, q.Size, q.From, err)
		}
		if len(page.Rows) > q.Limit || page.More && page.Next <= q.From {
			t.Fatalf("Search(%q, from %d) = %d rows, next %d: want at most %d, and to move on", q.Filter, q.From, len(page.Rows), page.Next, q.Limit)
		}
		got, q.From, more = append(got, page.Rows...), page.Next, page.More
	}
	wantEqual(t, fmt.Sprintf("Search(%q, size %d, limit %d)", q.Filter, q.Size, q.Limit), got, want)
}

func testLineage(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	rows := applyMany(t, x, 1000)
	for _, size := range []uint64{0, 500, 1000} {
		for _, r := range rows[:40] {
			var up, down []index.Link
			for _, o := range rows[:size] {
				for _, e := range o.Edges {
					if e.Child == r.Digest {
						up = append(up, index.Link{Index: o.Index, Edge: e})
					}
					if e.Parent == r.Digest {
						down = append(down, index.Link{Index: o.Index, Edge: e})
					}
				}
			}
			for _, limit := range []int{1, 100} {
				wantLinks(t, x.Parents, r.Digest, size, limit, up)
				wantLinks(t, x.Children, r.Digest, size, limit, down)
			}
		}
	}
	_, err := x.Children(ctx, rows[0].Digest, 1001, 0, 1)
	wantError(t, "Children beyond the position", err, index.ErrBehind)
	if _, err := x.Parents(ctx, rows[0].Digest, 10, 0, 0); err == nil {
		t.Error("Parents with limit 0: no error")
	}
}

type linkPages func(ctx context.Context, digest string, size, from uint64, limit int) (index.LinkPage, error)

func wantLinks(t *testing.T, pages linkPages, digest string, size uint64, limit int, want []index.Link) {
	t.Helper()
	var got []index.Link
	for from, more := uint64(0), true; more; {
		page, err := pages(t.Context(), digest, size, from, limit)
		mustNot(t, err)
		got, from, more = append(got, page.Links...), page.Next, page.More
	}
	wantEqual(t, fmt.Sprintf("links of %s, size %d, limit %d", digest, size, limit), got, want)
}

func testNamed(t *testing.T, open Store) {
	x := mustOpen(t, open)
	rows := Rows(0, 100)
	document, file, rejected, dataset := hash("document", 0), hash("listed", 0), hash("rejected", 0), hash("dataset", 0)
	add := func(row int, f index.Field, h [32]byte) {
		rows[row].Terms = append(rows[row].Terms, index.Term{Field: f, Value: statement.Digest(h).String()})
	}
	add(10, index.FieldDocument, document)
	add(20, index.FieldFile, file)
	add(30, index.FieldDocument, rejected)
	rows[30].Code = "NAME_BOUND"
	add(40, index.FieldDataset, dataset)
	mustApply(t, x, 0, rows)
	for _, c := range []struct {
		what   string
		digest [32]byte
		want   bool
	}{
		{"a document", document, true}, {"a listed file", file, true}, {"a document of a rejected entry", rejected, true},
		{"a dataset, which is no blob", dataset, false}, {"nothing", hash("nothing", 0), false},
	} {
		if got, err := x.Named(t.Context(), c.digest); err != nil || got != c.want {
			t.Errorf("Named(%s) = %v, %v, want %v", c.what, got, err, c.want)
		}
	}
}

func testReopen(t *testing.T, open Store) {
	x := mustOpen(t, open)
	rows := applyMany(t, x, 300)
	mustNot(t, x.Sync(t.Context()))
	mustNot(t, x.Close())
	x = mustOpen(t, open)
	wantPosition(t, x, 300)
	for _, r := range rows {
		got, err := x.Get(t.Context(), r.Index)
		mustNot(t, err)
		wantEqual(t, fmt.Sprintf("Get(%d) after reopening", r.Index), got, r)
		if at, err := x.Lookup(t.Context(), r.EntryID); err != nil || at > r.Index {
			t.Errorf("Lookup of entry %d after reopening = %d, %v", r.Index, at, err)
		}
	}
	mustApply(t, x, 300, Rows(300, 10))
}

func testConcurrent(t *testing.T, open Store) {
	x, ctx := mustOpen(t, open), t.Context()
	const batches, batch = 30, 20
	var readers sync.WaitGroup
	for reader := range 3 {
		readers.Go(func() {
			for position := uint64(0); position < batches*batch; {
				var err error
				if position, err = x.Position(ctx); err != nil {
					t.Errorf("Position: %v", err)
					return
				}
				if position%batch != 0 {
					t.Errorf("position %d lies within a batch", position)
				}
				q := index.Query{Size: position, From: position - min(position, batch), Limit: batch}
				page, err := x.Search(ctx, q)
				if want := int(q.Size - q.From); err != nil || len(page.Rows) != want {
					t.Errorf("reader %d at position %d: %d rows, %v, want %d", reader, position, len(page.Rows), err, want)
					return
				}
			}
		})
	}
	for i := range uint64(batches) {
		// Two writers with one batch: one of them is too late.
		results := make(chan error, 2)
		for range 2 {
			go func() { results <- x.Apply(ctx, i*batch, Rows(i*batch, batch)) }()
		}
		errs := []error{<-results, <-results}
		if i := slices.Index(errs, nil); i < 0 || !errors.Is(errs[1-i], index.ErrGap) {
			t.Fatalf("two writers of one batch: %v, want nil and %v", errs, index.ErrGap)
		}
	}
	readers.Wait()
}

func testClosed(t *testing.T, open Store) {
	x := mustOpen(t, open)
	mustApply(t, x, 0, Rows(0, 5))
	mustNot(t, x.Close())
	if err := x.Apply(t.Context(), 5, Rows(5, 1)); err == nil {
		t.Error("Apply after Close: no error")
	}
	if _, err := x.Search(t.Context(), index.Query{Size: 5, Limit: 5}); err == nil {
		t.Error("Search after Close: no error")
	}
}

func mustOpen(t *testing.T, open Store) index.Index {
	t.Helper()
	x, err := open()
	mustNot(t, err)
	t.Cleanup(func() { x.Close() })
	return x
}

// applyMany applies n rows in batches of growing size, and returns them.
func applyMany(t *testing.T, x index.Index, n int) []index.Row {
	t.Helper()
	rows := Rows(0, n)
	for at, batch := 0, 1; at < n; batch++ {
		end := min(n, at+batch)
		mustApply(t, x, uint64(at), rows[at:end])
		at = end
	}
	return rows
}

func mustApply(t *testing.T, x index.Index, from uint64, rows []index.Row) {
	t.Helper()
	mustNot(t, x.Apply(t.Context(), from, rows))
}

func mustNot(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantPosition(t *testing.T, x index.Index, want uint64) {
	t.Helper()
	if got, err := x.Position(t.Context()); err != nil || got != want {
		t.Errorf("Position = %d, %v, want %d", got, err, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}
