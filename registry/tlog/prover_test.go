package tlog_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
	xtlog "golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// tiles is a log of tiles alone, built at once, for trees too large for tlogtest.Memory.
type tiles struct {
	tlog.Reader
	size   uint64
	levels [][]byte // per level, its hashes one after another
	reads  int
	mu     sync.Mutex
}

func newTiles(leaves [][]byte) *tiles {
	t := &tiles{size: uint64(len(leaves))}
	row := leaves
	for len(row) > 0 {
		t.levels = append(t.levels, slices.Concat(row...))
		var above [][]byte
		for full := range slices.Chunk(row, 256) {
			if len(full) == 256 {
				above = append(above, tlogtest.Root(full))
			}
		}
		row = above
	}
	return t
}

func (t *tiles) ReadTile(_ context.Context, level, index uint64, p uint8) ([]byte, error) {
	t.mu.Lock()
	t.reads++
	t.mu.Unlock()
	width := uint64(p)
	if p == 0 {
		width = 256
	}
	begin, end := index*256*32, (index*256+width)*32
	if level >= uint64(len(t.levels)) || end > uint64(len(t.levels[level])) {
		return nil, fmt.Errorf("tile %d/%d width %d: %w", level, index, width, fs.ErrNotExist)
	}
	return slices.Clone(t.levels[level][begin:end]), nil
}

func leafHashes(n int) [][]byte {
	hashes := make([][]byte, n)
	for i := range hashes {
		hashes[i] = rfc6962.DefaultHasher.HashLeaf(tlogtest.Leaf(i))
	}
	return hashes
}

func published(size uint64, root []byte) *tlog.Published {
	return &tlog.Published{Size: size, Root: tlog.Hash(root)}
}

// TestProofsAgainstReference compares every proof with those of transparency-dev/merkle's reference tree,
// at the sizes where tiles begin and end.
func TestProofsAgainstReference(t *testing.T) {
	ctx := context.Background()
	leaves := leafHashes(66_000) // beyond 256 x 256: three levels of tiles
	reference := testonly.New(rfc6962.DefaultHasher)
	reference.Append(leaves...)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []uint64{1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000} {
		prover := tlog.NewProver(newTiles(leaves[:size]), tlog.DefaultProofCache)
		at := published(size, reference.HashAt(size))
		for _, index := range sample(rng, size, 60) {
			want, err := reference.InclusionProof(index, size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := prover.Inclusion(ctx, index, at)
			if err != nil || !equal(got, want) {
				t.Fatalf("inclusion of %d in %d: got %x, %v, want %x", index, size, got, err, want)
			}
			if leaf, err := prover.LeafHash(ctx, index, at); err != nil || string(leaf[:]) != string(leaves[index]) {
				t.Fatalf("leaf hash %d: got %x, %v, want %x", index, leaf, err, leaves[index])
			}
		}
		for _, older := range append(sample(rng, size, 60), size) {
			want, err := reference.ConsistencyProof(older, size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := prover.Consistency(ctx, older, size, at)
			if err != nil || !equal(got, want) {
				t.Fatalf("consistency from %d to %d: got %x, %v, want %x", older, size, got, err, want)
			}
			if root, err := prover.Root(ctx, older, at); err != nil || string(root[:]) != string(reference.HashAt(older)) {
				t.Fatalf("root at %d: got %x, %v, want %x", older, root, err, reference.HashAt(older))
			}
			if older == 0 {
				continue
			}
			index := rng.Uint64N(older)
			want, err = reference.InclusionProof(index, older)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = prover.InclusionAt(ctx, index, older, at); err != nil || !equal(got, want) {
				t.Fatalf("inclusion of %d at %d in %d: got %x, %v, want %x", index, older, size, got, err, want)
			}
		}
	}
}

// TestProofsAgainstXMod has the Go checksum database's code check the proofs.
func TestProofsAgainstXMod(t *testing.T) {
	ctx := context.Background()
	leaves := leafHashes(700)
	prover := tlog.NewProver(newTiles(leaves), tlog.DefaultProofCache)
	at := published(700, tlogtest.Root(leaves))
	for _, index := range []uint64{0, 255, 256, 511, 512, 699} {
		path, err := prover.Inclusion(ctx, index, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := xtlog.CheckRecord(hashesOf(path), 700, at.Root, int64(index), xtlog.Hash(leaves[index])); err != nil {
			t.Errorf("inclusion of %d: %v", index, err)
		}
	}
	for _, older := range []uint64{1, 255, 256, 512, 699} {
		path, err := prover.Consistency(ctx, older, 700, at)
		if err != nil {
			t.Fatal(err)
		}
		root, err := prover.Root(ctx, older, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := xtlog.CheckTree(hashesOf(path), 700, at.Root, int64(older), root); err != nil {
			t.Errorf("consistency from %d: %v", older, err)
		}
	}
}

func hashesOf(path []tlog.Hash) []xtlog.Hash {
	out := make([]xtlog.Hash, len(path))
	for i, h := range path {
		out[i] = h
	}
	return out
}

func sample(rng *rand.Rand, size uint64, n int) []uint64 {
	if size <= uint64(n) {
		all := make([]uint64, size)
		for i := range all {
			all[i] = uint64(i)
		}
		return all
	}
	some := []uint64{0, size - 1}
	for len(some) < n {
		some = append(some, rng.Uint64N(size))
	}
	return some
}

func equal(got []tlog.Hash, want [][]byte) bool {
	return slices.EqualFunc(got, want, func(a tlog.Hash, b []byte) bool { return string(a[:]) == string(b) })
}

func TestProofsBeyondTheTreeAreRefused(t *testing.T) {
	ctx := context.Background()
	leaves := leafHashes(5)
	prover := tlog.NewProver(newTiles(leaves), tlog.DefaultProofCache)
	at := published(5, tlogtest.Root(leaves))
	for name, err := range map[string]error{
		"inclusion of 5 in 5":        second(prover.Inclusion(ctx, 5, at)),
		"inclusion at a larger size": second(prover.InclusionAt(ctx, 0, 6, at)),
		"consistency to a larger":    second(prover.Consistency(ctx, 1, 6, at)),
		"consistency backwards":      second(prover.Consistency(ctx, 3, 2, at)),
		"root of a larger size":      second(prover.Root(ctx, 6, at)),
		"leaf hash beyond the end":   second(prover.LeafHash(ctx, 5, at)),
	} {
		if err == nil {
			t.Errorf("%s was given", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestProverReadsTilesOnce also sees that a read which failed is tried again.
func TestProverReadsTilesOnce(t *testing.T) {
	ctx := context.Background()
	leaves := leafHashes(1000)
	log := newTiles(leaves)
	prover := tlog.NewProver(log, tlog.DefaultProofCache)
	at := published(1000, tlogtest.Root(leaves))

	whole := log.levels
	log.levels = nil
	if _, err := prover.Inclusion(ctx, 999, at); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without tiles: got %v, want %v", err, fs.ErrNotExist)
	}
	log.levels = whole
	log.reads = 0
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for index := range uint64(1000) {
				if _, err := prover.Inclusion(ctx, index, at); err != nil {
					t.Errorf("inclusion of %d: %v", index, err)
					return
				}
			}
		})
	}
	group.Wait()
	if log.reads != 5 { // four of level 0, one of level 1
		t.Errorf("50,000 proofs read %d tiles, want 5", log.reads)
	}
}

func TestProverKeepsToItsBudget(t *testing.T) {
	ctx := context.Background()
	leaves := leafHashes(256 * 20)
	log := newTiles(leaves)
	prover := tlog.NewProver(log, 1) // not even one tile
	at := published(256*20, tlogtest.Root(leaves))
	for index := uint64(0); index < at.Size; index += 128 {
		if _, err := prover.Inclusion(ctx, index, at); err != nil {
			t.Fatal(err)
		}
	}
	if log.reads < 40 {
		t.Errorf("got %d reads with a cache of one tile, want at least 40", log.reads)
	}
}

// BenchmarkInclusionProof builds proofs in a tree of 2^20 entries. "random" asks for any entry, with all
// tiles cached; "newest" for the last 1,000, as receipts do.
func BenchmarkInclusionProof(b *testing.B) {
	ctx := context.Background()
	const size = 1 << 20
	leaves := make([][]byte, size)
	for i := range leaves {
		leaves[i] = slices.Repeat([]byte{byte(i), byte(i >> 8)}, 16)
	}
	log := newTiles(leaves)
	at := published(size, tlogtest.Root(leaves))
	for _, span := range []struct {
		name  string
		last  uint64
		cache int
	}{{"newest", 1000, tlog.DefaultProofCache}, {"random", size, 128 << 20}, {"random small cache", size, tlog.DefaultProofCache}} {
		b.Run(span.name, func(b *testing.B) {
			prover := tlog.NewProver(log, span.cache)
			for i := uint64(0); i < span.last; i += 256 {
				if _, err := prover.Inclusion(ctx, size-1-i, at); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				if _, err := prover.Inclusion(ctx, size-1-i*7919%span.last, at); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proofs/s")
		})
	}
}
