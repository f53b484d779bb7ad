package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

func datasetCommand(s *session) *cobra.Command {
	return group("dataset", "Show, erase and check the records of a dataset, offline",
		datasetOpenCommand(s), datasetEraseCommand(s), datasetCheckCommand(s))
}

// A datasetSource says which records are meant: the files, how they are cut, and
// by which salts they are hidden.
type datasetSource struct {
	source sourceFlags
	lines  bool
	seed   string
}

// options opens the files. Where there is a seed it says how they are cut.
func (d *datasetSource) options(s *session, path, out string) (*source, dataset.Options, *dataset.SeedFile, error) {
	var o dataset.Options
	var seed *dataset.SeedFile
	if d.lines {
		o.Split = dataset.Lines
	}
	if d.seed != "" {
		if err := seedFile(d.seed).outside(path); err != nil {
			return nil, o, nil, err
		}
		var err error
		if seed, err = seedFile(d.seed).read(); err != nil {
			return nil, o, nil, err
		}
		if seed.Dataset == [32]byte{} {
			return nil, o, nil, cli.Usage("the seed %s is for no dataset yet", d.seed).
				WithHint("hallmark publish dataset --salted --seed %s", d.seed)
		}
		o.Split, o.Salts = seed.Split, seed.Salts
	}
	src, err := openSource(path, out, d.source)
	if err != nil {
		return nil, o, nil, err
	}
	o.Tree, o.Workers = src.tree, runtime.NumCPU()
	return src, o, seed, nil
}

// differs says that files are not those that the seed's dataset was made of.
func differs(path string, seed *dataset.SeedFile, got *dataset.Dataset) error {
	if seed == nil || got.Digest == seed.Dataset {
		return nil
	}
	return cli.Fail(cli.ExitDifference, "DATASET_DIFFERS", "hashing "+path,
		fmt.Errorf("got dataset digest %s, the seed's is %s", digestText(got.Digest), digestText(seed.Dataset))).
		WithHint("a record that was erased must leave a record behind: an empty line, or an empty file")
}

// datasetError names what keeps a record from being shown.
func datasetError(attempted string, err error) error {
	reason := ""
	switch {
	case errors.Is(err, dataset.ErrNoRecord):
		reason = "NO_RECORD"
	case errors.Is(err, dataset.ErrErased):
		reason = "RECORD_ERASED"
	case errors.Is(err, dataset.ErrTooLarge):
		reason = "RECORD_TOO_LARGE"
	default:
		return filesError(attempted, err)
	}
	return cli.Fail(cli.ExitUsage, reason, attempted, err)
}

func datasetCheckCommand(s *session) *cobra.Command {
	var d datasetSource
	cmd := &cobra.Command{
		Use:   "check PATH --seed FILE",
		Short: "Check that files are those of a salted dataset",
		Long: `Computes the digest of a salted dataset with its owner's seed and compares it with
the one that was published. Without the seed nobody can.`,
		Example: "  hallmark dataset check ./rows --seed rows.seed",
		Args:    arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "seed"); err != nil {
				return err
			}
			return d.check(cmd.Context(), s, args[0])
		},
	}
	d.source.defineLinks(cmd)
	cmd.Flags().StringVar(&d.seed, "seed", "", "file of the salts")
	return cmd
}

// A checkedDataset is the result of check. Its members are stable.
type checkedDataset struct {
	Digest  string `json:"digest"`
	Records uint64 `json:"records"`
	Files   int    `json:"files"`
	Bytes   uint64 `json:"bytes"`
	Erased  int    `json:"erased"`
}

func (d *datasetSource) check(ctx context.Context, s *session, path string) error {
	src, o, seed, err := d.options(s, path, "")
	if err != nil {
		return err
	}
	bar := s.progress("hashing")
	defer bar.finish()
	o.Progress = bar.update
	got, err := dataset.Digest(ctx, src.fsys, o)
	if err != nil {
		return datasetError("hashing "+path, err)
	}
	if err := differs(path, seed, got); err != nil {
		return err
	}
	out := checkedDataset{digestText(got.Digest), got.Records, len(got.Files), got.Bytes, len(o.Salts.Erased())}
	return s.show(out,
		field{"digest", out.Digest},
		field{"records", fmt.Sprintf("%d in %d files, %s", out.Records, out.Files, verifier.Bytes(out.Bytes))},
		field{"erased", fmt.Sprint(out.Erased)})
}
