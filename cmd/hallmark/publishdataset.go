package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A datasetPublish is one run of publish dataset.
type datasetPublish struct {
	subjectFlags
	source              sourceFlags
	lines, salted       bool
	sources, modalities []string
}

func publishDatasetCommand(s *session) *cobra.Command {
	var p datasetPublish
	cmd := &cobra.Command{
		Use:   "dataset PATH --name NS/NAME --version V --key KEY --license SPDX",
		Short: "Publish the commitment to a dataset",
		Long: `Hashes a dataset record by record, signs a statement of what it is, and publishes
it. The records themselves stay where they are. A record is a whole file, or with
--lines a line.

The same folder and arguments give the same entry, so a repeat finds the entry
that is there, and exits 0.`,
		Example: "  hallmark publish dataset ./rows --lines --name acme/data --version 1.0.0 --key me.key --license CC-BY-4.0",
		Args:    arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, key, err := p.read(cmd)
			if err != nil {
				return err
			}
			if err := requireFlags(cmd, "license"); err != nil {
				return err
			}
			if p.salted {
				return cli.Fail(cli.ExitUsage, "UNSUPPORTED", "publishing "+name.String(), errors.New("salted data sets are not yet supported"))
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			return p.run(cmd.Context(), c, args[0], name, key)
		},
	}
	flags := cmd.Flags()
	p.define(cmd)
	p.source.defineLinks(cmd)
	flags.BoolVar(&p.lines, "lines", false, "a record is a line, as in JSONL, CSV and text")
	flags.BoolVar(&p.salted, "salted", false, "not yet supported")
	flags.StringArrayVar(&p.sources, "source", nil, "where it comes from, a URI or a line of text; may be repeated")
	flags.StringArrayVar(&p.modalities, "modality", nil, "such as text, image, audio; may be repeated")
	return cmd
}

func (p *datasetPublish) run(ctx context.Context, c *connection, path string, name statement.Name, key *entry.PrivateKey) error {
	d, err := p.hash(ctx, c.session, path)
	if err != nil {
		return err
	}
	form := statement.FormFiles
	if p.lines {
		form = statement.FormLines
	}
	st := statement.NewDataset(name, &statement.Dataset{
		Root: d.Root, Records: d.Records, Files: uint64(len(d.Files)), Bytes: d.Bytes, Form: form,
		License: p.license, Sources: p.sources, Modalities: p.modalities})
	st.Sort()
	return c.publishStatement(ctx, st, key, nil, &p.subjectFlags)
}

func (p *datasetPublish) hash(ctx context.Context, s *session, path string) (*dataset.Dataset, error) {
	src, err := openSource(path, p.out, p.source)
	if err != nil {
		return nil, err
	}
	split := dataset.WholeFiles
	if p.lines {
		split = dataset.Lines
	}
	bar := s.progress("hashing")
	defer bar.finish()
	d, err := dataset.Digest(ctx, src.fsys, dataset.Options{Tree: src.tree, Split: split, Progress: bar.update})
	if err != nil {
		return nil, filesError("hashing "+path, err)
	}
	return d, nil
}
