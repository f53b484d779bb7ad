package registry_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// sparse is an index that ends each page when it has looked at one entry.
type sparse struct {
	index.Index
	asked int
}

func (s *sparse) Search(ctx context.Context, q index.Query) (index.Page, error) {
	s.asked++
	end := q.Size
	q.Size = min(q.From+1, end)
	page, err := s.Index.Search(ctx, q)
	page.Next, page.More = q.Size, q.Size < end
	return page, err
}

// The index may end a page without a row. A caller gets rows or the end, not its
// way of looking.
func TestSearchGoesOnUntilItFinds(t *testing.T) {
	s := newSite(t)
	for i := range 4 {
		s.publish(s.dataset(fmt.Sprintf("acme/rows@1.0.%d", i), uint64(i+1)))
	}
	s.publish(s.model("acme/m@1.0.0", "m", statement.Model{}))
	if err := s.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	lazy := &sparse{Index: s.Index}
	s.Index = lazy
	for filter, want := range map[string]string{"kind = model": "acme/m@1.0.0", "kind = evaluation": ""} {
		lazy.asked = 0
		page, err := s.Search(context.Background(), registry.SearchQuery{Filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range page.Entries {
			got += e.Name
		}
		if got != want || page.Next != "" || lazy.asked < 6 {
			t.Errorf("%s: got %q and the token %q after %d questions; want %q, none", filter, got, page.Next, lazy.asked, want)
		}
	}
}

// web is an index in which every model has the same parents, many times over.
type web struct {
	index.Index
	nodes int // distinct parents
	asked int
	left  func() // called before each answer
}

func (w *web) Parents(_ context.Context, digest string, _, from uint64, limit int) (index.LinkPage, error) {
	w.asked++
	w.left()
	page := index.LinkPage{Next: from + uint64(limit), More: true}
	for i := from; i < page.Next; i++ {
		parent := fmt.Sprintf("sha256:%064x", i%uint64(w.nodes))
		page.Links = append(page.Links, index.Link{Index: i, Edge: index.Edge{Child: digest, Parent: parent, Relation: fmt.Sprint(i / uint64(w.nodes) % 20)}})
	}
	return page, nil
}

// One question must not cost what a publisher with many entries chooses.
func TestLineageIsBounded(t *testing.T) {
	s := newSite(t)
	s.publish(s.model("acme/m@1.0.0", "m", statement.Model{}))
	if err := s.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	rows := s.Index
	for _, c := range []struct {
		story       string
		nodes       int
		most, asked int
	}{
		{"edges without end", 900, 10_000, 60},
		{"few edges, claimed again and again", 4, 80, 300},
	} {
		t.Run(c.story, func(t *testing.T) {
			w := &web{Index: rows, nodes: c.nodes, left: func() {}}
			s.Index = w
			l, err := s.Lineage(context.Background(), registry.LineageQuery{Ref: "acme/m@1.0.0"})
			if err != nil || !l.Truncated || len(l.Edges) > c.most || w.asked > c.asked {
				t.Errorf("%d edges after %d pages, truncated %t, %v; want at most %d after %d, truncated", len(l.Edges), w.asked, l.Truncated, err, c.most, c.asked)
			}
			ctx, cancel := context.WithCancel(context.Background())
			w.asked, w.left = 0, cancel
			if _, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/m@1.0.0"}); err == nil || w.asked > 1 {
				t.Errorf("nobody waits, and after %d pages it ends with %v", w.asked, err)
			}
		})
	}
}
