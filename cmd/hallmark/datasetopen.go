package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

// A recordFlags says which record is meant. All numbers count from 0.
type recordFlags struct {
	rows []uint
	file string
	line uint64
}

func (f *recordFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.UintSliceVar(&f.rows, "row", nil, "number of the record in the whole dataset, from 0; may be repeated where several are meant")
	flags.StringVar(&f.file, "file", "", "file that the record is in, or is")
	flags.Var(&whole[uint64]{"line", &f.line, 0}, "line", "number of the line in --file, from 0")
}

// positions reads the flags. A dataset of whole files has no lines to name.
func (f *recordFlags) positions(cmd *cobra.Command, split dataset.Split) ([]dataset.Position, error) {
	row, file, line := cmd.Flags().Changed("row"), cmd.Flags().Changed("file"), cmd.Flags().Changed("line")
	switch {
	case row == file:
		return nil, cli.Usage("want either --row or --file").WithHint("%s --help", cmd.CommandPath())
	case line && !file:
		return nil, cli.Usage("--line without --file")
	case file && f.file == "":
		return nil, cli.Usage("--file is empty")
	case file && line != (split == dataset.Lines):
		return nil, cli.Usage("records are %v: got --line %t, want %t", split, line, !line)
	case file:
		return []dataset.Position{{Path: f.file, Index: f.line}}, nil
	}
	var all []dataset.Position
	for _, r := range f.rows {
		all = append(all, dataset.Position{Index: uint64(r)})
	}
	return all, nil
}

// A datasetOpen is one run of dataset open.
type datasetOpen struct {
	datasetSource
	record recordFlags
	out    string
}

func datasetOpenCommand(s *session) *cobra.Command {
	var d datasetOpen
	cmd := &cobra.Command{
		Use:   "open PATH (--row N | --file PATH [--line K]) [--seed FILE | --lines] -o OPENING",
		Short: "Show one record, so that others can check where it belongs",
		Long: `Writes an opening: one record with its salt and its Merkle paths. Whoever has it
and the bundle of the dataset checks offline that this record is in that dataset,
and learns of the other records nothing but their number and size:

  hallmark-verify data.hallmark --opening row.opening --policy ... --publisher ...

Records and lines count from 0. All files are read once, to find the paths.`,
		Example: "  hallmark dataset open ./rows --row 17 --seed rows.seed -o row.opening",
		Args:    arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "output"); err != nil {
				return err
			}
			if d.lines && d.seed != "" {
				return cli.Usage("both --lines and --seed: the seed knows what a record is")
			}
			return d.run(cmd, s, args[0])
		},
	}
	flags := cmd.Flags()
	d.source.defineLinks(cmd)
	d.record.define(cmd)
	flags.BoolVar(&d.lines, "lines", false, "a record is a line (of an open dataset)")
	flags.StringVar(&d.seed, "seed", "", "file of the salts (of a salted dataset)")
	flags.StringVarP(&d.out, "output", "o", "", "write the opening to this file")
	return cmd
}

// An openedRecord is the result of open. Its members are stable.
type openedRecord struct {
	Dataset string `json:"dataset"`
	File    string `json:"file"`
	Record  uint64 `json:"record"` // in its file, from 0
	Bytes   int    `json:"bytes"`
	Opening string `json:"opening"` // the file written
}

func (d *datasetOpen) run(cmd *cobra.Command, s *session, path string) error {
	src, o, seed, err := d.options(s, path, d.out)
	if err != nil {
		return err
	}
	at, err := d.record.positions(cmd, o.Split)
	if err == nil && len(at) != 1 {
		err = cli.Usage("got %d records, want one: an opening holds one", len(at))
	}
	if err != nil {
		return err
	}
	opening, hashed, err := d.open(cmd.Context(), s, src, o, at[0])
	if err != nil {
		return datasetError("opening a record of "+path, err)
	}
	if err := differs(path, seed, hashed); err != nil {
		return err
	}
	text, err := opening.Marshal()
	if err != nil {
		return err
	}
	if err := writeAtomic(d.out, text, 0o600); err != nil { // it shows what others must not see by accident
		return cli.Fail(cli.ExitUnknown, "OUTPUT_FAILED", "writing "+d.out, err)
	}
	out := openedRecord{digestText(hashed.Digest), opening.File.Path, opening.Index, len(opening.Record), d.out}
	return s.show(out,
		field{"dataset", out.Dataset},
		field{"record", fmt.Sprintf("%d of %s (from 0), %d bytes", out.Record, out.File, out.Bytes)},
		field{"opening", out.Opening})
}

func (d *datasetOpen) open(ctx context.Context, s *session, src *source, o dataset.Options, at dataset.Position) (*dataset.Opening, *dataset.Dataset, error) {
	bar := s.progress("hashing")
	defer bar.finish()
	o.Progress = bar.update
	return dataset.Open(ctx, src.fsys, o, at)
}
