package main

import (
	"context"
	"runtime"

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
	seed, croissant     string
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

With --salted nobody can tell a record by guessing it and hashing the guess. The
salts follow from a seed, which is made when FILE is not there and is yours to
keep: with it "hallmark dataset open" shows single records and "hallmark dataset
erase" forgets some for good. Every version takes a seed of its own.

With --croissant the licence and the sources are those of the document, unless
flags name others; its SHA-256 values must be those of the files, and the
statement names its digest. The document itself stays where it is.

The same folder and arguments give the same entry, so a repeat finds the entry
that is there, and exits 0.`,
		Example: `  hallmark publish dataset ./rows --lines --name acme/data --version 1.0.0 --key me.key --license CC-BY-4.0
  hallmark publish dataset ./rows --lines --salted --seed rows.seed --name acme/data --version 1.0.0 --key me.key --license NONE
  hallmark publish dataset ./titanic/data --croissant ./titanic/metadata.json --name acme/titanic --version 1.0.0 --key me.key`,
		Args: arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, key, err := p.read(cmd)
			if err != nil {
				return err
			}
			if err := p.checkFlags(cmd); err != nil {
				return err
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
	flags.BoolVar(&p.salted, "salted", false, "hide each record behind a salt of its own")
	flags.StringVar(&p.seed, "seed", "", "file of the salts, made if it is not there")
	flags.StringVar(&p.croissant, "croissant", "", "Croissant document that describes the dataset")
	flags.StringArrayVar(&p.sources, "source", nil, "where it comes from, a URI or a line of text; may be repeated")
	flags.StringArrayVar(&p.modalities, "modality", nil, "such as text, image, audio; may be repeated")
	return cmd
}

func (p *datasetPublish) checkFlags(cmd *cobra.Command) error {
	if p.salted != (p.seed != "") {
		return cli.Usage("got --salted %t and --seed %q, want both or none", p.salted, p.seed)
	}
	if p.croissant != "" {
		return nil
	}
	return requireFlags(cmd, "license")
}

// run reads what is short before it hashes what is long: a document without a
// licence must not cost an hour.
func (p *datasetPublish) run(ctx context.Context, c *connection, path string, name statement.Name, key *entry.PrivateKey) error {
	st := &statement.Dataset{Form: statement.FormFiles, License: p.license, Sources: p.sources, Modalities: p.modalities, Salted: p.salted}
	document, err := readDocument(p.croissant)
	if err == nil {
		err = document.describe(st)
	}
	if err != nil {
		return err
	}
	o := dataset.Options{Workers: runtime.NumCPU()}
	if p.lines {
		o.Split, st.Form = dataset.Lines, statement.FormLines
	}
	if p.salted {
		if err := seedFile(p.seed).outside(path); err != nil {
			return err
		}
		seed, err := seedFile(p.seed).readOrMake(c.session, o.Split)
		if err != nil {
			return err
		}
		o.Salts = seed.Salts
	}
	d, err := p.hash(ctx, c.session, path, o)
	if err != nil {
		return err
	}
	if err := document.compare(c.session, path, d); err != nil {
		return err
	}
	if p.salted && !p.dryRun {
		if err := seedFile(p.seed).bind(d.Digest); err != nil {
			return err
		}
	}
	st.Root, st.Records, st.Files, st.Bytes = d.Root, d.Records, uint64(len(d.Files)), d.Bytes
	signed := statement.NewDataset(name, st)
	signed.Sort()
	return c.publishStatement(ctx, signed, key, nil, &p.subjectFlags)
}

func (p *datasetPublish) hash(ctx context.Context, s *session, path string, o dataset.Options) (*dataset.Dataset, error) {
	src, err := openSource(path, p.out, p.source)
	if err != nil {
		return nil, err
	}
	bar := s.progress("hashing")
	defer bar.finish()
	o.Tree, o.Progress = src.tree, bar.update
	d, err := dataset.Digest(ctx, src.fsys, o)
	if err != nil {
		return nil, filesError("hashing "+path, err)
	}
	return d, nil
}
