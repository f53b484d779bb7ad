package main

import (
	"bytes"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// A modelPublish is one run of publish model.
type modelPublish struct {
	subjectFlags
	source          sourceFlags
	bases, datasets []string
	training        string
	noManifest      bool
	aliasOMS        bool
}

func publishModelCommand(s *session) *cobra.Command {
	var p modelPublish
	cmd := &cobra.Command{
		Use:   "model PATH --name NS/NAME --version V --key KEY",
		Short: "Publish a model folder or file",
		Long: `Hashes a model, signs a statement of what it is and where it comes from, and
publishes it. The receipt is verified before anything is reported.

The same folder and arguments give the same entry: no clock, path or host is in
it. So a repeat finds the entry that is there, and exits 0.

A REF that is a name must be in the log; a digest may be of something that is
not registered (yet), and is shown as such in lineages.`,
		Example: `  hallmark publish model ./tiny --name acme/tiny --version 1.0.0 --key me.key -o tiny.hallmark
  hallmark publish model ./ft --name acme/tiny-ft --version 1.0.0 --key me.key \
      --base acme/tiny@1.0.0:finetune --dataset acme/data@1.0.0:train --license Apache-2.0`,
		Args: arguments("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, key, err := p.read(cmd)
			if err != nil {
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
	p.source.define(cmd)
	flags.StringArrayVar(&p.bases, "base", nil, "model it was made from, as REF:RELATION (finetune, adapter, merge, quantize, distill, continue); may be repeated")
	flags.StringArrayVar(&p.datasets, "dataset", nil, "dataset it was made with, as REF:ROLE (train, validation, test, preference, calibration, retrieval, tokenizer); may be repeated")
	flags.StringVar(&p.training, "training", "", "digest of the record of its training run")
	flags.BoolVar(&p.aliasOMS, "alias-oms", false, "state the root digest that OpenSSF Model Signing gives the same files, so that the model is found by it")
	flags.BoolVar(&p.noManifest, "no-manifest", false, "leave the manifest out of the bundle")
	return cmd
}

// run resolves what is referred to before it hashes: a mistyped name must not
// cost an hour.
func (p *modelPublish) run(ctx context.Context, c *connection, path string, name statement.Name, key *entry.PrivateKey) error {
	m := &statement.Model{License: p.license}
	if err := p.origins(ctx, c, m); err != nil {
		return err
	}
	hashed, err := c.hashModel(ctx, path, p.out, p.source, false)
	if err != nil {
		return err
	}
	manifest, err := p.fill(m, hashed)
	if err != nil {
		return err
	}
	if hashed.TensorCount == 0 {
		c.status("warning: no tensors: hashed as plain bytes")
	}
	for _, i := range p.source.ignore {
		if !slices.Contains(hashed.Ignored, i) {
			c.status("warning: --ignore %s: there is no such path in the folder", i)
		}
	}
	st := statement.NewModel(name, m)
	st.Sort()
	st.ListFiles(listed(hashed))
	inBundle := manifest
	if p.noManifest {
		inBundle = nil
	}
	if err := c.publishStatement(ctx, st, key, inBundle, &p.subjectFlags); err != nil {
		return err
	}
	if !p.dryRun {
		c.uploadManifest(ctx, m.Manifest, manifest)
	}
	return nil
}

// origins resolves bases, datasets and training run.
func (p *modelPublish) origins(ctx context.Context, c *connection, m *statement.Model) (err error) {
	for _, b := range p.bases {
		ref, relation, err := splitRef("base", b, "RELATION")
		if err != nil {
			return err
		}
		r, err := c.resolve(ctx, ref, statement.KindModel)
		if err != nil {
			return notFoundHint(err)
		}
		m.Bases = append(m.Bases, statement.Base{Digest: r.digest, Name: r.name, Relation: statement.Relation(relation)})
	}
	for _, d := range p.datasets {
		ref, role, err := splitRef("dataset", d, "ROLE")
		if err != nil {
			return err
		}
		r, err := c.resolve(ctx, ref, statement.KindDataset)
		if err != nil {
			return notFoundHint(err)
		}
		m.Datasets = append(m.Datasets, statement.Use{Digest: r.digest, Name: r.name, Role: statement.Role(role)})
	}
	if p.training != "" {
		if m.Training, err = statement.ParseDigest(p.training); err != nil {
			return cli.Usage("--training: %v", err)
		}
	}
	return nil
}

// fill adds what was hashed, and returns the manifest, which the statement names
// by its digest.
func (p *modelPublish) fill(m *statement.Model, hashed *weights.Model) ([]byte, error) {
	manifest, err := hashed.Manifest()
	if err != nil {
		return nil, err
	}
	m.FileRoot, m.WeightsRoot = hashed.FileRoot, hashed.WeightsRoot
	m.Files, m.Bytes, m.Tensors = uint64(len(hashed.Files)), hashed.ByteCount, hashed.TensorCount
	m.Ignored = hashed.Ignored
	if p.aliasOMS {
		m.Aliases = append(m.Aliases, statement.Alias{Kind: statement.AliasOMS, Value: omsRoot(hashed)})
	}
	for _, raw := range p.source.raw {
		if !slices.ContainsFunc(hashed.Files, func(f weights.File) bool { return f.Path == raw }) {
			return nil, cli.Usage("--raw %q: there is no such file in the folder", raw)
		}
		if !slices.Contains(m.Raw, raw) {
			m.Raw = append(m.Raw, raw)
		}
	}
	text := manifest.Bytes()
	m.Manifest = manifest.Digest()
	return text, nil
}

func listed(m *weights.Model) []statement.File {
	files := make([]statement.File, len(m.Files))
	for i, f := range m.Files {
		files[i] = statement.File{Path: f.Path, SHA256: f.SHA256, Size: f.Size}
	}
	return files
}

// uploadManifest stores the manifest beside the log, so that others can say which
// file differs. The model is published whether or not that succeeds.
func (c *connection) uploadManifest(ctx context.Context, digest statement.Digest, manifest []byte) {
	_, err := call(ctx, c.session, "storing the manifest", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.UploadBlob(ctx, digest, bytes.NewReader(manifest))
	})
	if err != nil {
		c.status("warning: the model is published, its manifest is not stored: %s", printable(err.Error()))
	}
}
