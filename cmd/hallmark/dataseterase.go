package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

// A datasetErase is one run of dataset erase.
type datasetErase struct {
	datasetSource
	record recordFlags
}

func datasetEraseCommand(s *session) *cobra.Command {
	var d datasetErase
	cmd := &cobra.Command{
		Use:   "erase PATH (--row N ... | --file PATH [--line K]) --seed FILE",
		Short: "Forget the salts of records for good",
		Long: `Takes the salts of records out of the seed. After that nobody can open them, or
tell a guess of their text from any other, while the dataset keeps its digest and
every other record opens as before. It can't be undone.

The files are not touched. Empty the line yourself, and leave its newline, or
empty the file: what stands there is not read any more. Copies of the seed and of
the files, backups among them, are yours to find, as is any opening of the record
that was given away.`,
		Example: "  hallmark dataset erase ./rows --row 17 --seed rows.seed",
		Args:    arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "seed"); err != nil {
				return err
			}
			return d.run(cmd, s, args[0])
		},
	}
	d.source.defineLinks(cmd)
	d.record.define(cmd)
	cmd.Flags().StringVar(&d.seed, "seed", "", "file of the salts")
	return cmd
}

// erasedRecords is the result of erase. Its members are stable.
type erasedRecords struct {
	Dataset string   `json:"dataset"`
	Records []uint64 `json:"records"` // in the whole dataset, from 0
	Erased  int      `json:"erased"`  // in all
}

func (d *datasetErase) run(cmd *cobra.Command, s *session, path string) error {
	src, o, seed, err := d.options(s, path, "")
	if err != nil {
		return err
	}
	at, err := d.record.positions(cmd, o.Split)
	if err != nil {
		return err
	}
	erased, hashed, err := d.erase(cmd.Context(), s, src, o, at)
	if err != nil {
		return datasetError("erasing records of "+path, err)
	}
	// The leaf hash that is kept must be the published one, or no record could be
	// opened any more.
	if err := differs(path, seed, hashed); err != nil {
		return err
	}
	out := erasedRecords{Dataset: digestText(hashed.Digest)}
	err = seedFile(d.seed).replace(func(now *dataset.SeedFile) error {
		if now.Dataset != hashed.Digest {
			return differs(path, now, hashed)
		}
		now.Salts.Erase(erased...) // on top of what others erased meanwhile
		out.Erased = len(now.Salts.Erased())
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range erased {
		out.Records = append(out.Records, e.Record)
	}
	s.status("now empty what is left of them in %s: leave an empty line, or an empty file, in the place of each", path)
	return s.show(out,
		field{"dataset", out.Dataset},
		field{"erased", fmt.Sprintf("%d records of this run, %d in all", len(out.Records), out.Erased)})
}

func (d *datasetErase) erase(ctx context.Context, s *session, src *source, o dataset.Options, at []dataset.Position) ([]dataset.Erased, *dataset.Dataset, error) {
	bar := s.progress("hashing")
	defer bar.finish()
	o.Progress = bar.update
	return dataset.Erase(ctx, src.fsys, o, at...)
}
