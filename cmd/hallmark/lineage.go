package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/registry/client"
)

func lineageCommand(s *session) *cobra.Command {
	var o client.LineageOptions
	cmd := &cobra.Command{
		Use:   "lineage REF",
		Short: "Show what a model was made from, or what was made from it",
		Long: `Follows the edges that accepted entries claim: from a model up to its bases and
datasets, or with --down to what was made from it. What no entry registers is
shown as unregistered, never left out. Where the registry has the manifests of a
model and its base, it says how many tensors are identical: that is computed from
what their digests commit to, and nobody's claim.`,
		Example: "  hallmark lineage acme/tiny-ft@1.0.0\n  hallmark lineage acme/data@1.0.0 --down --format mermaid",
		Args:    arguments("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.ask()
			if err != nil {
				return err
			}
			l, err := call(cmd.Context(), s, "following "+args[0], func(ctx context.Context) (*client.Lineage, error) {
				return c.Lineage(ctx, args[0], o)
			})
			if err != nil {
				return err
			}
			return s.showLineage(l, s.sharings(cmd.Context(), c, l), o.Down)
		},
	}
	cmd.Flags().BoolVar(&o.Down, "down", false, "to what was made from it")
	cmd.Flags().Var(&whole[uint32]{"depth", &o.Depth, 0}, "depth", "how many steps to follow (default: as many as the registry allows)")
	cmd.Flags().Var(newChoice(&s.format, "text", "tree", "json", "dot", "mermaid"), "format", "text (the same as tree), json, dot or mermaid")
	return cmd
}

func (s *session) showLineage(l *client.Lineage, shared map[int]*sharing, down bool) error {
	var err error
	switch s.format {
	case "json":
		err = s.json(lineageJSON(l, shared))
	case "dot":
		err = s.write([]byte(lineageDot(l)))
	case "mermaid":
		err = s.write([]byte(lineageMermaid(l)))
	default:
		err = s.write([]byte(lineageTree(l, shared, down)))
	}
	if err == nil && l.Truncated {
		s.status("warning: the graph is cut here: ask again from a node at its rim")
	}
	return err
}

// A lineageResult is the JSON form of lineage. Its members are stable.
type lineageResult struct {
	Nodes     []lineageNode `json:"nodes"` // the first is what was asked for
	Edges     []lineageEdge `json:"edges"`
	Truncated bool          `json:"truncated"`
	TreeSize  uint64        `json:"tree_size"`
}

type lineageNode struct {
	Digest     string  `json:"digest"`
	Kind       string  `json:"kind"`
	Name       string  `json:"name"`
	Registered bool    `json:"registered"`
	Index      *uint64 `json:"index"` // null when not registered

	Standing *shownStanding `json:"standing,omitempty"`
}

type lineageEdge struct {
	Child    int    `json:"child"` // position in nodes
	Parent   int    `json:"parent"`
	Relation string `json:"relation"`

	Shared *sharing `json:"shared,omitempty"` // computed from both manifests, where they are stored
}

func lineageJSON(l *client.Lineage, shared map[int]*sharing) lineageResult {
	out := lineageResult{Nodes: []lineageNode{}, Edges: []lineageEdge{}, Truncated: l.Truncated, TreeSize: l.TreeSize}
	for i := range l.Nodes {
		n := &l.Nodes[i]
		shown := lineageNode{Digest: n.Digest, Kind: n.Kind, Name: n.Name, Registered: n.Registered}
		if n.Registered {
			shown.Index, shown.Standing = &n.Index, showStanding(n.Standing)
		}
		out.Nodes = append(out.Nodes, shown)
	}
	for i, e := range l.Edges {
		out.Edges = append(out.Edges, lineageEdge{e.Child, e.Parent, e.Relation, shared[i]})
	}
	return out
}

// lineageTree draws the graph as a tree. A node that several paths lead to is
// unfolded once; that also ends a cycle, which a log can hold, since a digest may
// be named before it is logged.
func lineageTree(l *client.Lineage, shared map[int]*sharing, down bool) string {
	t := &treeDrawing{lineage: l, next: make([][]step, len(l.Nodes)), drawn: make([]bool, len(l.Nodes))}
	for i, e := range l.Edges {
		from, to := e.Child, e.Parent
		if down {
			from, to = to, from
		}
		t.next[from] = append(t.next[from], step{to, e.Relation, shared[i]})
	}
	t.out.WriteString(nodeText(&l.Nodes[0]) + "\n")
	t.below(0, "")
	return t.out.String()
}

// A step leads to a node, by a relation.
type step struct {
	to       int
	relation string
	shared   *sharing // nil: not compared
}

type treeDrawing struct {
	lineage *client.Lineage
	next    [][]step
	drawn   []bool
	out     strings.Builder
}

func (t *treeDrawing) below(node int, indent string) {
	t.drawn[node] = true
	for i, s := range t.next[node] {
		branch, rest := "├─ ", "│  "
		if i == len(t.next[node])-1 {
			branch, rest = "└─ ", "   "
		}
		note := ""
		if s.shared != nil {
			note = "  " + s.shared.String()
		}
		if t.drawn[s.to] && len(t.next[s.to]) > 0 {
			note += "  (see above)"
		}
		fmt.Fprintf(&t.out, "%s%s%s  %s%s\n", indent, branch, printable(s.relation), nodeText(&t.lineage.Nodes[s.to]), note)
		if !t.drawn[s.to] {
			t.below(s.to, indent+rest)
		}
	}
}

func nodeText(n *client.LineageNode) string {
	var parts []string
	for _, p := range []string{printable(n.Name), printable(n.Kind), shortDigest(n.Digest)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if !n.Registered {
		parts = append(parts, "(unregistered)")
	}
	switch s := &n.Standing; {
	case s.State != "":
		parts = append(parts, "("+printable(s.State)+")")
	case s.Unbound:
		parts = append(parts, "(unbound)")
	case s.Disputed > 0:
		parts = append(parts, "(disputed)")
	}
	return strings.Join(parts, "  ")
}

// lineageDot writes Graphviz: arrows lead from what was made to what it was made
// from.
func lineageDot(l *client.Lineage) string {
	var b strings.Builder
	b.WriteString("digraph lineage {\n  rankdir=BT;\n  node [shape=box];\n")
	for i := range l.Nodes {
		style := ""
		if !l.Nodes[i].Registered {
			style = ", style=dashed"
		}
		fmt.Fprintf(&b, "  n%d [label=%s%s];\n", i, strconv.Quote(nodeText(&l.Nodes[i])), style)
	}
	for _, e := range l.Edges {
		fmt.Fprintf(&b, "  n%d -> n%d [label=%s];\n", e.Child, e.Parent, strconv.Quote(printable(e.Relation)))
	}
	b.WriteString("}\n")
	return b.String()
}

// lineageMermaid writes what Markdown pages draw. Its strings know no escape for
// a quote but an entity.
func lineageMermaid(l *client.Lineage) string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, "#quot;") + `"` }
	var b strings.Builder
	b.WriteString("graph BT\n")
	for i := range l.Nodes {
		fmt.Fprintf(&b, "  n%d[%s]\n", i, quote(nodeText(&l.Nodes[i])))
	}
	for _, e := range l.Edges {
		fmt.Fprintf(&b, "  n%d -->|%s| n%d\n", e.Child, quote(printable(e.Relation)), e.Parent)
	}
	return b.String()
}
