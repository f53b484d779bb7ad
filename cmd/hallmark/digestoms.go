package main

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// An omsDigest is one run of digest --oms: what a signature of OpenSSF Model
// Signing would have as its subject, without a key.
type omsDigest struct {
	asked        bool
	method, hash string
	shardSize    uint64
}

const (
	omsFiles  = "files"
	omsShards = "shards"
	omsBLAKE3 = "blake3"
)

func (d *omsDigest) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	d.shardSize = oms.DefaultShardSize
	flags.BoolVar(&d.asked, "oms", false, "the root digest of OpenSSF Model Signing, not of Hallmark")
	flags.Var(newChoice(&d.method, omsFiles, omsShards), "oms-method", "with --oms: hash files, or shards of them, of which an empty file has none")
	flags.Var(newChoice(&d.hash, oms.DefaultHash, "blake2b", omsBLAKE3), "oms-hash", "with --oms: by what files are hashed; the root is SHA-256 over that in any case")
	flags.Var(&whole[uint64]{"shard-size", &d.shardSize, 1}, "shard-size", "with --oms-method shards: bytes of a shard")
}

// check refuses flags that would be ignored, or that mean two things.
func (d *omsDigest) check(cmd *cobra.Command) error {
	if !d.asked {
		return without(cmd, "oms", "oms-method", "oms-hash", "shard-size")
	}
	switch shards := d.method == omsShards; {
	case !shards && cmd.Flags().Changed("shard-size"):
		return cli.Usage("--shard-size without --oms-method shards: a file is hashed whole")
	case shards && d.hash == omsBLAKE3:
		return cli.Usage("--oms-method shards with --oms-hash blake3: no other tool hashes so").WithHint("BLAKE3 hashes the parts of a file at once by itself: --oms-method files")
	}
	return beside(cmd, "oms", "oci", "dataset", "raw", "fast", "chunks")
}

// An omsDigestResult is what digest --oms prints. Its members are stable.
type omsDigestResult struct {
	Root      string `json:"oms_root"` // as model-signing prints it
	Method    string `json:"method"`
	Hash      string `json:"hash"`
	ShardSize uint64 `json:"shard_size,omitempty"`
	Resources int    `json:"resources"` // files, or their shards
}

func (d *omsDigest) run(ctx context.Context, s *session, path string, from sourceFlags) error {
	for _, p := range from.ignore {
		if err := oms.CheckIgnored(p); err != nil {
			return cli.Usage("--ignore: %v", err)
		}
	}
	f, err := openOMSFolder(path)
	if err != nil {
		return err
	}
	defer f.Close()
	bar := s.progress("hashing")
	q := oms.Request{Hash: d.hash, Ignore: from.ignore, FollowLinks: from.followLinks, Progress: bar.update}
	if d.method == omsShards {
		q.ShardSize = d.shardSize
	}
	root, n, err := oms.Digest(ctx, f, q)
	bar.finish()
	if err != nil {
		return explainOMS("hashing "+path, err)
	}
	out := omsDigestResult{Root: digestText(root), Method: d.method, Hash: d.hash, ShardSize: q.ShardSize, Resources: n}
	return s.show(out,
		field{"oms root", out.Root},
		field{"digests", fmt.Sprintf("%d, by %s of %s", n, out.Hash, out.Method)})
}

// omsRoot is the root of OpenSSF Model Signing over the files that a model was
// hashed from, by SHA-256 of whole files: they stand in the order of their names,
// and are all that goes into it. So the alias is of the very bytes that are
// published, and they need not be read again.
func omsRoot(m *weights.Model) [32]byte {
	h := sha256.New()
	for _, f := range m.Files {
		h.Write(f.SHA256[:])
	}
	return [32]byte(h.Sum(nil))
}

// without refuses flags that mean nothing without the one that asks for them.
func without(cmd *cobra.Command, mode string, flags ...string) error {
	for _, flag := range flags {
		if cmd.Flags().Changed(flag) {
			return cli.Usage("--%s without --%s", flag, mode)
		}
	}
	return nil
}

// beside refuses flags that would be ignored beside the one given.
func beside(cmd *cobra.Command, mode string, flags ...string) error {
	for _, flag := range flags {
		if cmd.Flags().Changed(flag) {
			return cli.Usage("both --%s and --%s: want one of them", mode, flag)
		}
	}
	return nil
}
