package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-registry/hallmark/registry/index"
)

// Page sizes of a search.
const (
	defaultPage = 50
	maxPage     = index.MaxPage
)

// maxSearchSteps bounds how often the index is asked for one page. It ends a page
// that costs it some 10 ms, even without a row; some seconds are well within a
// call's deadline, and the token of an empty page keeps how far they came.
const maxSearchSteps = 256

// Search returns one page of the entries that match a filter. All pages of one
// query are of one tree size, which the first page fixes and its token carries.
func (r *Registry) Search(ctx context.Context, q SearchQuery) (*SearchPage, error) {
	filter, err := index.ParseFilter(q.Filter)
	if err != nil {
		return nil, filterError(err)
	}
	query := index.Query{Filter: filter, Limit: pageSize(q.PageSize)}
	if q.PageToken == "" {
		if query.Size, err = r.settle(ctx); err != nil {
			return nil, err
		}
	} else {
		token, err := index.ParseToken(q.PageToken)
		if err != nil {
			return nil, invalid("PAGE_TOKEN_MALFORMED", err)
		}
		if token.FilterHash != filter.Hash() {
			return nil, invalid("PAGE_TOKEN_MISMATCH", errors.New("the page token belongs to another filter"))
		}
		query.Size, query.From = token.Size, token.From
		if _, err := r.settleAt(ctx, query.Size); err != nil {
			return nil, err
		}
	}
	page, err := r.firstRows(ctx, query)
	if err != nil {
		return nil, internal("searching", err)
	}
	out := &SearchPage{Size: query.Size, Entries: r.viewsOf(page.Rows, query.Size)}
	if page.More {
		out.Next = index.Token{FilterHash: filter.Hash(), Size: query.Size, From: page.Next}.String()
	}
	return out, nil
}

// firstRows asks the index on until it has a row, or has none.
func (r *Registry) firstRows(ctx context.Context, q index.Query) (page index.Page, err error) {
	for range maxSearchSteps {
		if page, err = r.Index.Search(ctx, q); err != nil || len(page.Rows) > 0 || !page.More {
			return page, err
		}
		q.From = page.Next
	}
	return page, nil
}

func pageSize(n int) int {
	if n <= 0 {
		return defaultPage
	}
	return min(n, maxPage)
}

// filterError names the field that is not known, so that a reader of the error
// alone can mend the filter.
func filterError(err error) *Error {
	var f *index.FilterError
	if errors.As(err, &f) && f.Field != "" {
		return invalid("FILTER_FIELD", err)
	}
	return invalid("FILTER_MALFORMED", err)
}

// Bounds of one lineage answer. A larger graph is cut, and says so.
const (
	maxLineageNodes = 1000
	maxLineageDepth = 64
	// maxLineageEdges keeps an answer below 1 MiB; maxLineageLinks bounds what is
	// read for it, since amendments may claim each edge any number of times.
	maxLineageEdges = 10_000
	maxLineageLinks = 50_000
	linkPage        = 200
)

// Lineage walks from one model or dataset to what it was made from, or to what
// was made from it, as accepted entries claim. A parent that no entry binds
// stays in the graph as unregistered: leaving it out would look like an answer.
// Cycles are possible, since a digest may be named before it is logged; each
// node is visited once.
func (r *Registry) Lineage(ctx context.Context, q LineageQuery) (*Lineage, error) {
	size, err := r.settle(ctx)
	if err != nil {
		return nil, err
	}
	at, err := r.resolve(ctx, q.Ref, size)
	if err != nil {
		return nil, err
	}
	row, err := r.Index.Get(ctx, at)
	if err != nil {
		return nil, internal("reading the index", err)
	}
	if row.Kind != "model" && row.Kind != "dataset" {
		return nil, &Error{Code: FailedPrecondition, Reason: "NO_LINEAGE", Message: fmt.Sprintf("entry %d is a %s, and only models and datasets have a lineage", at, row.Kind)}
	}
	w := &walk{r: r, down: q.Down, graph: &Lineage{Size: size}, seen: map[string]int{}, edges: map[LineageEdge]struct{}{}}
	if err := w.run(ctx, row.Digest, depthOf(q.Depth)); err != nil {
		return nil, err
	}
	return w.graph, nil
}

func depthOf(n int) int {
	if n <= 0 || n > maxLineageDepth {
		return maxLineageDepth
	}
	return n
}

// A walk is one breadth-first search.
type walk struct {
	r     *Registry
	down  bool
	graph *Lineage
	seen  map[string]int // digest -> node
	edges map[LineageEdge]struct{}
	links int // read so far
}

func (w *walk) run(ctx context.Context, root string, depth int) error {
	if _, err := w.node(ctx, root, ""); err != nil {
		return err
	}
	for from := 0; from < len(w.graph.Nodes); depth-- {
		to := len(w.graph.Nodes) // the nodes of one level are from..to
		if depth == 0 {
			w.graph.Truncated = true
			return nil
		}
		for i := from; i < to; i++ {
			if w.spent() {
				w.graph.Truncated = true
				return nil
			}
			if err := w.expand(ctx, i); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// spent reports whether the answer, or the work for it, has reached its bound.
func (w *walk) spent() bool {
	return len(w.graph.Edges) >= maxLineageEdges || w.links >= maxLineageLinks
}

// expand adds the edges of one node, page by page.
func (w *walk) expand(ctx context.Context, i int) error {
	digest := w.graph.Nodes[i].Digest
	for from := uint64(0); ; {
		page, err := w.read(ctx, digest, from)
		if err != nil {
			return internal("reading lineage", err)
		}
		for _, l := range page.Links {
			if w.spent() {
				w.graph.Truncated = true
				return nil
			}
			w.links++
			other, name := l.Parent, l.ParentName
			if w.down {
				other, name = l.Child, ""
			}
			if len(w.graph.Nodes) >= maxLineageNodes && w.seen[other] == 0 && other != w.graph.Nodes[0].Digest {
				w.graph.Truncated = true
				return nil
			}
			j, err := w.node(ctx, other, name)
			if err != nil {
				return err
			}
			edge := LineageEdge{Child: i, Parent: j, Relation: l.Relation}
			if w.down {
				edge.Child, edge.Parent = j, i
			}
			w.edge(edge)
		}
		if !page.More {
			return nil
		}
		from = page.Next
	}
}

func (w *walk) read(ctx context.Context, digest string, from uint64) (index.LinkPage, error) {
	if err := ctx.Err(); err != nil { // an index that answers from memory may not ask
		return index.LinkPage{}, err
	}
	if w.down {
		return w.r.Index.Children(ctx, digest, w.graph.Size, from, linkPage)
	}
	return w.r.Index.Parents(ctx, digest, w.graph.Size, from, linkPage)
}

// edge adds an edge unless an amendment repeats it.
func (w *walk) edge(e LineageEdge) {
	if _, have := w.edges[e]; have {
		return
	}
	w.edges[e] = struct{}{}
	w.graph.Edges = append(w.graph.Edges, e)
}

// node returns the node of a digest, adding it if it is new.
func (w *walk) node(ctx context.Context, digest, claimed string) (int, error) {
	if i, ok := w.seen[digest]; ok {
		return i, nil
	}
	n := LineageNode{Digest: digest, Name: claimed}
	bound, err := w.r.Index.Resolve(ctx, digest, w.graph.Size)
	if err != nil {
		return 0, internal("reading lineage", err)
	}
	if len(bound) > 0 {
		row, how, err := w.r.binding(ctx, bound)
		if err != nil {
			return 0, err
		}
		n.Kind, n.Name, n.Index, n.Registered, n.Standing = row.Kind, row.Name, row.Index, true, how
	}
	i := len(w.graph.Nodes)
	w.seen[digest] = i
	w.graph.Nodes = append(w.graph.Nodes, n)
	return i, nil
}
