package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func digestCommand(s *session) *cobra.Command {
	var f sourceFlags
	var fast, asJSON bool
	cmd := &cobra.Command{
		Use:   "digest PATH",
		Short: "Print the digest of a model folder or file",
		Long: `Hashes a model and prints its digests: the model digest, which is its identity,
and for each file the SHA-256 that sha256sum prints. Each byte is read once.`,
		Example: "  hallmark digest ./tiny --json",
		Args:    arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				s.format = "json"
			}
			m, err := s.hashModel(cmd.Context(), args[0], "", f, fast)
			if err != nil {
				return err
			}
			return s.showDigest(m)
		},
	}
	f.define(cmd)
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
	defer p.finish()
	m, err := weights.Digest(ctx, src.fsys, weights.Options{
		Tree: src.tree, Raw: f.raw, Fast: fast, Workers: runtime.NumCPU(), Progress: p.update})
	if err != nil {
		return nil, filesError("hashing "+path, err)
	}
	return m, nil
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
