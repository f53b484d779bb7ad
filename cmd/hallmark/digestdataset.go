package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

// A datasetDigest is one run of digest --dataset: what publish dataset would
// publish of an open dataset.
type datasetDigest struct {
	asked, lines bool
}

func (d *datasetDigest) define(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.asked, "dataset", false, "the digest of a dataset, not of a model")
	cmd.Flags().BoolVar(&d.lines, "lines", false, "with --dataset: a record is a line, not a whole file")
}

// check refuses flags that would be ignored.
func (d *datasetDigest) check(cmd *cobra.Command) error {
	if !d.asked && d.lines {
		return cli.Usage("--lines without --dataset: a model has no records")
	}
	for _, flag := range []string{"raw", "ignore", "fast", "chunks"} {
		if d.asked && cmd.Flags().Changed(flag) {
			return cli.Usage("both --dataset and --%s, which is for models", flag)
		}
	}
	return nil
}

// A datasetResult is what digest --dataset prints. Its members are stable.
type datasetResult struct {
	DatasetDigest string              `json:"dataset_digest"`
	Root          string              `json:"root"`
	Records       uint64              `json:"records"`
	Bytes         uint64              `json:"bytes"`
	Files         []datasetResultFile `json:"files"`
}

type datasetResultFile struct {
	Path    string `json:"path"`
	Records uint64 `json:"records"`
	Size    uint64 `json:"size"`
	SHA256  string `json:"sha256"`
	Root    string `json:"root"`
}

func (d *datasetDigest) run(ctx context.Context, s *session, path string, f sourceFlags) error {
	from := datasetSource{source: f, lines: d.lines}
	src, o, _, err := from.options(s, path, "")
	if err != nil {
		return err
	}
	bar := s.progress("hashing")
	o.Progress = bar.update
	got, err := dataset.Digest(ctx, src.fsys, o)
	bar.finish()
	if err != nil {
		return datasetError("hashing "+path, err)
	}
	return s.showDataset(got)
}

func (s *session) showDataset(d *dataset.Dataset) error {
	out := datasetResult{DatasetDigest: digestText(d.Digest), Root: digestText(d.Root), Records: d.Records, Bytes: d.Bytes}
	var table strings.Builder
	for _, f := range d.Files {
		file := datasetResultFile{f.Path, f.Records, f.Size, digestText(f.SHA256), digestText(f.Root)}
		out.Files = append(out.Files, file)
		fmt.Fprintf(&table, "  %s  %12d  %s\n", file.SHA256, file.Size, printable(file.Path))
	}
	err := s.show(out,
		field{"dataset digest", out.DatasetDigest},
		field{"root", out.Root},
		field{"records", fmt.Sprintf("%d in %d files, %s", out.Records, len(out.Files), verifier.Bytes(out.Bytes))})
	if err != nil || s.format == "json" {
		return err
	}
	return s.write([]byte(table.String()))
}
