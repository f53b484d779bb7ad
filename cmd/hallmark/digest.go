package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func digestCommand(s *session) *cobra.Command {
	var f sourceFlags
	var fast, asJSON bool
	var chunks string
	var records datasetDigest
	var others omsDigest
	var layers ociDigest
	cmd := &cobra.Command{
		Use:   "digest PATH",
		Short: "Print the digest of a model or dataset",
		Long: `Hashes a model and prints its digests: the model digest, which is its identity,
and for each file the SHA-256 that sha256sum prints. Each byte is read once.

A file that did not change since it was last hashed is not read again. What was
found is kept in $XDG_CACHE_HOME/hallmark (~/.cache/hallmark), where it may be
deleted at any time.

With --dataset the files are those of a dataset, and the digest is that under
which publish dataset logs them when it is not salted.

With --oms it is the root digest that a signature of OpenSSF Model Signing has:
SHA-256 over the digests of all files in the order of their names. With --oci it is
an OCI descriptor for each file, a line each: the layers of a CNCF ModelPack
artifact in which every file is as it is.`,
		Example: `  hallmark digest ./tiny --json
  hallmark digest ./rows --dataset --lines
  hallmark digest ./tiny --oms --oms-hash blake3
  hallmark digest ./tiny --oci`,
		Args: arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				s.format = "json"
			}
			for _, check := range []func(*cobra.Command) error{records.check, others.check, layers.check} {
				if err := check(cmd); err != nil {
					return err
				}
			}
			switch {
			case records.asked:
				return records.run(cmd.Context(), s, args[0], f)
			case others.asked:
				return others.run(cmd.Context(), s, args[0], f)
			}
			f.keepChunks = chunks != ""
			m, err := s.hashModel(cmd.Context(), args[0], "", f, fast)
			if err == nil && f.keepChunks {
				err = s.writeChunks(chunks, m)
			}
			switch {
			case err != nil:
				return err
			case layers.asked:
				return layers.show(s, m)
			}
			return s.showDigest(m)
		},
	}
	f.define(cmd)
	cmd.Flags().StringVar(&chunks, "chunks", "", "folder to write chunk lists to, for hallmark verify --range: each is named by the root of its tensor or raw file")
	records.define(cmd)
	others.define(cmd)
	layers.define(cmd)
	cmd.Flags().BoolVar(&fast, "fast", false, "leave out the SHA-256 of each file, which takes half of the time")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json")
	return cmd
}

// hashModel hashes the model at path. bundle is the file, if any, that will be
// written about it.
func (s *session) hashModel(ctx context.Context, path, bundle string, f sourceFlags, fast bool) (*weights.Model, error) {
	src, err := openSource(path, bundle, f)
	if err != nil {
		return nil, err
	}
	p := s.progress("hashing")
	options := weights.Options{
		Tree: src.tree, Raw: f.raw, Fast: fast, Chunks: f.keepChunks, Workers: runtime.NumCPU(), Progress: p.update}
	var cache *digestCache
	if !f.noCache {
		cache = openDigestCache(src.dir, time.Now())
	}
	if cache != nil {
		options.Known = cache.known
	}
	m, err := weights.Digest(ctx, src.fsys, options)
	p.finish()
	if err != nil {
		return nil, filesError("hashing "+path, err)
	}
	if cache != nil && !fast {
		cache.store(src.fsys, src.tree, m)
	}
	if cache != nil && cache.hits > 0 {
		s.status("%d of %d files did not change since they were last hashed (--no-cache hashes them again)", cache.hits, len(m.Files))
	}
	return m, nil
}

// writeChunks writes the chunk list of each raw file and tensor of more than one
// chunk. A part of one chunk is read as a whole in any case.
func (s *session) writeChunks(dir string, m *weights.Model) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cli.Fail(cli.ExitUnknown, "OUTPUT_FAILED", "writing chunk lists", err)
	}
	written := 0
	write := func(root [32]byte, list [][32]byte) error {
		if len(list) < 2 {
			return nil
		}
		written++
		return writeFile(filepath.Join(dir, hex.EncodeToString(root[:])), weights.AppendChunks(nil, list))
	}
	for _, f := range m.Files {
		if err := write(f.Root, f.Chunks); err != nil {
			return err
		}
		for _, t := range f.Tensors {
			if err := write(t.Root, t.Chunks); err != nil {
				return err
			}
		}
	}
	s.status("%d chunk lists in %s", written, dir)
	return nil
}

// A digestResult is what digest prints. Its members are stable.
type digestResult struct {
	ModelDigest string       `json:"model_digest"`
	FileRoot    string       `json:"file_root"`
	WeightsRoot string       `json:"weights_root"`
	Tensors     uint64       `json:"tensors"`
	Files       []digestFile `json:"files"`
}

type digestFile struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"`
	Size   uint64 `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // absent with --fast
	Root   string `json:"root"`
}

func (s *session) showDigest(m *weights.Model) error {
	out := digestResult{
		ModelDigest: digestText(m.Digest), FileRoot: digestText(m.FileRoot), WeightsRoot: digestText(m.WeightsRoot),
		Tensors: m.TensorCount,
	}
	var table strings.Builder
	for _, f := range m.Files {
		d := digestFile{Path: f.Path, Kind: f.Kind.String(), Size: f.Size, Root: digestText(f.Root)}
		if f.SHA256 != [32]byte{} {
			d.SHA256 = digestText(f.SHA256)
		}
		out.Files = append(out.Files, d)
		fmt.Fprintf(&table, "  %-71s  %12d  %-11s  %s\n", d.SHA256, d.Size, d.Kind, printable(d.Path))
	}
	err := s.show(out,
		field{"model digest", out.ModelDigest},
		field{"file root", out.FileRoot},
		field{"weights root", out.WeightsRoot},
		field{"files", fmt.Sprintf("%d, %d tensors, %s", len(m.Files), m.TensorCount, verifier.Bytes(m.ByteCount))})
	if err != nil || s.format == "json" {
		return err
	}
	return s.write([]byte(table.String()))
}

func digestText(d [32]byte) string { return statement.Digest(d).String() }
