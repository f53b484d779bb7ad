package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func diffCommand(s *session) *cobra.Command {
	var f sourceFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two models tensor by tensor",
		Long: `Compares model B with model A: which tensors are identical, changed, added or
removed, in whichever files they are, and likewise the files. Each of A and B is

  a folder or file         hashed now
  a bundle (*.hallmark)    taken by its manifest, as it is: verify it first
  a manifest (*.json)      taken as it is
  a REF                    fetched with its manifest, and verified

A path that exists is taken for a path. The weights themselves are not needed
where there is a manifest.`,
		Example: "  hallmark diff ./base ./finetuned\n  hallmark diff acme/tiny@1.0.0 ./tiny",
		Args:    arguments("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var sides [2]*weights.Manifest
			for i, arg := range args {
				m, err := s.manifestOf(cmd.Context(), arg, f)
				if err != nil {
					return err
				}
				sides[i] = m
			}
			return s.showDiff(sides[0], sides[1])
		},
	}
	f.define(cmd)
	return cmd
}

// manifestOf returns the manifest of what arg names.
func (s *session) manifestOf(ctx context.Context, arg string, f sourceFlags) (*weights.Manifest, error) {
	_, err := os.Lstat(arg)
	switch {
	case err != nil:
		return s.fetchManifest(ctx, arg)
	case filepath.Ext(arg) == ".hallmark":
		text, err := readBounded(arg, bundle.MaxSize)
		if err != nil {
			return nil, cli.Fail(cli.ExitUnknown, "BUNDLE_UNREADABLE", "reading "+arg, err)
		}
		return bundledManifest(arg, text)
	case filepath.Ext(arg) == ".json":
		text, err := readBounded(arg, weights.MaxManifest)
		if err != nil {
			return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "reading "+arg, err)
		}
		return parseManifest(arg, text)
	}
	m, err := s.hashModel(ctx, arg, "", f, false)
	if err != nil {
		return nil, err
	}
	return m.Manifest()
}

func (s *session) fetchManifest(ctx context.Context, ref string) (*weights.Manifest, error) {
	if strings.ContainsAny(ref, `/\`) && !strings.Contains(ref, "@") {
		return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "reading "+ref, errors.New("there is no such folder or file, and it is no REF"))
	}
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	text, _, err := c.fetch(ctx, ref, client.BundleOptions{Manifest: true})
	if err != nil {
		return nil, err
	}
	return bundledManifest(ref, text)
}

// bundledManifest returns a bundle's manifest if it is that of the bundle's model.
func bundledManifest(name string, text []byte) (*weights.Manifest, error) {
	attempted := "reading the manifest of " + name
	b, err := bundle.Parse(text)
	if err != nil {
		return nil, cli.Fail(cli.ExitProof, "BUNDLE_MALFORMED", attempted, err)
	}
	st, err := bundledModel(b)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "NOT_A_MODEL", attempted, err)
	}
	if b.Manifest == nil {
		return nil, cli.Fail(cli.ExitUsage, "MANIFEST_MISSING", attempted, errors.New("there is none in the bundle"))
	}
	m, err := parseManifest(name, b.Manifest)
	if err != nil {
		return nil, err
	}
	if got, want := statement.Digest(m.Model().Digest), st.Subjects[0].Digest; got != want {
		return nil, cli.Fail(cli.ExitProof, "MANIFEST_INVALID", attempted, fmt.Errorf("it is that of model %s, want %s", got, want))
	}
	return m, nil
}

func bundledModel(b *bundle.Bundle) (*statement.Statement, error) {
	e, err := entry.Parse(b.Entry)
	if err != nil {
		return nil, err
	}
	if e.Type() != entry.TypeStatement {
		return nil, fmt.Errorf("it is an entry of type %s", e.Type())
	}
	st, err := statement.Parse(e.Body())
	if err == nil && st.Kind != statement.KindModel {
		err = fmt.Errorf("it is about a %s", st.Kind)
	}
	return st, err
}

func parseManifest(name string, text []byte) (*weights.Manifest, error) {
	m, err := weights.ParseManifest(text)
	if err != nil {
		return nil, cli.Fail(cli.ExitProof, "MANIFEST_INVALID", "reading "+name, err)
	}
	return m, nil
}

// A diffResult is the JSON form of diff. Its members are stable.
type diffResult struct {
	First       string           `json:"first"` // model digests
	Second      string           `json:"second"`
	Tensors     diffTally        `json:"tensors"`
	Files       diffTally        `json:"files"`
	Differences []diffDifference `json:"differences"`
}

type diffTally struct {
	Identical diffCount `json:"identical"`
	Changed   diffCount `json:"changed"`
	Added     diffCount `json:"added"`
	Removed   diffCount `json:"removed"`
}

type diffCount struct {
	Count uint64 `json:"count"`
	Bytes uint64 `json:"bytes"`
}

type diffDifference struct {
	Change string `json:"change"` // changed, added, removed
	Path   string `json:"path"`
	Tensor string `json:"tensor"` // "": the file as a whole
	Detail string `json:"detail"`
}

func (s *session) showDiff(a, b *weights.Manifest) error {
	c := weights.Compare(a, b)
	out := diffResult{
		First: digestText(a.Model().Digest), Second: digestText(b.Model().Digest),
		Tensors: tallyJSON(c.Tensors), Files: tallyJSON(c.Files), Differences: []diffDifference{},
	}
	var table strings.Builder
	for _, d := range c.Differences {
		shown := diffDifference{changeName(d.Change), d.Path, d.Tensor, d.Detail}
		what := "file    " + d.Path
		if d.Tensor != "" {
			what = "tensor  " + d.Tensor
		}
		if d.Detail != "" {
			what += ": " + d.Detail
		}
		out.Differences = append(out.Differences, shown)
		fmt.Fprintf(&table, "  %-8s %s\n", shown.Change, printable(what))
	}
	same := ""
	if out.First == out.Second {
		same = "the two are one model"
	}
	err := s.show(out,
		field{"first", out.First},
		field{"second", out.Second},
		field{"tensors", tallyText(c.Tensors)},
		field{"files", tallyText(c.Files)},
		field{"result", same})
	if err != nil || s.format == "json" {
		return err
	}
	return s.write([]byte(table.String()))
}

// changeName says from the second model's side what weights.Compare says from
// the first one's.
func changeName(c weights.Change) string {
	switch c {
	case weights.Missing:
		return "removed"
	case weights.Extra:
		return "added"
	}
	return "changed"
}

func tallyJSON(t weights.Tally) diffTally {
	return diffTally{countJSON(t.Identical), countJSON(t.Changed), countJSON(t.Added), countJSON(t.Removed)}
}

func countJSON(c weights.Count) diffCount { return diffCount{c.Number, c.Bytes} }

// tallyText reads like "118 of 120 identical (1.2 GB), 2 changed (40.0 MB)": of
// those that the second model has.
func tallyText(t weights.Tally) string {
	text := fmt.Sprintf("%d of %d identical (%s)", t.Identical.Number, t.Identical.Number+t.Changed.Number+t.Added.Number, verifier.Bytes(t.Identical.Bytes))
	for _, c := range []struct {
		weights.Count
		name string
	}{{t.Changed, "changed"}, {t.Added, "added"}, {t.Removed, "removed"}} {
		if c.Number > 0 {
			text += fmt.Sprintf(", %d %s (%s)", c.Number, c.name, verifier.Bytes(c.Bytes))
		}
	}
	return text
}
