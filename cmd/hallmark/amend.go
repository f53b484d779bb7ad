package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// mostAmendments bounds the amendments that get names. Who has more searches for
// them.
const mostAmendments = 50

// binding returns the entry that binds a name, or nil: none does, or a model and
// a dataset both do.
func (s *session) binding(ctx context.Context, c *client.Client, name string) (*client.Entry, error) {
	e, err := call(ctx, s, "looking "+name+" up", func(ctx context.Context) (*client.Entry, error) { return c.Entry(ctx, name) })
	var answer *client.Error
	if errors.As(err, &answer) && (answer.Code == codes.NotFound || answer.Code == codes.FailedPrecondition) {
		return nil, nil
	}
	return e, err
}

// amends fills in which entry an entry says something more about: the one that
// binds the same name to the same digest, and is another. A publisher who means
// to repeat a publish, and changed an argument, learns that it is none.
func (c *connection) amends(ctx context.Context, p *published, e *entry.Entry) error {
	if _, err := statement.ParseName(p.Name); err != nil || !binds(p.Kind) {
		return nil
	}
	first, err := c.binding(ctx, c.Client, p.Name)
	if err == nil && first != nil && first.Kind == p.Kind && first.Digest == p.Digest && first.EntryID != e.ID() {
		p.Amends = &first.Index
	}
	return err
}

// binds reports whether entries of a kind bind a name to a digest.
func binds(kind string) bool {
	return kind == statement.KindModel.String() || kind == statement.KindDataset.String()
}

// addAmendments fills in which entry an entry amends, or else by which later ones
// it is amended.
func (s *session) addAmendments(ctx context.Context, c *client.Client, e *client.Entry, out *shownEntry) error {
	name, err := statement.ParseName(e.Name)
	if err != nil || !binds(e.Kind) || e.Code != index.CodeAccepted {
		return nil
	}
	first, err := s.binding(ctx, c, e.Name)
	if err != nil || first == nil || first.Kind != e.Kind || first.Digest != e.Digest || first.Index > e.Index {
		return err
	}
	if first.Index < e.Index {
		out.Amends = &first.Index
		return nil
	}
	filter := fmt.Sprintf("kind = %q AND name = %q AND version = %q AND digest = %q AND code = %q",
		e.Kind, name.Base(), name.Version, e.Digest, index.CodeAccepted)
	out.Amended, err = call(ctx, s, "looking for amendments", func(ctx context.Context) (later []uint64, err error) {
		for page, err := range c.Search(ctx, filter, mostAmendments+2) { // with e itself, and one that tells of more
			if err != nil || len(later) > mostAmendments {
				return later, err
			}
			for _, found := range page.Entries {
				if found.Index > e.Index {
					later = append(later, found.Index)
				}
			}
		}
		return later, nil
	})
	return err
}

// amendsText and amendedText are for people. Nothing amended is no text.
func amendsText(at *uint64) string {
	if at == nil {
		return ""
	}
	return "entry " + number(*at)
}

func amendedText(at []uint64) string {
	var shown []string
	for _, n := range at[:min(len(at), mostAmendments)] {
		shown = append(shown, number(n))
	}
	switch {
	case len(shown) == 0:
		return ""
	case len(shown) == 1:
		return "entry " + shown[0]
	case len(shown) < len(at):
		return "entries " + strings.Join(shown, ", ") + " and more"
	}
	return "entries " + strings.Join(shown, ", ")
}
